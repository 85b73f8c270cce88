//! A flag that threads can wait for.
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 | the flag |
//! | 1 | threads may sleep |
//! | 2 to 31 | the number of times that the flag was set (modulo 2^30) |
//!
//! The count lets a waiter see that the flag was set although it is clear again.

use super::backoff::{Deadline, timer_without_holder};
use super::shim::{Ordering, Word32};

const SET: u32 = 1;
const SLEEPERS: u32 = 2;
const STEP: u32 = 4;

/// The word of a flag.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct RawEvent(Word32);

impl RawEvent {
    pub(crate) fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in `set`.
        self.0.load(Ordering::Acquire) & SET != 0
    }

    /// Sets the flag and wakes all waiters.
    pub(crate) fn set(&self) {
        let raise = |seen: u32| (seen & SET == 0).then(|| (seen | SET).wrapping_add(STEP) & !SLEEPERS);
        // Release: pairs with the Acquire loads of `is_set` and `wait`. Acquire: a flag that is set already was set by another
        // thread, whose work the caller may rely on.
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise) {
            Ok(before) if before & SLEEPERS != 0 => {
                self.0.wake(u32::MAX);
            }
            _ => {}
        }
    }

    pub(crate) fn clear(&self) {
        // AcqRel: what comes after the clear cannot be seen by a thread that saw the flag set, and the other way round.
        self.0.fetch_and(!SET, Ordering::AcqRel);
    }

    /// Waits until the flag is set, or was set since the call began. Returns `false` when the deadline has passed.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        // Acquire, here and below: pairs with the Release in `set`.
        let mut seen = self.0.load(Ordering::Acquire);
        let began = seen & !(SET | SLEEPERS);
        let mut timer = timer_without_holder(deadline);
        loop {
            if seen & SET != 0 || seen & !(SET | SLEEPERS) != began {
                return true;
            }
            if timer.is_over() {
                return false;
            }
            let marked = seen | SLEEPERS;
            // Acquire on failure: the new word may have the flag, and pairs with the Release in `set`.
            if seen != marked
                && let Err(other) = self.0.compare_exchange(seen, marked, Ordering::Relaxed, Ordering::Acquire)
            {
                seen = other;
                continue;
            }
            self.0.wait(marked, timer.next_sleep());
            // Acquire: pairs with the Release in `set`.
            seen = self.0.load(Ordering::Acquire);
        }
    }
}

#[cfg(loom)]
impl RawEvent {
    pub(crate) fn fresh() -> RawEvent {
        RawEvent(Word32::fresh())
    }
}
