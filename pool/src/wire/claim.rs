//! The claim: one word of shared memory that says which tasks a worker may start, and which it has started.
//!
//! Tasks are numbered in the order in which they were sent, modulo 2^24. The word holds three numbers:
//!
//! ```text
//! 63      48 47      24 23       0
//! revokes    granted    started       tasks from `started` up to `granted` may be started, or revoked
//! ```
//!
//! Each side changes the word by one compare-and-swap, so each task is either started or revoked. The count of revokes makes sure
//! that a worker does not mistake a number that was revoked and granted again for the old one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Task numbers are taken modulo this.
const ROUND: u64 = 1 << 24;
/// The largest number of tasks that a worker may hold, so that numbers stay unambiguous.
pub(crate) const MAX_TASKS_HELD: u64 = 1 << 20;

/// The word at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim(u64);

impl Claim {
    #[inline]
    fn new(revokes: u64, granted: u64, started: u64) -> Claim {
        Claim((revokes << 48) | ((granted % ROUND) << 24) | (started % ROUND))
    }

    #[inline]
    pub(crate) fn read(word: &AtomicU64) -> Claim {
        // Pairs with the AcqRel in `update`: what was granted can be read in the ring, and what was started is seen as started.
        Claim(word.load(Ordering::Acquire))
    }

    /// Returns the number of the next task to start.
    #[inline]
    pub(crate) fn started(self) -> u64 {
        self.0 % ROUND
    }

    /// Returns the number of the next task to be granted.
    #[inline]
    pub(crate) fn granted(self) -> u64 {
        (self.0 >> 24) % ROUND
    }

    /// Returns the number of tasks that may be started.
    #[inline]
    pub(crate) fn open(self) -> u64 {
        distance(self.started(), self.granted())
    }

    /// Starts the next `count` tasks, of at least as many open ones. Returns `false` if the word has changed since it was read.
    #[inline]
    pub(crate) fn start(self, word: &AtomicU64, count: u64) -> bool {
        let next = Claim::new(self.0 >> 48, self.granted(), self.started() + count);
        // Release pairs with `read` and `update` in the pool, which must see `running_since` of the task before. A failure reads
        // nothing: the worker reads the word again.
        word.compare_exchange(self.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Grants the worker credit to start `count` more tasks, which it can already read.
#[inline]
pub(crate) fn grant(word: &AtomicU64, count: u64) {
    update(word, |old| (Claim::new(old.0 >> 48, old.granted() + count, old.started()), ()));
}

/// Revokes up to `count` of the last tasks that were not started, and returns their number.
pub(crate) fn revoke(word: &AtomicU64, count: u64) -> u64 {
    update(word, |old| {
        let revoked = count.min(old.open());
        // 16 bits: a worker would have to be held up between `read` and `start` for 65,536 revokes that lead to the same numbers.
        let revokes = (old.0 >> 48).wrapping_add(1) & 0xffff;
        (Claim::new(revokes, minus(old.granted(), revoked), old.started()), revoked)
    })
}

/// Returns the distance from one number to a later one.
#[inline]
pub(crate) fn distance(from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) % ROUND
}

/// Returns the number `count` tasks after another one.
#[inline]
pub(crate) fn plus(number: u64, count: u64) -> u64 {
    (number + count) % ROUND
}

/// Returns the number `count` tasks before another one.
pub(crate) fn minus(number: u64, count: u64) -> u64 {
    (number + ROUND - count) % ROUND
}

/// Returns whether a task comes at or after another one, as their numbers wrap around.
pub(crate) fn is_at_or_after(number: u64, other: u64) -> bool {
    distance(other, number) < ROUND / 2
}

/// Changes the word in one step. `change` is called again where the other side came first.
fn update<T>(word: &AtomicU64, mut change: impl FnMut(Claim) -> (Claim, T)) -> T {
    // Pairs with the Release in `Claim::start`.
    let mut old = word.load(Ordering::Acquire);
    loop {
        let (new, result) = change(Claim(old));
        // Release pairs with `Claim::read` in the worker: the chunks are in the ring before they are granted.
        match word.compare_exchange_weak(old, new.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return result,
            Err(now) => old = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn numbers_wrap_around() {
        let word = AtomicU64::new(0);
        for _ in 0..40 {
            grant(&word, MAX_TASKS_HELD);
            let claim = Claim::read(&word);
            assert_eq!(claim.open(), MAX_TASKS_HELD);
            assert!(claim.start(&word, MAX_TASKS_HELD - 5));
            assert_eq!(revoke(&word, 3), 3);
            assert_eq!(revoke(&word, 100), 2);
            assert_eq!(Claim::read(&word).open(), 0);
        }
        assert_eq!((plus(ROUND - 1, 2), minus(1, 2)), (1, ROUND - 1));
    }

    #[test]
    fn a_claim_read_before_a_revoke_starts_nothing() {
        let word = AtomicU64::new(0);
        grant(&word, 4);
        let stale = Claim::read(&word);
        assert_eq!(revoke(&word, 4), 4);
        grant(&word, 4);
        assert!(!stale.start(&word, 1), "it may have read the old task of that number");
    }

    #[test]
    fn each_task_is_started_or_revoked() {
        let word = AtomicU64::new(0);
        let (started, revoked) = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut started = 0;
                loop {
                    let claim = Claim::read(&word);
                    if claim.0 >> 48 == 0xffff {
                        return started;
                    }
                    started += u64::from(claim.open() > 0 && claim.start(&word, 1));
                }
            });
            let mut revoked = 0;
            for _ in 0..0xffff {
                grant(&word, 3);
                revoked += revoke(&word, 2);
            }
            (worker.join().unwrap(), revoked)
        });
        assert_eq!(started + revoked + Claim::read(&word).open(), 3 * 0xffff);
    }
}
