//! Eight processes, a million increments each: exact.

use std::sync::atomic::{AtomicU64, Ordering};

use procession_sync::{Mutex, ReentrantLock, RwLock, Shared};

use crate::helpers::{child, value};

const PROCESSES: usize = 8;
const EACH: u64 = 1_000_000;
/// For locks whose contended path is slower.
const FEW: u64 = 20_000;

#[test]
fn under_a_mutex() {
    let counter = Mutex::new(0_u64).unwrap();
    let count = |counter: Mutex<u64>| (0..EACH).for_each(|_| *counter.lock().unwrap() += 1);
    let children: Vec<_> = (0..PROCESSES).map(|_| child(count, counter.clone())).collect();
    children.iter().for_each(value);
    assert_eq!(*counter.lock().unwrap(), PROCESSES as u64 * EACH);
}

#[test]
fn on_an_atomic() {
    let counter = Shared::new(AtomicU64::new(0)).unwrap();
    let count = |counter: Shared<AtomicU64>| (0..EACH).for_each(|_| _ = counter.fetch_add(1, Ordering::Relaxed));
    let children: Vec<_> = (0..PROCESSES).map(|_| child(count, counter.clone())).collect();
    children.iter().for_each(value);
    assert_eq!(counter.load(Ordering::Relaxed), PROCESSES as u64 * EACH);
}

#[test]
fn under_a_reentrant_lock() {
    fn count(lock: ReentrantLock<(AtomicU64,)>) {
        for _ in 0..FEW {
            let outer = lock.lock().unwrap();
            let inner = lock.lock().unwrap();
            // Not one step: only the lock makes it exact.
            inner.0.store(outer.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }
    let lock = ReentrantLock::new((AtomicU64::new(0),)).unwrap();
    let children: Vec<_> = (0..PROCESSES).map(|_| child(count, lock.clone())).collect();
    children.iter().for_each(value);
    assert_eq!(lock.lock().unwrap().0.load(Ordering::Relaxed), PROCESSES as u64 * FEW);
}

#[test]
fn under_a_reader_writer_lock() {
    fn write(lock: RwLock<[u64]>) -> u64 {
        for _ in 0..FEW {
            lock.write().unwrap().iter_mut().for_each(|value| *value += 1);
        }
        0
    }
    fn read(lock: RwLock<[u64]>) -> u64 {
        let is_torn = |row: &[u64]| row.iter().any(|value| *value != row[0]);
        (0..FEW).filter(|_| is_torn(&lock.read().unwrap())).count() as u64
    }
    let lock = RwLock::<[u64]>::from_fn(40, |_| 0).unwrap();
    let children: Vec<_> = [write, read, read, write].map(|function| child(function, lock.clone())).into();
    let torn: u64 = children.iter().map(value).sum();
    assert_eq!(torn, 0, "a reader saw half a change");
    assert_eq!(lock.read().unwrap()[39], 2 * FEW);
}
