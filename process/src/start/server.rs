//! [`StartMethod::Server`](super::StartMethod::Server): asking the server process for a copy of itself.

use std::env;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use procession_core::codec::Descriptor;
use procession_core::os::directory;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::pidfd::{PidFd, end_child};
use procession_core::os::rights::Rights;
use procession_core::os::signal::SIGKILL;
use procession_core::{Control, Image, LinkError};

use super::spawn::{EarlyStderr, Executed, execute};
use super::turn::Turn;
use super::until::Until;
use super::{Answer, Reserve, Started, answer, answer_in_time, bury, failure, last_answer, spawn, unsent};
use crate::init::Role;
use crate::job::Job;
use crate::server::{Order, Reply};
use crate::spawn_error::SpawnError;

/// How often a start is tried when servers die under it.
const ATTEMPTS: u32 = 5;

/// How often a server that keeps silent is looked at: nearly every start takes less than a hundredth of this.
const LOOK: Duration = Duration::from_millis(250);

/// The error number of an argument that a system call does not take (`EINVAL`).
const INVALID: i32 = 22;

/// A server of this process.
pub(super) struct Server {
    /// Whose server it is: a copy of that process finds it here as well, and its children would not be the copy's.
    owner: ProcessIdentity,
    pid: u32,
    link: Control,
    pidfd: PidFd,
    stderr: EarlyStderr,
    /// The link of the next child, made while the last one started.
    next: Option<(Control, Control)>,
    /// What a child takes over from it and no message can change.
    rights: Rights,
    environment: Vec<(OsString, OsString)>,
    directory: Option<(u64, u64)>,
    /// Whether it can be asked again: it lives, as far as is known, and its link holds whole orders only.
    usable: bool,
    /// Whether the last order was given up: a child may come of it, which will find that nobody listens, and end.
    given_up: bool,
}

/// What has come of an order.
enum Made {
    Started(Started),
    Slow(Slow),
    /// The kernel lets no server make it: the first process of a namespace, which it is, has no siblings.
    NotBySibling,
}

/// What was heard of a new child.
enum Heard {
    Answer(Answer),
    /// Nothing yet, but it is there and has this number.
    Slow(u32),
}

/// A child that has not said that it is about to call its function.
struct Slow {
    pid: u32,
    pidfd: PidFd,
    control: Control,
}

impl Slow {
    fn wait(self, until: Until) -> Result<Started, SpawnError> {
        let Slow { pid, pidfd, mut control } = self;
        match answer_in_time(&mut control, until) {
            Answer::Started(_) => Ok(Started { pid, pidfd, control }),
            other => Err(failure(other, &pidfd, String::new)),
        }
    }
}

pub(super) fn start(job: &mut Job, until: Until) -> Result<Started, SpawnError> {
    let mut turn = Turn::take(until)?;
    // A child of the server is named by its number. Where that cannot be, one is made that comes with its name.
    let Some(mut reserve) = reserve()? else {
        drop(turn);
        return spawn::start(job, until);
    };
    for _ in 0..ATTEMPTS {
        let mut server = match turn.server.take() {
            Some(server) if server.owner == ProcessIdentity::current() => server,
            _of_another_or_none => Server::new(until)?,
        };
        let outcome = server.start(job, reserve, until);
        turn.server = Some(server).filter(|server| server.usable);
        match outcome? {
            Some(Made::Started(started)) => return Ok(started),
            Some(Made::Slow(slow)) => {
                // It is made: nobody else need wait for it.
                drop(turn);
                return slow.wait(until);
            }
            Some(Made::NotBySibling) => {
                drop(turn);
                return spawn::start(job, until);
            }
            // It died: the next turn makes a new one.
            None => reserve = Reserve::new().map_err(SpawnError::from_io)?,
        }
    }
    Err(SpawnError::Refused(format!("{ATTEMPTS} server processes in a row died while they were asked")))
}

/// `None` where the system does not name processes by descriptors.
fn reserve() -> Result<Option<Reserve>, SpawnError> {
    match Reserve::new() {
        Ok(reserve) => Ok(Some(reserve)),
        // The error of a refused call names it, and has no number of its own.
        Err(error) if error.raw_os_error().is_none() => Ok(None),
        Err(error) => Err(SpawnError::from_io(error)),
    }
}

