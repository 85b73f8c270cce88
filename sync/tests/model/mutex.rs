//! The lock word: exclusion, no lost wake-up, and what remains of a dead holder.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::explore::{finds, holds, process};
use crate::raw::mutex::RawMutex;
use crate::raw::shim::{Seeded, die};

struct Guarded {
    lock: RawMutex,
    data: UnsafeCell<u32>,
}

// SAFETY: loom checks every access to the data against all others.
unsafe impl Sync for Guarded {}
// SAFETY: an atomic machine and a number.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded { lock: RawMutex::fresh(), data: UnsafeCell::new(0) })
    }

    fn add(&self, number: u64) {
        let me = process(number);
        assert!(self.lock.lock(me, None));
        // SAFETY: the lock is held; loom reports it if that does not exclude others.
        self.data.with_mut(|data| unsafe { *data += 1 });
        self.lock.unlock(me);
    }

    fn total(&self) -> u32 {
        // SAFETY: all threads are joined.
        self.data.with(|data| unsafe { *data })
    }
}

fn contention() {
    let shared = Guarded::new();
    let others: Vec<_> = [2, 3]
        .map(|number| {
            let shared = shared.clone();
            thread::spawn(move || shared.add(number))
        })
        .into();
    shared.add(1);
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(shared.total(), 3);
}

fn twice() {
    let shared = Guarded::new();
    let theirs = shared.clone();
    let other = thread::spawn(move || {
        theirs.add(2);
        theirs.add(2);
    });
    shared.add(1);
    shared.add(1);
    other.join().unwrap();
    assert_eq!(shared.total(), 4);
}

/// Process 2 dies while it holds the lock, two others want it.
fn death_of_the_holder() {
    let shared = Guarded::new();
    let dying = {
        let shared = shared.clone();
        thread::spawn(move || {
            assert!(shared.lock.lock(process(2), None));
            // SAFETY: the lock is held.
            shared.data.with_mut(|data| unsafe { *data += 1 });
            die(process(2));
            shared.lock.wake_sleepers();
        })
    };
    let waiting = {
        let shared = shared.clone();
        thread::spawn(move || shared.add(3))
    };
    shared.add(1);
    dying.join().unwrap();
    waiting.join().unwrap();
    // The dead one may have been last: then it holds the lock still.
    assert!(shared.lock.lock(process(1), None));
    assert_eq!(shared.lock.poisoned_by(), Some((process(2), false)));
    assert_eq!(shared.total(), 3);
}

#[test]
fn excludes_and_loses_no_wake() {
    holds("mutex, 3 processes", 3, contention);
    holds("mutex, 2 processes twice", 4, twice);
}

#[test]
fn a_dead_holder_is_followed_by_one_at_a_time() {
    holds("mutex, a holder dies", 3, death_of_the_holder);
}

#[test]
fn seeded_faults_are_found() {
    finds(Seeded::UnlockWithoutWake, 3, contention);
    finds(Seeded::TakeOverFromLiving, 3, contention);
}
