//! Handles travel: to children of every start method, between siblings, back to the parent, inside any value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use procession_process::{Process, StartMethod};
use procession_sync::{Barrier, Condvar, Event, Lock, Mutex, ReentrantLock, RwLock, Semaphore, Shared, SharedMemory};
use serde::{Deserialize, Serialize};

use crate::helpers::{GUARD, child, value};

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
