//! How an end waits: spinning for as long as that pays, then sleeping. Senders that wait for space sleep in growing slices.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use procession_core::os::backoff::{AdaptiveSpin, BackoffTimer, has_other_cores};

use crate::memory::until::Until;
use crate::tuning::{
    EAGER_LOOKS, FIRST_SLEEP, LONGEST_SLEEP, LOOKS_PER_CLOCK_READ, MAX_MISSES, MAX_PAUSES, SPIN_TIMEOUT,
    WAITS_PER_SPIN, WAITS_PER_TRIAL, YIELD_AFTER,
};

thread_local! {
    /// Whether this thread has sent a wake-up since it last waited. The peer may be about to run on this very core.
    static SENT_WAKEUP: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread has sent a wake-up.
pub(crate) fn note_wakeup() {
    SENT_WAKEUP.set(true);
}

/// Makes the timer of a call that sleeps in slices.
pub(crate) fn timer(until: Until) -> BackoffTimer {
    BackoffTimer::new(until.deadline(), FIRST_SLEEP, LONGEST_SLEEP)
}

/// Spins until an item comes, and remembers how the items have come lately.
///
/// Its counters are shared by the threads that use one end, and are only hints: all accesses are Relaxed.
#[derive(Debug)]
pub(crate) struct ItemSpin {
    adaptive: AdaptiveSpin,
    /// Number of pauses before the first look. A look takes a cache line away from the peer that is about to write to it. So while
    /// items come one upon the other, it pays to wait for a few.
    pauses: AtomicU32,
    /// Number of waits since pauses were tried.
    waits_without_pauses: AtomicU32,
    /// Whether the item was there as soon as this thread had yielded: the peer runs on the same core.
    shares_core: AtomicBool,
}

impl ItemSpin {
    pub(crate) fn new() -> ItemSpin {
        ItemSpin {
            adaptive: AdaptiveSpin::new(MAX_MISSES, WAITS_PER_SPIN),
            pauses: AtomicU32::new(0),
            waits_without_pauses: AtomicU32::new(0),
            shares_core: AtomicBool::new(false),
        }
    }

    /// Spins until something is there. `look` returns how many items are.
    pub(crate) fn spin(&self, mut look: impl FnMut() -> u64) -> bool {
        // On a single core the peer runs only while this thread does not.
        let may_spin = has_other_cores() && self.adaptive.should_spin();
        let seen = may_spin && (self.look_after_pauses(&mut look) || self.look_eagerly(look));
        self.adaptive.record(seen);
        seen
    }

    /// Looks once, after some pauses if several items are usually there then.
    fn look_after_pauses(&self, look: &mut impl FnMut() -> u64) -> bool {
        let (usual, waits) = (self.pauses.load(Relaxed), self.waits_without_pauses.load(Relaxed));
        let pauses = if usual == 0 && waits >= WAITS_PER_TRIAL { MAX_PAUSES / 4 } else { usual };
        if pauses == 0 {
            self.waits_without_pauses.store(waits + 1, Relaxed);
            return false;
        }
        let seen = pause_and(pauses, look);
        // One item means that the peer waits for an answer; several, that it could have been left alone for longer.
        let next = if seen > 1 { (pauses + 4).min(MAX_PAUSES) } else { pauses / 2 };
        self.pauses.store(if next < 4 { 0 } else { next }, Relaxed);
        self.waits_without_pauses.store(0, Relaxed);
        seen > 0
    }

    /// Looks again and again, without a look at the clock at first.
    fn look_eagerly(&self, mut look: impl FnMut() -> u64) -> bool {
        let (sent_wakeup, shares_core) = (SENT_WAKEUP.replace(false), self.shares_core.load(Relaxed));
        // A peer that was just woken takes longer than a few looks.
        if !sent_wakeup && look_often(if shares_core { LOOKS_PER_CLOCK_READ } else { EAGER_LOOKS }, 1, &mut look) {
            self.shares_core.store(false, Relaxed);
            return true;
        }
        if (sent_wakeup || shares_core) && self.yield_core(&mut look) {
            return true;
        }
        self.look_by_the_clock(look)
    }

    /// Looks less and less often, until [`SPIN_TIMEOUT`].
    fn look_by_the_clock(&self, mut look: impl FnMut() -> u64) -> bool {
        let start = Instant::now();
        let (mut pauses, mut has_yielded) = (1, false);
        while !look_often(LOOKS_PER_CLOCK_READ, pauses, &mut look) {
            let elapsed = start.elapsed();
            if elapsed > SPIN_TIMEOUT {
                return false;
            }
            if elapsed > YIELD_AFTER && !has_yielded {
                has_yielded = true;
                if self.yield_core(&mut look) {
                    return true;
                }
            }
            // The longer it takes, the less a moment matters, and the more the sender needs its cache line.
            pauses = (pauses * 2).min(16);
        }
        true
    }

    /// Lets other threads run on this core, and looks.
    fn yield_core(&self, look: &mut impl FnMut() -> u64) -> bool {
        let start = Instant::now();
        thread::yield_now();
        let seen = look() > 0;
        // A thread that ran for long was not the peer, which would have slept.
        self.shares_core.store(seen && start.elapsed() < SPIN_TIMEOUT, Relaxed);
        seen
    }
}

/// Looks this many times, with pauses before each look.
fn look_often(times: u32, pauses: u32, look: &mut impl FnMut() -> u64) -> bool {
    (0..times).any(|_| pause_and(pauses, look) > 0)
}

fn pause_and(pauses: u32, look: &mut impl FnMut() -> u64) -> u64 {
    for _ in 0..pauses {
        std::hint::spin_loop();
    }
    look()
}
