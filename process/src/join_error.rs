//! [`JoinError`]: why a process brought no value.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::child::PANICKED;
use crate::exit_status::ExitStatus;
use crate::panics::{Asked, Panic};

/// A process ended without the value of its function.
///
/// It can be sent to another process, which gets the same text.
///
/// ```
/// # use procession_process::Process;
/// # procession_process::init();
/// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
/// let error = process.join().unwrap_err();
/// assert!(error.to_string().contains("exit code 3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("process `{name}` (pid {pid}) {reason}{}", unusual_end(reason, *status))]
pub struct JoinError {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// How it ended; `None` while that is not known.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) reason: Reason,
}

/// Why there is no value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// Boxed, because it is several times as large as the other variants.
    Panicked(Box<Panic>),
    /// It exited or was killed before the function returned.
    Died(ExitStatus),
    /// The argument or the result could not be sent.
    Failed(String),
    /// Waiting failed.
    Wait(String),
}

impl JoinError {
    /// Returns the name of the process.
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

    /// Returns the number that the process had.
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

    /// Returns the panic of the function, if that was the reason.
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// # procession_process::init();
    /// let error = Process::spawn(|n: u32| assert_eq!(n, 1, "not one"), 2)?.join().unwrap_err();
    /// assert!(error.panic().unwrap().message().contains("not one"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        if let Reason::Panicked(panic) = &self.reason { Some(panic) } else { None }
    }

    /// Returns whether the function panicked.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let error = Process::spawn(|n: u32| assert_eq!(n, 1), 2)?.join().unwrap_err();
    /// assert!(error.is_panic() && !error.is_death());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panicked(_))
    }

    /// Returns whether the process exited or was killed before the function returned, and not by a panic that is known.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert!(process.join().unwrap_err().is_death());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_death(&self) -> bool {
        matches!(self.reason, Reason::Died(_))
    }

    /// Returns whether the argument or the result could not be sent: one of them cannot be encoded or decoded, or a limit was reached.
    ///
    /// ```
    /// use procession_process::Process;
    /// use serde::{Deserialize, Deserializer, Serialize};
    ///
    /// #[derive(Serialize)]
    /// struct Picky;
    ///
    /// impl<'de> Deserialize<'de> for Picky {
    ///     fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Picky, D::Error> {
    ///         Err(serde::de::Error::custom("not today"))
    ///     }
    /// }
    ///
    /// # procession_process::init();
    /// assert!(Process::spawn(|_: Picky| (), Picky)?.join().unwrap_err().is_transport());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_transport(&self) -> bool {
        matches!(self.reason, Reason::Failed(_))
    }

    /// Returns whether the state of the process is unknown, because waiting for it failed.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert!(!process.join().unwrap_err().is_unknown());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.reason, Reason::Wait(_))
    }

    /// Returns how the process ended.
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
        self.panic().map_or(Ok(()), |panic| write!(f, "{}", Asked(panic)))
    }
}

/// Returns how a panic has ended the process, where it did not unwind.
fn unusual_end(reason: &Reason, status: Option<ExitStatus>) -> String {
    match (reason, status) {
        // A panic that unwinds ends a child with 101. Another end is that of an abort, or of a signal meanwhile.
        (Reason::Panicked(_), Some(status)) if status.code() != Some(PANICKED) => format!(" (it ended with {status})"),
        _ => String::new(),
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
