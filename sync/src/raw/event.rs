//! A flag that one can wait for.
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 | the flag |
//! | 1 | somebody may sleep |
//! | 2 to 31 | how often the flag went up (modulo 2^30) |
//!
//! The count lets a waiter see that the flag went up although it has gone down again.

use super::patience::{Deadline, Patience};
use super::shim::{Ordering, Word32};

const SET: u32 = 1;
const SLEEPERS: u32 = 2;
const STEP: u32 = 4;

/// The flag's word.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct RawEvent(Word32);

impl RawEvent {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) & SET != 0
    }

    /// Raises the flag and wakes everybody.
    pub(crate) fn set(&self) {
        let raise = |seen: u32| (seen & SET == 0).then(|| (seen | SET).wrapping_add(STEP) & !SLEEPERS);
        // Release also when it is up already: what the caller did before is seen by one who sees the flag.
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise) {
            Ok(before) if before & SLEEPERS != 0 => {
                self.0.wake(u32::MAX);
            }
            _ => {}
        }
    }

    pub(crate) fn clear(&self) {
        self.0.fetch_and(!SET, Ordering::AcqRel);
    }

    /// Waits until the flag is up, or was since the call began; `false` when the deadline has passed.
    pub(crate) fn wait(&self, until: Deadline) -> bool {
        let mut seen = self.0.load(Ordering::Acquire);
        let began = seen & !(SET | SLEEPERS);
        let mut patience = Patience::without_holder(until);
        loop {
            if seen & SET != 0 || seen & !(SET | SLEEPERS) != began {
                return true;
            }
            if patience.is_over() {
                return false;
            }
            let marked = seen | SLEEPERS;
            if seen != marked
                && let Err(other) = self.0.compare_exchange(seen, marked, Ordering::Relaxed, Ordering::Acquire)
            {
                seen = other;
                continue;
            }
            self.0.wait(marked, patience.nap());
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
