//! The barrier: all come through with indices of their own, or all learn who is missing.

use loom::sync::Arc;
use loom::thread;

use crate::explore::{holds, process};
use crate::raw::barrier::{Cause, RawBarrier};
use crate::raw::shim::die;

fn barrier() -> Arc<RawBarrier> {
    let barrier = RawBarrier::fresh();
    barrier.init(2);
    Arc::new(barrier)
}

fn two_rounds() {
    let barrier = barrier();
    let theirs = barrier.clone();
    let other = thread::spawn(move || [(); 2].map(|()| theirs.wait(process(2), None).unwrap()));
    let mine = [(); 2].map(|()| barrier.wait(process(1), None).unwrap());
    let others = other.join().unwrap();
    for round in 0..2 {
        assert_eq!(mine[round] + others[round], 1, "the indices of a round are 0 and 1");
    }
}

/// Process 2 was a party and dies; process 1 waits for it.
fn death_of_a_party() {
    let barrier = barrier();
    let theirs = barrier.clone();
    let dying = thread::spawn(move || {
        theirs.wait(process(2), None).unwrap();
        die(process(2));
        theirs.wake_sleepers();
    });
    barrier.wait(process(1), None).unwrap();
    assert_eq!(barrier.wait(process(1), None), Err(Cause::Died(Some(process(2)))));
    dying.join().unwrap();
    barrier.reset(process(1));
    assert_eq!(barrier.broken(), None);
}

#[test]
fn both_come_through() {
    holds("barrier, 2 parties, 2 rounds", 2, two_rounds);
}

#[test]
fn a_dead_party_is_missed() {
    holds("barrier, a party dies", 2, death_of_a_party);
}
