//! What a pool reports to `tracing`: a span around each task, in its worker, and events for the lives of workers.

use procession_process::ExitStatus;
use tracing::span::EnteredSpan;
use tracing::{Level, debug, span, span_enabled, warn};

/// Ends with its drop.
pub(crate) struct TaskSpan(#[expect(dead_code, reason = "kept to be dropped")] EnteredSpan);

/// Returns whether a subscriber wants a span for each task.
pub(crate) fn is_wanted() -> bool {
    span_enabled!(target: "procession::pool", Level::DEBUG)
}

/// Enters the span of one task.
pub(crate) fn task() -> TaskSpan {
    TaskSpan(span!(target: "procession::pool", Level::DEBUG, "task").entered())
}

pub(crate) fn worker_started(name: &str, pid: u32) {
    debug!(target: "procession::pool", worker = name, pid, "worker started");
}

pub(crate) fn worker_ended(name: &str, pid: u32, end: &ExitStatus, is_expected: bool) {
    match is_expected {
        true => debug!(target: "procession::pool", worker = name, pid, %end, "worker ended"),
        false => warn!(target: "procession::pool", worker = name, pid, %end, "worker died"),
    }
}
