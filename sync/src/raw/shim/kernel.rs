//! The real thing: the processor's atomics, the kernel's futex, and processes that live or die.

use std::cell::Cell;
use std::time::Instant;

use procession_core::os::backoff::BackoffTimer;
pub(crate) use procession_core::os::backoff::has_other_cores;
use procession_core::os::futex;
pub(crate) use procession_core::os::identity::ProcessIdentity;

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::seeded::Seeded;
use crate::tuning::LIVENESS_CACHE;

/// A word of 32 bits on which one can sleep.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Word32(AtomicU32);

impl Word32 {
    pub(crate) fn wait(&self, expected: u32, deadline: Option<Instant>) {
        // Why the sleep has ended makes no difference: the caller looks at the word and the clock again.
        let _look_again_anyway = futex::wait(&self.0, expected, deadline);
    }

    /// Wakes at most `count` sleepers, and says how many there were.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        futex::wake(&self.0, count)
    }
}

impl std::ops::Deref for Word32 {
    type Target = AtomicU32;

    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

/// A word of 64 bits on which one can sleep; a change of the high half alone need not end the sleep.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Word64(AtomicU64);

impl Word64 {
    pub(crate) fn wait(&self, expected: u64, deadline: Option<Instant>) {
        let _look_again_anyway = futex::wait_double(&self.0, expected, deadline);
    }

    pub(crate) fn wake(&self, count: u32) {
        let _no_waiter = futex::wake_double(&self.0, count);
    }
}

impl std::ops::Deref for Word64 {
    type Target = AtomicU64;

    #[inline]
    fn deref(&self) -> &AtomicU64 {
        &self.0
    }
}

/// Returns whether the process can still touch memory.
pub(crate) fn is_alive(who: ProcessIdentity) -> bool {
    who.is_alive()
}

/// Returns whether the process lives, or lived a moment ago: for calls that may be repeated in a tight loop.
pub(crate) fn was_alive_recently(who: ProcessIdentity) -> bool {
    thread_local! {
        static SEEN: Cell<Option<(ProcessIdentity, Instant)>> = const { Cell::new(None) };
    }
    let seen = SEEN.get().is_some_and(|(known, at)| known == who && at.elapsed() < LIVENESS_CACHE);
    // Only life is remembered. A death is final, and the caller acts on it at once.
    if !seen && !is_alive(who) {
        return false;
    }
    if !seen {
        SEEN.set(Some((who, Instant::now())));
    }
    true
}

/// Returns whether the sleeper was not woken, so that it should check for deaths.
pub(crate) fn slept_through(timer: &BackoffTimer) -> bool {
    timer.slept_through()
}

/// Stands between two SeqCst operations, which are in order without it.
#[inline]
pub(crate) const fn model_fence() {}

/// No fault is switched on outside a model check.
#[inline]
pub(crate) const fn seeded(_fault: Seeded) -> bool {
    false
}
