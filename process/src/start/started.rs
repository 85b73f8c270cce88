//! The first report of a child, and the end of a child that does not start.

use std::io;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use procession_core::os::pidfd::{Exit, PidFd, end_child, own_number};
use procession_core::os::poll::{Pollable, poll, poll_briefly};
use procession_core::os::signal::SIGKILL;
use procession_core::os::{limits, mutex};
use procession_core::{Control, LinkError};

use super::deadline::StartDeadline;
use crate::exit_status::ExitStatus;
use crate::job::Report;
use crate::spawn_error::SpawnError;
use crate::tuning::{FAILED_EXIT_TIMEOUT, KILLED_EXIT_TIMEOUT};

/// A child that is about to call its function.
pub(crate) struct Started {
    /// The process number, as the child itself has reported it.
    pub(crate) pid: u32,
    /// The child as a process, for waiting and signals.
    pub(crate) pidfd: PidFd,
    /// The parent's end of its control link, over which its outcome will come.
    pub(crate) control: Control,
}

/// A descriptor, reserved so that the child can have one once it runs.
pub(crate) struct PidfdReservation(PidFd);

impl PidfdReservation {
    /// Opens a descriptor of this process, which shows before anything runs that the system has descriptors of processes.
    pub(crate) fn new() -> io::Result<PidfdReservation> {
        PidFd::open(own_number()).map(PidfdReservation)
    }

    /// Opens the descriptor of a child that has just reported. Without one the child is killed.
    pub(crate) fn name(self, pid: u32) -> io::Result<PidFd> {
        // Dropped first, so that its descriptor is free where the limit is reached.
        drop(self.0);
        PidFd::of_child(pid).inspect_err(|_| end_child(pid))
    }
}

/// The first report of a child that was sent its job, or the lack of one.
pub(super) enum FirstReport {
    /// The child is set up and about to call its function. It has this number.
    Started(u32),
    /// The child could not set itself up, or cannot be understood, for this reason. Its function has not run.
    Refused(String),
    /// The child ended, or was never made.
    Gone,
    /// There was no report in time, which is this error.
    Silent(SpawnError),
}

/// Waits for the first report of a child.
pub(super) fn recv_first_report(control: &mut Control, until: Instant, deadline: StartDeadline) -> FirstReport {
    // Most children report within 150 µs, which is less than falling asleep and being woken would add.
    let _not_yet = poll_briefly(control.pollable(), Some(until));
    match control.recv::<Report>(Some(until)) {
        Ok(Some(Report::Started { pid })) => FirstReport::Started(pid),
        Ok(Some(Report::Refused(reason))) => FirstReport::Refused(reason),
        Ok(Some(other)) => FirstReport::Refused(format!("it spoke out of turn: {other:?}")),
        Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            FirstReport::Silent(deadline.timeout_error())
        }
        // The child lives, but its report cannot be read: this text says more than the status with which it will end.
        Err(LinkError::Garbled(text) | LinkError::Limit(text)) => FirstReport::Refused(text),
        Ok(None) | Err(_) => FirstReport::Gone,
    }
}

/// Takes the first report of a child whose time is over. Without one there never will be one: the child will not call its
/// function, because it cannot report that any more.
pub(super) fn recv_last_report(control: &mut Control, deadline: StartDeadline) -> FirstReport {
    // From here on the child cannot report any more: whatever it has sent is in the socket, and is read once more.
    let _gone = control.stop_listening();
    match recv_first_report(control, Instant::now(), deadline) {
        // This end of the link comes of the line above, and does not say that the child is gone.
        FirstReport::Gone => FirstReport::Silent(deadline.timeout_error()),
        report => report,
    }
}

/// Waits for the first report of a child as long as it may take.
pub(super) fn recv_report_in_time(control: &mut Control, deadline: StartDeadline) -> FirstReport {
    match recv_first_report(control, deadline.report_deadline(), deadline) {
        FirstReport::Silent(_) => recv_last_report(control, deadline),
        report => report,
    }
}

/// Returns the error of a job that cannot be sent, for which the process is not to blame.
pub(super) fn unsent(error: LinkError) -> SpawnError {
    match error {
        LinkError::Io(error) => SpawnError::Refused(format!("what it is to be handed cannot be sent: {error}")),
        other => SpawnError::from_link(other),
    }
}

/// Children that were killed and had not ended when they were waited for.
static KILLED: Mutex<Vec<PidFd>> = Mutex::new(Vec::new());

/// Waits for a child that is about to end, or kills it after [`FAILED_EXIT_TIMEOUT`], and takes its status. One that does not end even
/// then is left to [`reap_killed`].
pub(super) fn reap_child(pidfd: &PidFd) -> ExitStatus {
    if !ends_within(pidfd, FAILED_EXIT_TIMEOUT) {
        let _ended_meanwhile = pidfd.signal(SIGKILL);
        if !ends_within(pidfd, KILLED_EXIT_TIMEOUT)
            && let Ok(pidfd) = pidfd.try_clone()
        {
            mutex::lock(&KILLED).push(pidfd);
        }
    }
    let exit = pidfd.reap().ok().flatten();
    ExitStatus::of(exit.unwrap_or(Exit::Lost))
}

/// Waits up to `timeout` for the end of a process. Returns whether it has come.
fn ends_within(pidfd: &PidFd, timeout: Duration) -> bool {
    poll(&[Pollable::readable(pidfd.as_fd())], Some(Instant::now() + timeout)).is_ok_and(|ready| ready[0])
}

/// Takes the status of killed children that have ended meanwhile.
pub(super) fn reap_killed() {
    mutex::lock(&KILLED).retain(|pidfd| matches!(pidfd.reap(), Ok(None)));
}

/// Reaps a child that did not start, and returns the error.
pub(super) fn failure(recv_first_report: FirstReport, pidfd: &PidFd, stderr: impl FnOnce() -> String) -> SpawnError {
    // A silent child shows no sign of an end, so that the first time of `reap_child` would pass in vain.
    if let FirstReport::Silent(_) = recv_first_report {
        let _ended_meanwhile = pidfd.signal(SIGKILL);
    }
    let status = reap_child(pidfd);
    match recv_first_report {
        FirstReport::Refused(reason) => SpawnError::Refused(reason),
        FirstReport::Silent(error) => error,
        // The stderr is read after the child was reaped: only then nothing is added to it.
        FirstReport::Started(..) | FirstReport::Gone => SpawnError::Died { status, stderr: stderr() + &limited() },
    }
}

/// Returns a note on memory limits: under a tight limit a new process does not even load, and dies without a message.
fn limited() -> String {
    limits::memory_limits().map_or_else(String::new, |limits| format!("\nnote: its memory is limited: {limits}"))
}
