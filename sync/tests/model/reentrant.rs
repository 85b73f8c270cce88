//! The lock that its holder takes again: one thread at a time, also while it is taken over from a dead process whose thread had the
//! same number.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::explore::{finds, holds, process};
use crate::raw::reentrant::RawReentrant;
use crate::raw::shim::{Seeded, die};

struct Guarded {
    lock: RawReentrant,
    data: UnsafeCell<u32>,
}

// SAFETY: loom checks every access to the data against all others.
unsafe impl Sync for Guarded {}
// SAFETY: an atomic machine and a number.
unsafe impl Send for Guarded {}

impl Guarded {
    fn add_twice(&self, number: u64, thread: u64) {
        let me = process(number);
        assert!(self.lock.lock(me, thread, None));
        assert!(self.lock.lock(me, thread, None), "once more");
        // SAFETY: the lock is held; loom reports it if that does not exclude others.
        self.data.with_mut(|data| unsafe { *data += 1 });
        self.lock.unlock(me);
        // SAFETY: as above, it is held once still.
        self.data.with_mut(|data| unsafe { *data += 1 });
        self.lock.unlock(me);
    }
}

/// The first thread of process 2 has died with the lock; both threads of process 1 want it, of which one has the same number.
fn taken_over_from_a_namesake() {
    let shared = Arc::new(Guarded { lock: RawReentrant::fresh(), data: UnsafeCell::new(0) });
    assert!(shared.lock.lock(process(2), 1, None));
    die(process(2));
    let theirs = shared.clone();
    let second = thread::spawn(move || theirs.add_twice(1, 2));
    // From the moment on in which the other thread has taken the lock over, perhaps not yet in its own name.
    while shared.lock.raw().holder() == Some(process(2)) {
        thread::yield_now();
    }
    shared.add_twice(1, 1);
    second.join().unwrap();
    // SAFETY: all threads are joined.
    assert_eq!(shared.data.with(|data| unsafe { *data }), 4);
}

#[test]
fn a_namesake_of_the_dead_does_not_hold_its_lock() {
    holds("reentrant lock, taken over from a dead process", 3, taken_over_from_a_namesake);
    finds(Seeded::TakeOverWithoutOwner, 3, taken_over_from_a_namesake);
}
