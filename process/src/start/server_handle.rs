//! [`Server`]: the handle of the server of this process.
//!
//! | `usable` | `given_up` | the server | the next start |
//! | --- | --- | --- | --- |
//! | yes | no | waits for an order | sends one |
//! | yes | yes | may have made a copy whose caller ran out of time | first asks for its number and ends it |
//! | no | any | is gone or stopped, has other rights than this process now, or was sent half an order | makes a new server |
//!
//! A server that is not usable never goes back into the slot: its drop kills and reaps it.

use std::env;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use procession_core::codec::Descriptor;
use procession_core::os::directory;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::lifeline::Lifeline;
use procession_core::os::pidfd::{PidFd, end_child};
use procession_core::os::rights::Rights;
use procession_core::os::signal::{SIGKILL, is_stopped};
use procession_core::{Control, Image, LinkError};

use super::deadline::StartDeadline;
use super::protocol::{Order, Reply, Role};
use super::spawn::{EarlyStderr, Executed, execute};
use super::started::{
    FirstReport, PidfdReservation, Started, failure, reap_child, recv_first_report, recv_last_report,
    recv_report_in_time, unsent,
};
use crate::job::Job;
use crate::spawn_error::SpawnError;
use crate::tuning::STOPPED_CHECK_INTERVAL;

/// The error number of an argument that a system call does not take (`EINVAL`).
const INVALID: i32 = 22;

/// A server of this process.
pub(super) struct Server {
    /// The owner: a copy of it finds the handle here as well, and the children of the server would not be its own.
    pub(super) owner: ProcessIdentity,
    /// The process number, for a look at its state.
    pid: u32,
    /// Orders go over it, and replies come back. At its end the server exits.
    link: Control,
    /// The server as a process, for its end.
    pidfd: PidFd,
    /// The stderr of the server, which its copies share until they are set up.
    stderr: EarlyStderr,
    /// Ends the server with this process, also while it is stopped.
    _lifeline: Lifeline,
    /// The link of the next child, made while the last one started.
    next: Option<(Control, Control)>,
    /// What a child inherits from the server and no message can change.
    rights: Rights,
    /// The environment that the server was executed with, and that its copies have unless their job brings another.
    environment: Vec<(OsString, OsString)>,
    /// The identity of the working directory of the server: device and inode. `None` where it could not be read.
    directory: Option<(u64, u64)>,
    /// Whether it can be used again: it lives, as far as is known, and its link has whole orders only.
    pub(super) usable: bool,
    /// Whether the last order was given up: a child may come of it, which will find its link closed, and end.
    given_up: bool,
    /// Whether it was asked for the outcome of the last order, and has not replied yet.
    is_asked: bool,
}

/// The outcome of an order.
pub(super) enum OrderOutcome {
    /// The child has reported.
    Started(Started),
    /// The child is made and has not reported yet. The server is free for other starts.
    SlowChild(SlowChild),
    /// The kernel lets no server make it: the first process of a namespace, which it is, has no siblings.
    NotBySibling,
}

/// The outcome of the wait for a new child.
enum Waited {
    /// The report, or the certainty that there will be none.
    FirstReport(FirstReport),
    /// Nothing yet, but it is there and has this number.
    SlowChild(u32),
}

/// A child that has not said that it is about to call its function.
pub(super) struct SlowChild {
    pid: u32,
    /// The child as a process, to kill it when it stays silent.
    pidfd: PidFd,
    /// The parent's end of its control link, on which its report is awaited.
    control: Control,
}

impl SlowChild {
    /// Waits for the report, without the slot of the server. A child that does not report in time is killed and reaped.
    pub(super) fn wait(self, deadline: StartDeadline) -> Result<Started, SpawnError> {
        let SlowChild { pid, pidfd, mut control } = self;
        match recv_report_in_time(&mut control, deadline) {
            FirstReport::Started(_) => Ok(Started { pid, pidfd, control }),
            other => Err(failure(other, &pidfd, String::new)),
        }
    }
}

