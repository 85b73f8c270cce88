//! The one door through which the machines reach atomics, sleeping and the liveness of others.
//!
//! With `--cfg loom` the same machines run on loom's atomics and a futex made of loom's parts, so that every schedule of
//! a small program can be explored.

mod seeded;
#[cfg(loom)]
#[path = "model.rs"]
mod this;
#[cfg(not(loom))]
#[path = "kernel.rs"]
mod this;

pub(crate) use this::*;

pub(crate) use seeded::Seeded;
