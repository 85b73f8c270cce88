//! The claim: one word in which the pool says which tasks a worker may begin, and the worker which it has begun.
//!
//! Tasks are numbered in the order in which they were sent, modulo 2^24. The word holds three numbers:
//!
//! ```text
//! 63      48 47      24 23       0
//! recalls    granted    begun         tasks from `begun` up to `granted` may be begun, or taken back
//! ```
//!
//! Whoever changes it does so in one step and only if nobody else has, so each task is either begun or taken back. The count of
//! recalls makes sure that a worker cannot mistake a number that was taken back and given again for the old one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of tasks are taken modulo this.
const ROUND: u64 = 1 << 24;
/// The most tasks that a worker may hold, so that numbers cannot be confused.
pub(crate) const MOST_HELD: u64 = 1 << 20;

/// What the word said at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim(u64);

impl Claim {
    #[inline]
    fn new(recalls: u64, granted: u64, begun: u64) -> Claim {
        Claim((recalls << 48) | ((granted % ROUND) << 24) | (begun % ROUND))
    }

    /// What the word says now.
    #[inline]
    pub(crate) fn read(word: &AtomicU64) -> Claim {
        Claim(word.load(Ordering::Acquire))
    }

    /// The number of the next task to be begun.
    #[inline]
    pub(crate) fn begun(self) -> u64 {
        self.0 % ROUND
    }

    /// The number of the next task to be granted.
    #[inline]
    pub(crate) fn granted(self) -> u64 {
        (self.0 >> 24) % ROUND
    }

    /// How many tasks may be begun.
    #[inline]
    pub(crate) fn open(self) -> u64 {
        distance(self.begun(), self.granted())
    }

    /// Begins the next `count` tasks, of at least as many open ones. Answers whether nothing has changed in between.
    #[inline]
    pub(crate) fn begin(self, word: &AtomicU64, count: u64) -> bool {
        let next = Claim::new(self.0 >> 48, self.granted(), self.begun() + count);
        word.compare_exchange(self.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Lets the worker begin `count` more tasks, which it can already read.
#[inline]
pub(crate) fn grant(word: &AtomicU64, count: u64) {
    update(word, |old| (Claim::new(old.0 >> 48, old.granted() + count, old.begun()), ()));
}

/// Takes back up to `count` of the last tasks that were not begun, and answers how many.
pub(crate) fn recall(word: &AtomicU64, count: u64) -> u64 {
    update(word, |old| {
        let taken = count.min(old.open());
        (Claim::new((old.0 >> 48).wrapping_add(1) & 0xffff, old.granted() + ROUND - taken, old.begun()), taken)
    })
}

/// How far it is from one number to a later one.
#[inline]
pub(crate) fn distance(from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) % ROUND
}

/// Whether a task comes at or after another one, as their numbers go round.
pub(crate) fn is_at_or_after(number: u64, other: u64) -> bool {
    distance(other, number) < ROUND / 2
}

fn update<T>(word: &AtomicU64, mut change: impl FnMut(Claim) -> (Claim, T)) -> T {
    let mut old = word.load(Ordering::Acquire);
    loop {
        let (new, answer) = change(Claim(old));
        match word.compare_exchange_weak(old, new.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return answer,
            Err(now) => old = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn numbers_go_round() {
        let word = AtomicU64::new(0);
        for _ in 0..40 {
            grant(&word, MOST_HELD);
            let claim = Claim::read(&word);
            assert_eq!(claim.open(), MOST_HELD);
            assert!(claim.begin(&word, MOST_HELD - 5));
            assert_eq!(recall(&word, 3), 3);
            assert_eq!(recall(&word, 100), 2);
            assert_eq!(Claim::read(&word).open(), 0);
        }
    }

    #[test]
    fn a_claim_seen_before_a_recall_begins_nothing() {
        let word = AtomicU64::new(0);
        grant(&word, 4);
        let stale = Claim::read(&word);
        assert_eq!(recall(&word, 4), 4);
        grant(&word, 4);
        assert!(!stale.begin(&word, 1), "it may have read the old task of that number");
    }

    #[test]
    fn each_task_is_begun_or_taken_back() {
        let word = AtomicU64::new(0);
        let (begun, taken) = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut begun = 0;
                loop {
                    let claim = Claim::read(&word);
                    if claim.0 >> 48 == 0xffff {
                        return begun;
                    }
                    begun += u64::from(claim.open() > 0 && claim.begin(&word, 1));
                }
            });
            let mut taken = 0;
            for _ in 0..0xffff {
                grant(&word, 3);
                taken += recall(&word, 2);
            }
            (worker.join().unwrap(), taken)
        });
        assert_eq!(begun + taken + Claim::read(&word).open(), 3 * 0xffff);
    }
}
