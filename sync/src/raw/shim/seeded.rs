//! [`Seeded`]: the faults that a model check can switch on.

/// Faults that a model check can switch on, to see that it would find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeded {
    /// A mutex is unlocked without waking anybody.
    UnlockWithoutWake,
    /// A reader looks for a writer without a fence after it has claimed its slot.
    ReadWithoutFence,
    /// A event_count rings but wakes nobody.
    NotifyWithoutWake,
    /// A lock is taken from its holder without asking whether that one is dead.
    TakeOverFromLiving,
    /// A reentrant lock is known by the number of its thread alone, without that of the process.
    TakeOverWithoutOwner,
}