impl Server {
    /// Executes this program as a server, and waits until it is ready: within the deadline of the start, and at most
    /// [`MAX_START_TIME`](crate::tuning::MAX_START_TIME).
    pub(super) fn new(deadline: StartDeadline) -> Result<Server, SpawnError> {
        // Read before the server is executed. A change by another thread in between is then found at the next start; read
        // afterwards, it would be taken for what the server has.
        let rights = Rights::current();
        let (environment, directory) = (env::vars_os().collect(), directory::current().ok());
        let lifeline = Lifeline::new().map_err(SpawnError::from_io)?;
        let lifeline_end = lifeline.end().try_clone_to_owned().map_err(SpawnError::from_io)?;
        let Executed { control: mut link, pid, pidfd, stderr } =
            execute(&Role::Server(Image::own().clone(), lifeline_end.into()))?;
        let first = match link.recv::<Reply>(Some(deadline.report_deadline())) {
            Ok(Some(Reply::Ready)) => {
                stderr.pass_on();
                let (owner, next, usable, given_up) = (ProcessIdentity::current(), None, true, false);
                return Ok(Server {
                    owner,
                    pid,
                    link,
                    pidfd,
                    stderr,
                    _lifeline: lifeline,
                    next,
                    rights: rights.named(),
                    environment,
                    directory,
                    usable,
                    given_up,
                    is_asked: false,
                });
            }
            Ok(Some(Reply::Refused(reason))) => FirstReport::Refused(reason),
            Err(LinkError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                FirstReport::Silent(deadline.timeout_error())
            }
            Err(LinkError::Garbled(text)) => FirstReport::Refused(text),
            _ended => FirstReport::Gone,
        };
        Err(failure(first, &pidfd, || stderr.last_lines()))
    }

    /// Makes a child. Returns `None` when the server is gone, and no child has run anything.
    pub(super) fn start(
        &mut self,
        job: &mut Job,
        reserve: PidfdReservation,
        deadline: StartDeadline,
    ) -> Result<Option<OrderOutcome>, SpawnError> {
        // Before the next order, because the server's reply speaks of the last copy only.
        self.reap_given_up(deadline)?;
        // Comparing while the server reads the order, and confirming it by a second message, is slower by 8 µs: the kernel wakes the server
        // on the core of this thread.
        if self.rights != Rights::current() {
            self.usable = false;
            return Ok(None);
        }
        // A server cannot change its own environment or directory for one child, so that the job brings what differs.
        let added = self.add_changed_setup(job)?;
        let (mut here, there) = self.next.take().map_or_else(Control::pair, Ok).map_err(SpawnError::from_io)?;
        let sent = self.link.send(&Order::Copy(&*job, &there));
        added.take_back(job);
        // Not held here any more: only so the end of the link says that there is no child.
        drop(there);
        if let Err(error) = sent {
            // Half of the order may be on its way.
            self.usable = false;
            return if let LinkError::Disconnected = error { Ok(None) } else { Err(unsent(error)) };
        }
        // Where descriptors are short now, there may be some at the next start.
        // The pair of the next start is made while the child starts, when this thread has nothing else to do.
        self.next = Control::pair().ok();
        match self.wait_for_report(&mut here, deadline) {
            Waited::SlowChild(pid) => {
                let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
                Ok(Some(OrderOutcome::SlowChild(SlowChild { pid, pidfd, control: here })))
            }
            Waited::FirstReport(recv_first_report) => self.take_answer(recv_first_report, reserve, here),
        }
    }

    /// Names the child that has reported. Without a report it finds out from the server what has become of the order,
    /// unless the time of the caller is over.
    fn take_answer(
        &mut self,
        recv_first_report: FirstReport,
        reserve: PidfdReservation,
        control: Control,
    ) -> Result<Option<OrderOutcome>, SpawnError> {
        match recv_first_report {
            FirstReport::Started(pid) => {
                let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
                Ok(Some(OrderOutcome::Started(Started { pid, pidfd, control })))
            }
            FirstReport::Silent(SpawnError::TimedOut { timeout }) => {
                // The caller's time is over, so that the server is asked for the number of that child by the next start.
                self.given_up = true;
                Err(SpawnError::TimedOut { timeout })
            }
            other => self.explain(other),
        }
    }

    /// Waits for the first report of the new child, but not for a child that is slow. A server that is stopped delays no caller
    /// either: it is killed, and then the end of the child's link says that there is no child.
    fn wait_for_report(&mut self, here: &mut Control, deadline: StartDeadline) -> Waited {
        let last = deadline.report_deadline();
        match recv_first_report(here, last.min(Instant::now() + STOPPED_CHECK_INTERVAL), deadline) {
            FirstReport::Silent(_) if Instant::now() >= last => Waited::FirstReport(recv_last_report(here, deadline)),
            FirstReport::Silent(_) => match self.reply(last) {
                // The caller releases the server and waits for this child alone: other starts go on meanwhile.
                Some(Reply::Forked(pid)) => Waited::SlowChild(pid),
                _none_was_made => Waited::FirstReport(recv_report_in_time(here, deadline)),
            },
            heard => Waited::FirstReport(heard),
        }
    }

