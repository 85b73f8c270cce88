//! [`EventCount`]: waiting for a condition that is not a single word, without a count of waiters, which a killed one would spoil.
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 | a thread may wait |
//! | 1 to 31 | the number of notifications (modulo 2^31) |
//!
//! A waiter takes the count as its key, looks at its condition once more, and sleeps while the count is the same. A thread
//! that changes the condition notifies afterwards. Both have a full fence between their two steps, so either the waiter sees
//! the change or the notifier sees the waiter.

use super::backoff::Deadline;
use super::shim::{self, Ordering, Seeded, Word32, fence};

const WAITERS: u32 = 1;
const STEP: u32 = 2;

/// A counter of notifications that wakes its waiters.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct EventCount(Word32);

/// The count when a thread began to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitKey(u32);

impl EventCount {
    /// Announces a waiter. Look at the condition after this, then [`wait`](Self::wait).
    pub(crate) fn prepare_wait(&self) -> WaitKey {
        let shown = self.0.fetch_or(WAITERS, Ordering::Relaxed) | WAITERS;
        // Pairs with the fence in `notify` and `notify_all`, and with the SeqCst operations before `notify_all_after_seq_cst`.
        fence(Ordering::SeqCst);
        WaitKey(shown)
    }

    /// Sleeps until a notification after `key` was taken, or until the deadline. It may end early.
    pub(crate) fn wait(&self, key: WaitKey, deadline: Deadline) {
        self.0.wait(key.0, deadline);
    }

    /// Returns whether there was no notification since `key` was taken.
    pub(crate) fn is_unchanged_since(&self, key: WaitKey) -> bool {
        // Without the mark, which another waiter's notification may have cleared and set again. Relaxed: a hint, the mutex orders the data.
        (self.0.load(Ordering::Relaxed) ^ key.0) & !WAITERS == 0
    }

    /// Returns whether a thread may wait.
    pub(crate) fn has_waiters(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITERS != 0
    }

    /// Wakes all waiters. Change the condition before this.
    #[inline]
    pub(crate) fn notify_all(&self) {
        // Pairs with the fence in `prepare_wait`.
        fence(Ordering::SeqCst);
        self.wake_all(self.0.load(Ordering::Relaxed));
    }

    /// Wakes all waiters after a change of the condition by a SeqCst operation, which makes the fence needless.
    #[inline]
    pub(crate) fn notify_all_after_seq_cst(&self) {
        shim::model_fence();
        // SeqCst: after the caller's operation. Pairs with the fence in `prepare_wait`.
        self.wake_all(self.0.load(Ordering::SeqCst));
    }

    #[inline]
    fn wake_all(&self, mut seen: u32) {
        while seen & WAITERS != 0 {
            match self.advance(seen, 0) {
                Ok(()) => {
                    self.0.wake(u32::MAX);
                    return;
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Wakes up to `count` waiters. Change the condition before this.
    #[inline]
    pub(crate) fn notify(&self, count: u32) {
        // Pairs with the fence in `prepare_wait`.
        fence(Ordering::SeqCst);
        let mut seen = self.0.load(Ordering::Relaxed);
        while seen & WAITERS != 0 {
            match self.advance(seen, WAITERS) {
                Ok(()) => {
                    // Fewer sleepers than wanted: the mark was stale, or its waiter has not fallen asleep yet and will see the new count.
                    if !shim::seeded(Seeded::NotifyWithoutWake) && self.0.wake(count) < count {
                        self.clear_waiters(next(seen) | WAITERS);
                    }
                    return;
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Clears the mark, because fewer threads slept than were to be woken. Those that began to sleep since are woken to set it again.
    #[cold]
    fn clear_waiters(&self, notified: u32) {
        if self.advance(notified, 0).is_ok() {
            self.0.wake(u32::MAX);
        }
    }

    fn advance(&self, seen: u32, waiters: u32) -> Result<(), u32> {
        let notified = next(seen) | waiters;
        // Relaxed: the fence before it orders the change of the condition, and the futex compares the whole word.
        self.0.compare_exchange(seen, notified, Ordering::Relaxed, Ordering::Relaxed).map(|_| ())
    }
}

/// The count after one more notification, without waiters.
fn next(seen: u32) -> u32 {
    (seen & !WAITERS).wrapping_add(STEP)
}

#[cfg(loom)]
impl EventCount {
    pub(crate) fn fresh() -> EventCount {
        EventCount(Word32::fresh())
    }

    pub(crate) fn wake_sleepers(&self) {
        self.0.wake(u32::MAX);
    }
}
