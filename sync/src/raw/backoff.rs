//! How a wait goes on: a short spin, and then sleeps up to a deadline.
//!
//! A process may die between changing a word and waking the sleepers, or while it holds what they wait for. So no sleep is
//! without end: each lasts twice as long as the one before, and after each the waiting thread looks again, also whether the
//! lock holder lives.

use std::time::Instant;

use procession_core::os::backoff::BackoffTimer;

use super::shim;
use crate::tuning::{FIRST_SLEEP, MAX_SLEEP_WITH_HOLDER, MAX_SLEEP_WITHOUT_HOLDER, MAX_SPIN_HINTS, SPIN_PAUSES};

/// When a wait gives up; `None` is never.
pub(crate) type Deadline = Option<Instant>;

/// Makes the timer of a wait for a process that may die.
pub(crate) fn timer_with_holder(deadline: Deadline) -> BackoffTimer {
    BackoffTimer::new(deadline, FIRST_SLEEP, MAX_SLEEP_WITH_HOLDER)
}

/// Makes the timer of a wait for no process in particular: it only heals a wake-up that died with its sender.
pub(crate) fn timer_without_holder(deadline: Deadline) -> BackoffTimer {
    BackoffTimer::new(deadline, FIRST_SLEEP, MAX_SLEEP_WITHOUT_HOLDER)
}

/// A short series of growing pauses. It reads no clock, as `Backoff` of core does: that takes longer than most locks are held.
#[derive(Debug)]
pub(crate) struct Spin {
    pauses_left: u32,
    hints: u32,
}

impl Spin {
    /// Makes a series; without another core it is empty, because the holder cannot go on while this thread spins.
    pub(crate) fn new() -> Spin {
        Spin { pauses_left: if shim::has_other_cores() { SPIN_PAUSES } else { 0 }, hints: 1 }
    }

    /// Pauses once. Returns `false` when it is time to sleep.
    pub(crate) fn pause(&mut self) -> bool {
        if self.pauses_left == 0 {
            return false;
        }
        self.pauses_left -= 1;
        (0..self.hints).for_each(|_| shim::spin_loop());
        // Growing, so that a short holder is met early and a longer one is not disturbed by loads of its word.
        self.hints = (self.hints * 2).min(MAX_SPIN_HINTS);
        true
    }
}