    /// Adds what has changed since the server was started: the environment and the working directory.
    fn add_changed_setup(&mut self, job: &mut Job) -> Result<SetupAdded, SpawnError> {
        let environment: Vec<_> = env::vars_os().collect();
        let changed = environment != self.environment;
        job.setup.environment = changed.then_some(environment);
        let here = directory::current().ok();
        if here != self.directory {
            job.setup.parent_directory = Some(Descriptor::from(directory::open().map_err(SpawnError::from_io)?));
        }
        Ok(SetupAdded)
    }

    /// Returns why no child started.
    fn explain(&mut self, recv_first_report: FirstReport) -> Result<Option<OrderOutcome>, SpawnError> {
        match self.reply(StartDeadline::default().report_deadline()) {
            Some(Reply::Forked(pid)) => {
                // A child that cannot be named is ended here, or it would stay as a zombie that no code waits for.
                let pidfd = PidFd::of_child(pid).inspect_err(|_| end_child(pid)).map_err(SpawnError::from_io)?;
                Err(failure(recv_first_report, &pidfd, || self.stderr.last_lines()))
            }
            Some(Reply::Failed(INVALID)) => Ok(Some(OrderOutcome::NotBySibling)),
            Some(Reply::Failed(errno)) => Err(SpawnError::from_io(std::io::Error::from_raw_os_error(errno))),
            Some(Reply::Refused(reason)) => Err(SpawnError::Refused(reason)),
            Some(Reply::Ready) | None => {
                self.usable = false;
                Ok(None)
            }
        }
    }

    /// Asks for the outcome of the last order; `None` when the server is gone, or does not reply in time.
    fn reply(&mut self, deadline: Instant) -> Option<Reply> {
        if !self.usable {
            return None;
        }
        // Asked once: a second reply would be taken for that to a later order.
        if !std::mem::replace(&mut self.is_asked, true) {
            self.link.send(&Order::<(), ()>::Explain).ok()?;
        }
        loop {
            match self.link.recv(Some(deadline.min(Instant::now() + STOPPED_CHECK_INTERVAL))) {
                Err(LinkError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                    if Instant::now() >= deadline {
                        return None;
                    }
                    self.end_if_stopped();
                }
                reply => {
                    self.is_asked = false;
                    return reply.ok().flatten();
                }
            }
        }
    }

    /// Kills a server that a signal or a debugger has stopped. It would reply to no start, and a signal that lets it go
    /// on may never come.
    fn end_if_stopped(&mut self) {
        if is_stopped(self.pid) {
            self.usable = false;
            let _ended_meanwhile = self.pidfd.signal(SIGKILL);
        }
    }

    /// Takes the status of a child that came of an order that was given up.
    fn reap_given_up(&mut self, deadline: StartDeadline) -> Result<(), SpawnError> {
        if !self.given_up {
            return Ok(());
        }
        match self.reply(deadline.earliest_of(STOPPED_CHECK_INTERVAL)) {
            // Without a descriptor for it the child is ended here and now.
            Some(Reply::Forked(pid)) => match PidFd::of_child(pid) {
                Ok(pidfd) => {
                    let _ended_meanwhile = pidfd.signal(SIGKILL);
                    reap_child(&pidfd);
                }
                Err(_) => end_child(pid),
            },
            Some(_none_was_made) => {}
            // The server has not had its time, and its reply is still to come: a later start takes it.
            None if deadline.remaining() == Some(Duration::ZERO) => return Err(deadline.timeout_error()),
            None => self.usable = false,
        }
        self.given_up = false;
        Ok(())
    }
}

/// The proof that `add_changed_setup` has changed a job. The next server must not get that change, which holds for this one.
struct SetupAdded;

impl SetupAdded {
    /// Removes the change from the job.
    fn take_back(self, job: &mut Job) {
        (job.setup.environment, job.setup.parent_directory) = (None, None);
    }
}

impl Drop for Server {
    /// Closes the link, at whose end the server exits. A server that is stuck is killed. A copy of the owner only closes its descriptors.
    fn drop(&mut self) {
        if self.owner != ProcessIdentity::current() {
            return;
        }
        let _without_a_deadline = self.reap_given_up(StartDeadline::default());
        if !self.usable {
            let _ended_meanwhile = self.pidfd.signal(SIGKILL);
        }
        // A drop cannot move the link out, so that a link to no process takes its place. Where no pair can be made, the
        // server sees no end, and `reap_child` kills it.
        if let Ok((closed, _)) = Control::pair() {
            drop(std::mem::replace(&mut self.link, closed));
        }
        reap_child(&self.pidfd);
    }
}
