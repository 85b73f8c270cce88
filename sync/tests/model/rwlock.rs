//! Readers and a writer: exclusion through the fences, and dead readers and writers.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::explore::{finds, holds, process};
use crate::raw::rwlock::RawRwLock;
use crate::raw::shim::{Seeded, die};

struct Guarded {
    lock: RawRwLock,
    data: UnsafeCell<u32>,
}

// SAFETY: loom checks every access to the data against all others.
unsafe impl Sync for Guarded {}
// SAFETY: an atomic machine and a number.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded { lock: RawRwLock::fresh(), data: UnsafeCell::new(0) })
    }

    fn read(&self, number: u64) -> u32 {
        let slot = self.lock.read(process(number), None).expect("no deadline");
        // SAFETY: the lock is held for reading; loom reports it if that does not exclude writers.
        let value = self.data.with(|data| unsafe { *data });
        self.lock.unlock_read(process(number), slot);
        value
    }

    fn write(&self, number: u64) {
        assert!(self.lock.write(process(number), None));
        // SAFETY: the lock is held for writing; loom reports it if that does not exclude others.
        self.data.with_mut(|data| unsafe { *data += 1 });
        self.lock.unlock_write(process(number));
    }
}

fn reader_and_writer() {
    let shared = Guarded::new();
    let theirs = shared.clone();
    let reader = thread::spawn(move || theirs.read(2));
    shared.write(1);
    assert!(reader.join().unwrap() <= 1);
    assert_eq!(shared.read(1), 1);
}

fn two_writers_and_a_reader() {
    let shared = Guarded::new();
    let theirs = shared.clone();
    let writer = thread::spawn(move || theirs.write(2));
    let theirs = shared.clone();
    let reader = thread::spawn(move || theirs.read(3));
    shared.write(1);
    writer.join().unwrap();
    assert!(reader.join().unwrap() <= 2);
    assert_eq!(shared.read(1), 2);
}

fn death_of_a_reader() {
    let shared = Guarded::new();
    let theirs = shared.clone();
    let dying = thread::spawn(move || {
        let _kept = theirs.lock.read(process(2), None).expect("no deadline");
        die(process(2));
        theirs.lock.wake_sleepers();
    });
    shared.write(1);
    dying.join().unwrap();
    shared.write(1);
    assert_eq!(shared.read(1), 2);
    assert_eq!(shared.lock.writer().poisoned_by(), None, "a reader leaves nothing in doubt");
}

fn death_of_a_writer() {
    let shared = Guarded::new();
    let theirs = shared.clone();
    let dying = thread::spawn(move || {
        assert!(theirs.lock.write(process(2), None));
        // SAFETY: the lock is held for writing.
        theirs.data.with_mut(|data| unsafe { *data += 1 });
        die(process(2));
        theirs.lock.wake_sleepers();
    });
    assert!(shared.read(1) <= 1);
    dying.join().unwrap();
    assert_eq!(shared.read(1), 1);
    assert_eq!(shared.lock.writer().poisoned_by(), Some((process(2), false)));
}

#[test]
fn excludes_and_loses_no_wake() {
    holds("rwlock, reader and writer", 3, reader_and_writer);
    holds("rwlock, 2 writers and a reader", 2, two_writers_and_a_reader);
    finds(Seeded::ReadWithoutFence, 3, reader_and_writer);
}

#[test]
fn the_dead_are_buried() {
    holds("rwlock, a reader dies", 2, death_of_a_reader);
    holds("rwlock, a writer dies", 2, death_of_a_writer);
}
