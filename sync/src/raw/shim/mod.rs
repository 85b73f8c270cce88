//! The one door through which the machines reach atomics, sleeping and the liveness of others.
//!
//! With `--cfg loom` the same machines run on loom's atomics and a futex made of loom's parts, so that every schedule of
//! a small program can be explored.

#[cfg(loom)]
#[path = "model.rs"]
mod this;
#[cfg(not(loom))]
#[path = "kernel.rs"]
mod this;

pub(crate) use this::*;

/// Faults that a model check can switch on, to see that it would find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeded {
    /// A mutex is unlocked without waking anybody.
    UnlockWithoutWake,
    /// A reader looks for a writer without a fence after it has claimed its slot.
    ReadWithoutFence,
    /// A bell rings but wakes nobody.
    RingWithoutWake,
    /// A lock is taken from its holder without asking whether that one is dead.
    StealFromTheLiving,
    /// A reentrant lock is known by the number of its thread alone, without that of the process.
    TakeOverWithoutOwner,
}
