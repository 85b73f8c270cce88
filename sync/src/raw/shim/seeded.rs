//! [`Seeded`]: the faults that a model check can switch on.

/// Faults that a model check can switch on, to see that it would find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeded {
    /// A mutex is unlocked without a wake-up.
    UnlockWithoutWake,
    /// A reader looks for a writer without a fence after it has claimed its slot.
    ReadWithoutFence,
    /// An event count is notified but wakes no thread.
    NotifyWithoutWake,
    /// A lock is taken from its holder without a check that the holder is dead.
    TakeOverFromLiving,
    /// A reentrant lock is known by the number of its thread alone, without that of the process.
    TakeOverWithoutOwner,
}
