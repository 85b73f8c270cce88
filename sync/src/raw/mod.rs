//! The machines: what each primitive does to its words of shared memory, without types, data or handles.
//!
//! A machine is a `repr(C)` struct of atomics for which all zeros is the fresh state. Several processes may have it
//! mapped, any of them may be killed between any two instructions, and the rest must be able to go on. `README.md` in
//! this folder explains how.

pub(crate) mod backoff;
pub(crate) mod barrier;
pub(crate) mod event;
pub(crate) mod event_count;
pub(crate) mod mutex;
pub(crate) mod reentrant;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod shim;

/// How many participants a machine can tell apart at a time.
///
/// The tables lie in shared memory, so their size is fixed; it is small where every schedule is explored.
pub(crate) const PARTICIPANTS: usize = if cfg!(loom) { 2 } else { 480 };
