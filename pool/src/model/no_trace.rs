//! Stands in for `trace.rs` where the feature `tracing` is off, and does nothing.

use procession_process::ExitStatus;

pub(crate) struct TaskSpan;

#[inline]
pub(crate) fn is_wanted() -> bool {
    false
}

pub(crate) fn task() -> TaskSpan {
    TaskSpan
}

pub(crate) fn worker_started(_: &str, _: u32) {}

pub(crate) fn worker_ended(_: &str, _: u32, _: &ExitStatus, _: bool) {}
