//! Starting a child: three methods, one file each, and what they share.

mod fork;
mod server;
mod spawn;
mod turn;
mod until;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::lifeline::Lifeline;
use procession_core::os::limits;
use procession_core::os::pidfd::{PidFd, end_child, own_number};
use procession_core::os::poll::{Pollable, poll, poll_briefly};
use procession_core::{Control, LinkError};

use crate::exit_status::ExitStatus;
use crate::job::{Job, Report};
use crate::spawn_error::SpawnError;

pub(crate) use turn::{disown, stop};
pub(crate) use until::Until;

/// How a process is started. All three give it exactly the descriptors that it was handed.
///
/// | method | how | cost, small parent |
/// | --- | --- | --- |
/// | `Server` | a helper, this program executed once more and kept at its first line, copies itself | 0.15 ms |
/// | `Spawn` | this program is executed once more | 0.8 ms |
/// | `Fork` | this process is copied | 0.1 ms, and much more for a large parent |
///
/// ```
/// use procession_process::{Process, StartMethod};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// for method in [StartMethod::Server, StartMethod::Spawn] {
///     let parent = Process::builder().start_method(method)
///         .spawn(|()| std::os::unix::process::parent_id(), ())?.join()?;
///     assert_eq!(parent, std::process::id());
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "get_start_method")]
#[doc(alias = "get_all_start_methods")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// By a server process, which is started with the first child and again when it died. As clean as `Spawn` and five
    /// times as fast, whatever the size of this process and however many threads it has. From the first start on, this
    /// process has one more child, which sleeps, and five more descriptors; [`stop_server`](crate::stop_server) gives
    /// them back.
    #[default]
    #[doc(alias = "forkserver")]
    Server,
    /// By executing this program for each child.
    #[doc(alias = "spawn")]
    Spawn,
    /// By copying this process with all its memory. Refused when it has more than one thread. What it has inherited and owns
    /// a descriptor gets errors from it (`EBADF`): only what it is handed is open.
    #[doc(alias = "fork")]
    Fork,
}

/// A child that is about to call its function.
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: PidFd,
    pub(crate) control: Control,
}

/// Starts a child for the job.
pub(crate) fn start(method: StartMethod, job: &mut Job, until: Until) -> Result<Started, SpawnError> {
    if until.left().is_some_and(|left| left.is_zero()) {
        return Err(until.silent());
    }
    match method {
        StartMethod::Server => server::start(job, until),
        StartMethod::Spawn => spawn::start(job, until),
        StartMethod::Fork => fork::start(job, until),
    }
}

/// The end of this process's lifeline, for a daemon to hold on to.
pub(crate) fn lifeline() -> io::Result<OwnedFd> {
    static LIFELINE: Mutex<Option<Line>> = Mutex::new(None);
    let mut line = LIFELINE.lock().unwrap_or_else(PoisonError::into_inner);
    let (owner, credentials) = (ProcessIdentity::current(), limits::credentials());
    match line.take() {
        Some(found) if found.owner == owner && found.credentials != credentials => {
            // Daemons that were started before hang on it for as long as this process lives.
            std::mem::forget(found.lifeline);
        }
        // Where this process is a copy, this closes only the copy's own descriptors.
        other => *line = other.filter(|found| found.owner == owner),
    }
    let line = match &mut *line {
        Some(line) => line,
        none => none.insert(Line { owner, credentials, lifeline: Lifeline::new()? }),
    };
    line.lifeline.end().try_clone_to_owned()
}

/// A lifeline and who has made it. A pipe belongs to its maker's user: after a change of that, new daemons may not open it.
struct Line {
    owner: ProcessIdentity,
    credentials: [u32; 6],
    lifeline: Lifeline,
}

/// A descriptor's place, kept so that a child can be named once it runs.
pub(crate) struct Reserve(PidFd);

impl Reserve {
    /// Names this process, so that it is known before anything runs that processes can be named here.
    pub(crate) fn new() -> io::Result<Reserve> {
        PidFd::open(own_number()).map(Reserve)
    }

    /// Names a child that has just answered. One that cannot be named is ended.
    pub(crate) fn name(self, pid: u32) -> io::Result<PidFd> {
        drop(self.0);
        PidFd::of_child(pid).inspect_err(|_| end_child(pid))
    }
}

/// What became of a child that has been given its job.
enum Answer {
    Started(u32),
    Refused(String),
    /// It ended, or was never made.
    Gone,
    /// Nothing by then, which is this error.
    Silent(SpawnError),
}

/// Waits for a child's first word.
fn answer(control: &mut Control, deadline: Instant, until: Until) -> Answer {
    let _not_yet = poll_briefly(control.pollable(), Some(deadline));
    match control.recv::<Report>(Some(deadline)) {
        Ok(Some(Report::Started { pid })) => Answer::Started(pid),
        Ok(Some(Report::Refused(reason))) => Answer::Refused(reason),
        Ok(Some(other)) => Answer::Refused(format!("it spoke out of turn: {other:?}")),
        Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => Answer::Silent(until.silent()),
        Err(LinkError::Garbled(text) | LinkError::Limit(text)) => Answer::Refused(text),
        Ok(None) | Err(_) => Answer::Gone,
    }
}

/// The answer of a child that has kept silent for too long. If it is silence, then for ever: the child will not call its
/// function, because it cannot say so any more.
fn last_answer(control: &mut Control, until: Until) -> Answer {
    let _gone = control.stop_listening();
    match answer(control, Instant::now(), until) {
        Answer::Gone => Answer::Silent(until.silent()),
        told => told,
    }
}

/// Waits for a child's first word until it must have come.
fn answer_in_time(control: &mut Control, until: Until) -> Answer {
    match answer(control, until.answered(), until) {
        Answer::Silent(_) => last_answer(control, until),
        told => told,
    }
}

/// The error of a job that cannot be sent, which says nothing of the process that it was for.
fn unsent(error: LinkError) -> SpawnError {
    match error {
        LinkError::Io(error) => SpawnError::Refused(format!("what it is to be handed cannot be sent: {error}")),
        other => SpawnError::from_link(other),
    }
}

/// Waits for a child that has no more to do, or ends it after a while, and takes its status.
fn bury(pidfd: &PidFd) -> ExitStatus {
    let soon = Instant::now() + Duration::from_secs(1);
    let ended = poll(&[Pollable::readable(pidfd.as_fd())], Some(soon)).is_ok_and(|ready| ready[0]);
    if !ended {
        let _ended_meanwhile = pidfd.signal(procession_core::os::signal::SIGKILL);
        let _unpollable = poll(&[Pollable::readable(pidfd.as_fd())], None);
    }
    let exit = pidfd.reap().ok().flatten();
    ExitStatus::of(exit.unwrap_or(procession_core::os::pidfd::Exit::Lost))
}

/// The error of a child that did not start, once it has been buried.
fn failure(answer: Answer, pidfd: &PidFd, stderr: impl FnOnce() -> String) -> SpawnError {
    if let Answer::Silent(_) = answer {
        let _ended_meanwhile = pidfd.signal(procession_core::os::signal::SIGKILL);
    }
    let status = bury(pidfd);
    match answer {
        Answer::Refused(reason) => SpawnError::Refused(reason),
        Answer::Silent(error) => error,
        Answer::Started(..) | Answer::Gone => SpawnError::Died { status, stderr: stderr() + &limited() },
    }
}

/// What a new process may have died of without a word of its own: it does not even load under a tight limit.
fn limited() -> String {
    limits::memory_limits().map_or_else(String::new, |limits| format!("\nnote: its memory is limited: {limits}"))
}
