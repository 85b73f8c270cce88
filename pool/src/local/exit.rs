//! How a worker of this machine ended, as the errors of its tasks say it.

use procession_core::os::signal::{SIGABRT, SIGKILL};
use procession_process::ExitStatus;

use super::oom::OomCounter;
use super::worker_handle::WorkerHandle;
use crate::model::failure_info::ExitInfo;

/// Collects what the errors of tasks say about the end of their worker.
pub(crate) fn exit_info(handle: &WorkerHandle, status: ExitStatus, oom: &mut OomCounter) -> ExitInfo {
    let (is_killed, is_aborted) = (status.signal() == Some(SIGKILL), status.signal() == Some(SIGABRT));
    // The kernel's count is only looked at after a kill, or the end of another worker would use it up.
    let is_oom_kill = is_killed && oom.take_kill();
    let out_of_memory = is_oom_kill || is_aborted && handle.stderr_tail.reports_alloc_failure();
    let (panic, link_error) = (handle.child().panic(), handle.link_error().map(str::to_owned));
    ExitInfo { status, panic, link_error, out_of_memory, stderr: handle.stderr_tail.text() }
}