impl Server {
    fn new(until: Until) -> Result<Server, SpawnError> {
        let rights = Rights::current();
        let (environment, directory) = (env::vars_os().collect(), directory::current().ok());
        let Executed { control: mut link, pid, pidfd, stderr } = execute(&Role::Server(Image::own().clone()))?;
        let first = match link.recv::<Reply>(Some(until.answered())) {
            Ok(Some(Reply::Ready)) => {
                stderr.pass_on();
                let (owner, next, usable, given_up) = (ProcessIdentity::current(), None, true, false);
                return Ok(Server {
                    owner,
                    pid,
                    link,
                    pidfd,
                    stderr,
                    next,
                    rights: rights.named(),
                    environment,
                    directory,
                    usable,
                    given_up,
                });
            }
            Ok(Some(Reply::Refused(reason))) => Answer::Refused(reason),
            Err(LinkError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => Answer::Silent(until.silent()),
            Err(LinkError::Garbled(text)) => Answer::Refused(text),
            _ended => Answer::Gone,
        };
        Err(failure(first, &pidfd, || stderr.last_lines()))
    }

    /// Has a child made. `None`: the server is gone, and no child has run anything.
    fn start(&mut self, job: &mut Job, reserve: Reserve, until: Until) -> Result<Option<Made>, SpawnError> {
        self.bury_given_up(until);
        // Looking while the server reads the order, and then sending a second word, is no faster: the two share a processor.
        if self.rights != Rights::current() {
            self.usable = false;
            return Ok(None);
        }
        let added = self.surround(job)?;
        let (mut here, there) = self.next.take().map_or_else(Control::pair, Ok).map_err(SpawnError::from_io)?;
        let sent = self.link.send(&Order::Copy(&*job, &there));
        added.take_back(job);
        drop(there);
        if let Err(error) = sent {
            // Half of the order may be on its way.
            self.usable = false;
            return if let LinkError::Disconnected = error { Ok(None) } else { Err(unsent(error)) };
        }
        // Where there is no room for it now, there may be by then.
        self.next = Control::pair().ok();
        match self.hear(&mut here, until) {
            Heard::Slow(pid) => {
                let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
                Ok(Some(Made::Slow(Slow { pid, pidfd, control: here })))
            }
            Heard::Answer(answer) => self.take_answer(answer, reserve, here),
        }
    }

    fn take_answer(&mut self, answer: Answer, reserve: Reserve, control: Control) -> Result<Option<Made>, SpawnError> {
        match answer {
            Answer::Started(pid) => {
                let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
                Ok(Some(Made::Started(Started { pid, pidfd, control })))
            }
            Answer::Silent(SpawnError::TimedOut { timeout }) => {
                self.given_up = true;
                Err(SpawnError::TimedOut { timeout })
            }
            other => self.explain(other),
        }
    }

    /// Waits for the new child's first word, but not for a child that is slow. A server that is stopped keeps nobody waiting
    /// either: it is ended, and then the end of the child's link says that there is none.
    fn hear(&mut self, here: &mut Control, until: Until) -> Heard {
        let last = until.answered();
        match answer(here, last.min(Instant::now() + LOOK), until) {
            Answer::Silent(_) if Instant::now() >= last => Heard::Answer(last_answer(here, until)),
            Answer::Silent(_) => match self.reply(last) {
                Some(Reply::Forked(pid)) => Heard::Slow(pid),
                _none_was_made => Heard::Answer(answer_in_time(here, until)),
            },
            heard => Heard::Answer(heard),
        }
    }

    /// Tells the child what has changed since the server was started: the environment and the working directory.
    fn surround(&mut self, job: &mut Job) -> Result<Added, SpawnError> {
        let environment: Vec<_> = env::vars_os().collect();
        let changed = environment != self.environment;
        job.surroundings.environment = changed.then_some(environment);
        let here = directory::current().ok();
        if here != self.directory {
            job.surroundings.place = Some(Descriptor::from(directory::open().map_err(SpawnError::from_io)?));
        }
        Ok(Added)
    }

    /// Why no child started.
    fn explain(&mut self, answer: Answer) -> Result<Option<Made>, SpawnError> {
        match self.reply(Until::default().answered()) {
            Some(Reply::Forked(pid)) => {
                let pidfd = PidFd::of_child(pid).inspect_err(|_| end_child(pid)).map_err(SpawnError::from_io)?;
                Err(failure(answer, &pidfd, || self.stderr.last_lines()))
            }
            Some(Reply::Failed(INVALID)) => Ok(Some(Made::NotBySibling)),
            Some(Reply::Failed(errno)) => Err(SpawnError::from_io(std::io::Error::from_raw_os_error(errno))),
            Some(Reply::Refused(reason)) => Err(SpawnError::Refused(reason)),
            Some(Reply::Ready) | None => {
                self.usable = false;
                Ok(None)
            }
        }
    }

    /// What became of the last order; `None` when the server is gone, or does not say so in time.
    fn reply(&mut self, deadline: Instant) -> Option<Reply> {
        if !self.usable {
            return None;
        }
        self.link.send(&Order::<(), ()>::Explain).ok()?;
        loop {
            match self.link.recv(Some(deadline.min(Instant::now() + LOOK))) {
                Err(LinkError::Io(error))
                    if error.kind() == std::io::ErrorKind::TimedOut && Instant::now() < deadline =>
                {
                    self.end_if_stopped();
                }
                told => return told.ok().flatten(),
            }
        }
    }

    fn end_if_stopped(&mut self) {
        if is_stopped(self.pid) {
            self.usable = false;
            let _ended_meanwhile = self.pidfd.signal(SIGKILL);
        }
    }

    /// Takes the status of a child that came of an order that was given up.
    fn bury_given_up(&mut self, until: Until) {
        if std::mem::take(&mut self.given_up) {
            match self.reply(until.at_most(LOOK)) {
                Some(Reply::Forked(pid)) => end_child(pid),
                Some(_none_was_made) => {}
                None => self.usable = false,
            }
        }
    }
}

/// That `surround` has put something into a job, which the next server is not to be told, because it held for this one.
struct Added;

impl Added {
    fn take_back(self, job: &mut Job) {
        (job.surroundings.environment, job.surroundings.place) = (None, None);
    }
}

/// Whether a process is stopped, by a signal or a debugger.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('T' | 't'))
}

impl Drop for Server {
    /// The end of the link is the server's sign to leave. One that is stuck is killed. A copy only closes its descriptors.
    fn drop(&mut self) {
        if self.owner != ProcessIdentity::current() {
            return;
        }
        self.bury_given_up(Until::default());
        if !self.usable {
            let _ended_meanwhile = self.pidfd.signal(SIGKILL);
        }
        if let Ok((closed, _)) = Control::pair() {
            drop(std::mem::replace(&mut self.link, closed));
        }
        bury(&self.pidfd);
    }
}
