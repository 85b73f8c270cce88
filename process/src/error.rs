//! Why a process could not be started, and why it brought no value.

use std::fmt;
use std::io;

use procession_core::codec::EncodeError;
use procession_core::os::limits;
use procession_core::{FunctionError, LinkError};
use thiserror::Error;

use crate::exit_status::ExitStatus;
use crate::panics::Panic;

/// A process could not be started. The function has not run.
///
/// ```
/// # use procession_process::{Process, SpawnError, StartMethod};
/// # procession_process::init();
/// std::thread::spawn(std::thread::park);
/// let error = Process::builder().start_method(StartMethod::Fork).spawn(|()| (), ()).unwrap_err();
/// assert!(matches!(error, SpawnError::Threads), "what another thread has locked would stay locked");
/// ```
#[derive(Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// This program does not say what its children are to do.
    #[error(
        "procession is not initialized in this program, so its children could not tell that they are children: put \
         `procession::init();` first in `main` (in tests and libraries, `procession::init_at_load!();` at the top of a file)"
    )]
    NotInitialized,
    /// The function cannot be named to another process.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The argument cannot be sent to another process.
    #[error("the argument cannot be sent to a new process: {0}")]
    Argument(#[source] EncodeError),
    /// A limit of this process or of the machine was reached. The text names it and its value.
    #[error("no new process: {0}")]
    Limit(String),
    /// [`Fork`](crate::StartMethod::Fork) was asked for while this process has several threads.
    #[error(
        "a process with several threads cannot be forked, because the locks that the others hold would stay locked in the \
         child for ever; use StartMethod::Server or StartMethod::Spawn"
    )]
    Threads,
    /// The new process ended before it could call the function.
    #[error("the new process ended with {status} before it called the function{}", last_lines(stderr))]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The last that it wrote to stderr.
        stderr: String,
    },
    /// The new process could not set itself up, for the reason in the text.
    #[error("the new process cannot start: {0}")]
    Refused(String),
    /// The new process did not answer in time.
    #[error(
        "the new process did not answer for {seconds} seconds and was killed; does this program reach `procession::init()` late, \
         or not at all, when it is started again?"
    )]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The operating system refused.
    #[error("no new process: {0}")]
    Io(#[source] io::Error),
}

impl SpawnError {
    /// The error of a job that could not be sent.
    pub(crate) fn from_link(error: LinkError) -> SpawnError {
        match error {
            LinkError::Limit(text) => SpawnError::Limit(text),
            LinkError::Io(error) => SpawnError::from_io(error),
            other => SpawnError::Refused(other.to_string()),
        }
    }

    pub(crate) fn from_io(error: io::Error) -> SpawnError {
        limits::explain(&error).map_or(SpawnError::Io(error), SpawnError::Limit)
    }
}

/// As a sentence, because `unwrap` and `main` print errors this way.
impl fmt::Debug for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpawnError: {self}")
    }
}

fn last_lines(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; its last words on stderr:\n{stderr}") }
}

/// A process ended without the value of its function.
///
/// ```
/// # use procession_process::Process;
/// # procession_process::init();
/// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
/// let error = process.join().unwrap_err();
/// assert!(error.to_string().contains("exit code 3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Error)]
#[error("process `{name}` (pid {pid}) {reason}")]
pub struct JoinError {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) status: Option<ExitStatus>,
    pub(crate) reason: Reason,
}

#[derive(Clone)]
pub(crate) enum Reason {
    Panicked(Panic),
    /// It exited or was killed before the function returned.
    Died(ExitStatus),
    /// The argument or the result could not be carried.
    Failed(String),
    /// Waiting failed.
    Wait(String),
}

impl JoinError {
    /// The name of the process.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::builder().name("worker").spawn(|()| std::process::exit(3), ())?;
    /// assert_eq!(process.join().unwrap_err().name(), "worker");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that the process had.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert_eq!(process.join().unwrap_err().id(), process.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// The panic of the function, if that was the reason.
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let error = Process::spawn(|n: u32| assert_eq!(n, 1, "not one"), 2)?.join().unwrap_err();
    /// assert!(error.panic().unwrap().message().contains("not one"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        if let Reason::Panicked(panic) = &self.reason { Some(panic) } else { None }
    }

    /// How the process ended.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert_eq!(process.join().unwrap_err().exit_status().and_then(|status| status.code()), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.status
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "\n{}", panic.backtrace()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Panicked(panic) => panic.fmt(f),
            Reason::Died(status) if status.signal().is_some() => {
                write!(f, "was ended by {status} before its function returned")
            }
            Reason::Died(status) => write!(f, "ended with {status} before its function returned"),
            Reason::Failed(text) => write!(f, "brought no value: {text}"),
            Reason::Wait(text) => write!(f, "cannot be waited for: {text}"),
        }
    }
}
