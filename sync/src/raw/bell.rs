//! [`Bell`]: how one waits for a condition that is not a single word, without a count that a killed waiter could spoil.
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 | somebody may listen |
//! | 1 to 31 | how often it rang (modulo 2^31) |
//!
//! A waiter listens (which gives it the count), looks at its condition once more, and sleeps while the count is the same.
//! One who changes the condition rings afterwards. Both have a full fence between their two steps, so either the waiter
//! sees the change or the ringer sees the listener.

use super::patience::Deadline;
use super::shim::{self, Ordering, Seeded, Word32, fence};

const LISTENERS: u32 = 1;
const STEP: u32 = 2;

/// A counter that wakes its listeners.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Bell(Word32);

/// What the bell showed when one began to listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u32);

impl Bell {
    /// Begins to listen. Look at the condition after this, then [`wait`](Self::wait).
    pub(crate) fn listen(&self) -> Ticket {
        let shown = self.0.fetch_or(LISTENERS, Ordering::Relaxed) | LISTENERS;
        fence(Ordering::SeqCst);
        Ticket(shown)
    }

    /// Sleeps until the bell rings, unless it rang since the ticket was given; ends at the deadline, and at times early.
    pub(crate) fn wait(&self, ticket: Ticket, until: Deadline) {
        self.0.wait(ticket.0, until);
    }

    /// Whether the bell has not rung since the ticket was given. The mark of listeners may have gone and come meanwhile.
    pub(crate) fn is_silent_since(&self, ticket: Ticket) -> bool {
        (self.0.load(Ordering::Relaxed) ^ ticket.0) & !LISTENERS == 0
    }

    /// Whether somebody may listen.
    pub(crate) fn has_listeners(&self) -> bool {
        self.0.load(Ordering::Relaxed) & LISTENERS != 0
    }

    /// Wakes everybody. Change the condition before this.
    #[inline]
    pub(crate) fn ring_all(&self) {
        // Pairs with the fence in `listen`.
        fence(Ordering::SeqCst);
        self.wake_all(self.0.load(Ordering::Relaxed));
    }

    /// As [`ring_all`](Self::ring_all), where the condition was changed by a SeqCst operation, which spares the fence.
    #[inline]
    pub(crate) fn ring_all_in_order(&self) {
        shim::fence_of_the_model();
        // SeqCst: after the caller's operation. Pairs with the fence in `listen`.
        self.wake_all(self.0.load(Ordering::SeqCst));
    }

    #[inline]
    fn wake_all(&self, mut seen: u32) {
        while seen & LISTENERS != 0 {
            match self.advance(seen, 0) {
                Ok(()) => {
                    self.0.wake(u32::MAX);
                    return;
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Wakes `count` of the listeners, or all if there are not so many. Change the condition before this.
    #[inline]
    pub(crate) fn ring(&self, count: u32) {
        fence(Ordering::SeqCst);
        let mut seen = self.0.load(Ordering::Relaxed);
        while seen & LISTENERS != 0 {
            match self.advance(seen, LISTENERS) {
                Ok(()) => {
                    if !shim::seeded(Seeded::RingWithoutWake) && self.0.wake(count) < count {
                        self.forget_listeners(next(seen) | LISTENERS);
                    }
                    return;
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Nobody slept when it rang to `rung`, so the mark can go; whoever began to sleep since is woken to set it again.
    #[cold]
    fn forget_listeners(&self, rung: u32) {
        if self.advance(rung, 0).is_ok() {
            self.0.wake(u32::MAX);
        }
    }

    fn advance(&self, seen: u32, listeners: u32) -> Result<(), u32> {
        let rung = next(seen) | listeners;
        self.0.compare_exchange(seen, rung, Ordering::Relaxed, Ordering::Relaxed).map(|_| ())
    }
}

/// One more ring, and nobody known to listen.
fn next(seen: u32) -> u32 {
    (seen & !LISTENERS).wrapping_add(STEP)
}

#[cfg(loom)]
impl Bell {
    pub(crate) fn fresh() -> Bell {
        Bell(Word32::fresh())
    }

    pub(crate) fn end_naps(&self) {
        self.0.wake(u32::MAX);
    }
}
