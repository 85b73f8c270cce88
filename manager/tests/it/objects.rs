//! The ready-made objects beyond their examples.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use procession_manager::{
    Array, Barrier, CallError, Condition, Counter, Dict, Event, List, Lock, Manager, Namespace, Queue, RLock,
    Semaphore, Set, Value,
};
use procession_process::{Process, StartMethod};

#[test]
fn all_of_them_travel_to_processes_of_every_start_method() {
    type All = (
        (Dict<u8, u8>, List<u8>, Set<u8>, Namespace, Value<u8>, Array<u8>, Counter, Queue<u8>),
        (Event, Lock, RLock, Semaphore, Condition, Barrier),
    );
    let manager = Manager::start().unwrap();
    let all: All = (
        (
            manager.dict().unwrap(),
            manager.list().unwrap(),
            manager.set().unwrap(),
            manager.namespace().unwrap(),
            manager.value(0).unwrap(),
            manager.array(vec![0; 3]).unwrap(),
            manager.counter(0).unwrap(),
            manager.queue(5).unwrap(),
        ),
        (
            manager.event().unwrap(),
            manager.lock().unwrap(),
            manager.rlock().unwrap(),
            manager.semaphore(1).unwrap(),
            manager.condition().unwrap(),
            manager.barrier(1).unwrap(),
        ),
    );
    let touch = |((dict, list, set, namespace, value, array, counter, queue), syncs): All| {
        let (event, lock, rlock, semaphore, condition, barrier) = syncs;
        dict.insert(1, 1).unwrap();
        list.push(1).unwrap();
        set.insert(1).unwrap();
        namespace.set("x", 1_u8).unwrap();
        value.set(1).unwrap();
        array.set(0, 1).unwrap();
        counter.add(1).unwrap();
        queue.send(1).unwrap();
        event.set().unwrap();
        drop((lock.acquire().unwrap(), rlock.acquire().unwrap(), semaphore.acquire().unwrap()));
        condition.acquire().unwrap().notify_all().unwrap();
        barrier.wait().unwrap();
    };
    for method in [StartMethod::Server, StartMethod::Spawn] {
        let again = (all.0.clone(), all.1.clone());
        Process::builder().start_method(method).spawn(touch, again).unwrap().join().unwrap();
    }
    let ((dict, list, set, namespace, value, array, counter, queue), (event, lock, rlock, semaphore, _, _)) = all;
    assert_eq!(dict, HashMap::from([(1, 1)]));
    assert_eq!(list, vec![1, 1]);
    assert_eq!(set, HashSet::from([1]));
    assert_eq!(namespace.get::<u8>("x").unwrap(), Some(1));
    assert_eq!((value.get().unwrap(), array.to_vec().unwrap()), (1, vec![1, 0, 0]));
    assert_eq!((counter.get().unwrap(), queue.len().unwrap()), (2, 2));
    assert!(event.is_set().unwrap() && !lock.is_locked().unwrap() && !rlock.is_locked().unwrap());
    assert_eq!(semaphore.available().unwrap(), 1);
}

#[test]
fn two_collections_are_equal_when_their_contents_are() {
    let manager = Manager::start().unwrap();
    let (one, two) = (manager.list::<u8>().unwrap(), manager.list::<u8>().unwrap());
    assert_eq!(one, two);
    one.push(1).unwrap();
    assert_ne!(one, two);
    assert_ne!(one.proxy(), two.proxy());
    assert_eq!(one.proxy(), one.clone().proxy());
}

#[test]
fn a_reentrant_lock_is_its_threads_own() {
    let manager = Manager::start().unwrap();
    let lock = manager.rlock().unwrap();
    let guards = (lock.acquire().unwrap(), lock.acquire().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(lock.try_acquire().unwrap().is_none()));
    });
    drop(guards.0);
    assert!(lock.is_locked().unwrap());
    drop(guards.1);
    assert!(!lock.is_locked().unwrap());
}

#[test]
fn a_condition_wakes_those_who_came_first_and_no_more() {
    let manager = Manager::start().unwrap();
    let (condition, awake) = (manager.condition().unwrap(), manager.counter(0).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let guard = condition.acquire().unwrap();
                awake.add(10).unwrap();
                guard.wait().unwrap();
                awake.add(1).unwrap();
            });
        }
        awake.wait_for(30).unwrap();
        condition.acquire().unwrap().notify_one().unwrap();
        awake.wait_for(31).unwrap();
        assert!(!condition.acquire().unwrap().wait_timeout(Duration::from_millis(20)).unwrap());
        assert_eq!(awake.get().unwrap(), 31);
        condition.acquire().unwrap().notify_all().unwrap();
        awake.wait_for(33).unwrap();
    });
}

#[test]
fn a_barrier_that_is_broken_lets_nobody_wait() {
    let manager = Manager::start().unwrap();
    let barrier = manager.barrier(3).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| barrier.wait());
        while barrier.waiting().unwrap() == 0 {
            std::thread::yield_now();
        }
        assert!(matches!(barrier.wait_timeout(Duration::from_millis(10)), Err(CallError::BrokenBarrier)));
        assert!(matches!(waiter.join().unwrap(), Err(CallError::BrokenBarrier)));
    });
    barrier.reset().unwrap();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..6).map(|_| scope.spawn(|| barrier.wait().unwrap())).collect();
        let mut places: Vec<usize> = waiters.into_iter().map(|one| one.join().unwrap()).collect();
        places.sort_unstable();
        assert_eq!(places, [0, 0, 1, 1, 2, 2]);
    });
}

#[test]
fn an_update_that_captures_loses_nothing() {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<u8, u64>().unwrap();
    std::thread::scope(|scope| {
        for by in 1..=4 {
            let dict = &dict;
            scope.spawn(move || (0..50).all(|_| dict.update(&0, |old| Some(old.unwrap_or(0) + by)).unwrap().is_some()));
        }
    });
    assert_eq!(dict.get(&0).unwrap(), Some(500));
}

#[test]
fn a_queue_blocks_its_senders_when_it_is_full() {
    let manager = Manager::start().unwrap();
    let queue = manager.queue::<u32>(2).unwrap();
    let sender = Process::spawn(|queue: Queue<u32>| (0..100).try_for_each(|n| queue.send(n)), queue.clone()).unwrap();
    for expected in 0..100 {
        assert_eq!(queue.recv().unwrap(), expected);
        assert!(queue.len().unwrap() <= 2);
        queue.task_done().unwrap();
    }
    sender.join().unwrap().unwrap();
    queue.join().unwrap();
}
