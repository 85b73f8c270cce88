//! [`StartMethod::Server`](super::StartMethod::Server): asking the server process for a copy of itself.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use procession_core::os::identity::Identity;
use procession_core::os::limits;
use procession_core::os::pidfd::PidFd;
use procession_core::{Control, Image, LinkError};

use super::spawn::{EarlyStderr, Executed, execute};
use super::{Answer, PATIENCE, Reserve, Started, answer, bury, failure};
use crate::init::Role;
use crate::job::Job;
use crate::server::{Order, Reply};
use crate::spawn_error::SpawnError;

/// How often a start is tried when servers die under it.
const ATTEMPTS: u32 = 5;

/// The server of this process, while there is one.
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

struct Server {
    /// Whose server it is: a copy of that process finds it here as well, and its children would not be the copy's.
    owner: Identity,
    link: Control,
    pidfd: PidFd,
    stderr: EarlyStderr,
    /// The link of the next child, made while the last one started.
    next: Option<(Control, Control)>,
    inheritance: Inheritance,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
}

/// What a child takes over from the server and no message can change: when it differs, a new server is needed.
#[derive(PartialEq, Eq)]
struct Inheritance {
    limits: Vec<(u64, u64)>,
    credentials: [u32; 6],
}

pub(super) fn start(job: &mut Job) -> Result<Started, SpawnError> {
    let mut slot = lock();
    for _ in 0..ATTEMPTS {
        let mut server = match slot.take() {
            Some(server) if server.fits() => server,
            _outdated_or_none => Server::new()?,
        };
        match server.start(job) {
            Ok(Some(started)) => {
                *slot = Some(server);
                return Ok(started);
            }
            // It died: the next turn makes a new one.
            Ok(None) => drop(server),
            Err(error) => {
                *slot = Some(server);
                return Err(error);
            }
        }
    }
    Err(SpawnError::Refused(format!("{ATTEMPTS} server processes in a row died while they were asked")))
}

/// Ends the server, if there is one.
pub(crate) fn stop() {
    drop(lock().take());
}

/// Lets go of the server, which is that of the process that this one was copied from.
pub(crate) fn disown() {
    drop(lock().take());
}

impl Server {
    fn new() -> Result<Server, SpawnError> {
        let inheritance = Inheritance::now();
        let (environment, directory) = (env::vars_os().collect(), env::current_dir().ok());
        let Executed { control: mut link, pidfd, stderr } = execute(&Role::Server(Image::own().clone()))?;
        let first = match link.recv::<Reply>(Some(Instant::now() + PATIENCE)) {
            Ok(Some(Reply::Ready)) => {
                stderr.pass_on();
                let owner = Identity::current();
                return Ok(Server { owner, link, pidfd, stderr, next: None, inheritance, environment, directory });
            }
            Ok(Some(Reply::Refused(reason))) => Answer::Refused(reason),
            Err(LinkError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => Answer::Silent,
            Err(LinkError::Garbled(text)) => Answer::Refused(text),
            _ended => Answer::Gone,
        };
        Err(failure(first, &pidfd, || stderr.last_lines()))
    }

    /// Whether it can make children that have what this process has.
    fn fits(&self) -> bool {
        self.owner == Identity::current() && self.inheritance == Inheritance::now()
    }

    /// Has a child made. `None`: the server is gone, and no child has run anything.
    fn start(&mut self, job: &mut Job) -> Result<Option<Started>, SpawnError> {
        let added = self.surround(job);
        let reserve = Reserve::new(&self.pidfd).map_err(SpawnError::from_io)?;
        let (mut here, there) = self.next.take().map_or_else(Control::pair, Ok).map_err(SpawnError::from_io)?;
        let sent = self.link.send(&Order::Copy(&*job, &there));
        added.take_back(job);
        drop(there);
        match sent {
            Ok(()) => {}
            Err(LinkError::Disconnected | LinkError::Io(_)) => return Ok(None),
            Err(error) => return Err(SpawnError::from_link(error)),
        }
        // Where there is no room for it now, there may be by then.
        self.next = Control::pair().ok();
        match answer(&mut here) {
            Answer::Started(pid) => {
                let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
                Ok(Some(Started { pid, pidfd, control: here }))
            }
            other => self.explain(other),
        }
    }

    /// Tells the child what has changed since the server was started: the environment and the working directory.
    fn surround(&self, job: &mut Job) -> Added {
        let environment: Vec<_> = env::vars_os().collect();
        let changed = environment != self.environment;
        job.surroundings.environment = changed.then_some(environment);
        let here = env::current_dir().ok();
        let moved = job.surroundings.directory.is_none() && here != self.directory;
        if moved {
            job.surroundings.directory = here.map(PathBuf::into_os_string);
        }
        Added { directory: moved }
    }

    /// Why no child started.
    fn explain(&mut self, answer: Answer) -> Result<Option<Started>, SpawnError> {
        match self.reply() {
            Some(Reply::Forked(pid)) => {
                let pidfd = PidFd::of_child(pid).map_err(SpawnError::from_io)?;
                Err(failure(answer, &pidfd, || self.stderr.last_lines()))
            }
            Some(Reply::Failed(errno)) => Err(SpawnError::from_io(std::io::Error::from_raw_os_error(errno))),
            Some(Reply::Refused(reason)) => Err(SpawnError::Refused(reason)),
            Some(Reply::Ready) | None => Ok(None),
        }
    }

    /// What became of the last order; `None` when the server is gone.
    fn reply(&mut self) -> Option<Reply> {
        self.link.send(&Order::<(), ()>::Explain).ok()?;
        self.link.recv(Some(Instant::now() + PATIENCE)).ok().flatten()
    }
}

/// What `surround` has put into a job, so that the next server is not told what held for this one.
struct Added {
    directory: bool,
}

impl Added {
    fn take_back(&self, job: &mut Job) {
        job.surroundings.environment = None;
        if self.directory {
            job.surroundings.directory = None;
        }
    }
}

impl Drop for Server {
    /// The end of the link is the server's sign to leave. One that is stuck is killed. A copy only closes its descriptors.
    fn drop(&mut self) {
        if self.owner != Identity::current() {
            return;
        }
        if let Ok((closed, _)) = Control::pair() {
            drop(std::mem::replace(&mut self.link, closed));
        }
        bury(&self.pidfd);
    }
}

impl Inheritance {
    fn now() -> Inheritance {
        Inheritance { limits: limits::inheritable(), credentials: limits::credentials() }
    }
}

fn lock() -> MutexGuard<'static, Option<Server>> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}
