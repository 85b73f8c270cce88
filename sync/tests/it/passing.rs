//! Handles travel: to children of every start method, between siblings, back to the parent, inside any value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use procession_core::codec;
use procession_process::{Process, StartMethod};
use procession_sync::{
    Barrier, BrokenBarrierError, Condvar, CreateError, Event, Lock, Mutex, NameError, ReentrantLock, ReleaseError,
    RwLock, Semaphore, Shared, SharedMemory,
};
use serde::{Deserialize, Serialize};

use crate::helpers::{GUARD, child, kill_at, stay, value};

/// One of each.
#[derive(Clone, Serialize, Deserialize)]
struct Everything {
    mutex: Mutex<(u32, f64)>,
    row: Mutex<[u8]>,
    lock: Lock,
    reentrant: ReentrantLock<AtomicU32>,
    rwlock: RwLock<[u32; 4]>,
    condvar: Condvar,
    semaphore: Semaphore,
    event: Event,
    barrier: Barrier,
    shared: Shared<AtomicU32>,
    memory: SharedMemory,
}

impl Everything {
    fn new() -> Everything {
        Everything {
            mutex: Mutex::new((1, 0.5)).unwrap(),
            row: Mutex::from_slice(b"row").unwrap(),
            lock: Lock::new(()).unwrap(),
            reentrant: ReentrantLock::new(AtomicU32::new(2)).unwrap(),
            rwlock: RwLock::new([1, 2, 3, 4]).unwrap(),
            condvar: Condvar::new().unwrap(),
            semaphore: Semaphore::new(2).unwrap(),
            event: Event::new().unwrap(),
            barrier: Barrier::new(2).unwrap(),
            shared: Shared::new(AtomicU32::new(3)).unwrap(),
            memory: SharedMemory::new(10).unwrap(),
        }
    }
}

/// Changes each a little, so that the other side can see it.
fn touch(all: Everything) {
    let _alone = all.lock.lock().unwrap();
    let mut pair = all.mutex.lock().unwrap();
    pair.0 += 1;
    pair.1 *= 2.0;
    all.condvar.notify_all();
    drop(pair);
    all.row.lock().unwrap().reverse();
    all.reentrant.lock().unwrap().fetch_add(1, Ordering::Relaxed);
    all.rwlock.write().unwrap()[3] = all.rwlock.is_poisoned().into();
    all.semaphore.acquire().forget();
    all.shared.fetch_add(1, Ordering::Relaxed);
    all.memory.write(4, b"here");
    all.event.set();
    all.barrier.wait_timeout(GUARD).unwrap();
}

fn check(all: &Everything) {
    all.barrier.wait_timeout(GUARD).unwrap();
    assert!(all.event.is_set());
    assert_eq!(*all.mutex.lock().unwrap(), (2, 1.0));
    assert_eq!(*all.row.lock().unwrap(), *b"wor");
    assert_eq!(all.reentrant.lock().unwrap().load(Ordering::Relaxed), 3);
    assert_eq!(*all.rwlock.read().unwrap(), [1, 2, 3, 0]);
    assert_eq!(all.semaphore.available(), 1);
    assert_eq!(all.shared.load(Ordering::Relaxed), 4);
    let mut read = [0; 4];
    all.memory.read(4, &mut read);
    assert_eq!(&read, b"here");
}

#[test]
fn to_children_of_a_server_and_of_an_exec() {
    for method in [StartMethod::Server, StartMethod::Spawn] {
        let all = Everything::new();
        let child = Process::builder().start_method(method).spawn(touch, all.clone()).unwrap();
        check(&all);
        value(&child);
    }
}

#[test]
fn from_a_child_to_its_parent() {
    let made = child(|()| Everything::new(), ());
    let all = value(&made);
    // Its maker has ended; the memory lives on.
    let again = child(touch, all.clone());
    check(&all);
    value(&again);
}

#[test]
fn from_sibling_to_sibling_inside_a_map() {
    type Parcel = BTreeMap<String, (Mutex<u32>, Option<Event>)>;
    let make =
        |()| -> Parcel { BTreeMap::from([("it".to_owned(), (Mutex::new(41).unwrap(), Some(Event::new().unwrap())))]) };
    let use_it = |parcel: Parcel| {
        let (number, done) = &parcel["it"];
        *number.lock().unwrap() += 1;
        done.as_ref().unwrap().set();
    };
    let parcel = value(&child(make, ()));
    value(&child(use_it, parcel.clone()));
    assert!(parcel["it"].1.as_ref().unwrap().is_set());
    assert_eq!(*parcel["it"].0.lock().unwrap(), 42);
}

#[test]
fn errors_come_back_from_a_child_as_they_are() {
    let too_many = value(&child(|()| Semaphore::bounded(5).unwrap().release(2), ()));
    assert_eq!(too_many, Semaphore::bounded(5).unwrap().release(2));
    let senseless = value(&child(|()| -> Result<Barrier, CreateError> { Barrier::new(0) }, ())).unwrap_err();
    assert_eq!(senseless.to_string(), Barrier::new(0).unwrap_err().to_string());
    assert!(!senseless.is_out_of_memory());
    let too_large = value(&child(|()| Shared::<[u64]>::from_fn(1 << 50, |_| 0), ())).unwrap_err();
    assert!(too_large.is_out_of_memory());
    let unknown = value(&child(|()| SharedMemory::open("nobody-has-this"), ())).unwrap_err();
    assert!(unknown.is_not_found() && !unknown.is_taken(), "{unknown}");
}

#[test]
fn a_child_tells_whose_death_broke_the_barrier() {
    let barrier = Barrier::new(2).unwrap();
    let waits = |(barrier, there): (Barrier, Event)| {
        // One round with the test makes it a party.
        barrier.wait_timeout(GUARD).unwrap();
        stay(&there);
    };
    let met = barrier.clone();
    let meeting = std::thread::spawn(move || met.wait_timeout(GUARD).map(drop));
    let dead = kill_at(waits, barrier.clone());
    meeting.join().unwrap().unwrap();
    let told = value(&child(|barrier: Barrier| barrier.wait_timeout(GUARD).map(drop), barrier.clone()));
    assert_eq!(told.as_ref().unwrap_err().dead_party(), Some(dead));
    assert_eq!(told, barrier.wait_timeout(GUARD).map(drop));
    barrier.reset();
    let late = value(&child(|barrier: Barrier| barrier.wait_timeout(Duration::ZERO).map(drop), barrier));
    assert!(late.unwrap_err().is_timeout());
}

#[test]
fn an_error_that_travelled_twice_says_the_same() {
    fn twice<T: Serialize + serde::de::DeserializeOwned>(value: T) -> T {
        let again = |value| codec::decode::<T>(codec::encode(&value).unwrap()).unwrap();
        again(again(value))
    }
    let name: NameError = SharedMemory::open("a/b").unwrap_err();
    let text = name.to_string();
    assert_eq!(twice(name).to_string(), text);
    let create: CreateError = Barrier::new(0).unwrap_err();
    let text = create.to_string();
    assert_eq!(twice(create).to_string(), text);
    let release: ReleaseError = Semaphore::bounded(1).unwrap().release(1).unwrap_err();
    assert_eq!(twice(release.clone()), release);
    let broken = Barrier::new(2).unwrap();
    broken.abort();
    let broken: BrokenBarrierError = broken.wait().unwrap_err();
    assert_eq!(twice(broken.clone()), broken);
}
