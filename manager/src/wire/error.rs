//! Why a manager could not be started, and why a call brought no value.

use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use procession_core::codec::{self, DecodeError, EncodeError, Message};
use procession_core::os::limits;
use procession_core::{FunctionError, LinkError};
use procession_process::panics::{self, Asked};
use procession_process::{Panic, SpawnError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wire::protocol::Failure;

/// A manager could not be started or ended.
///
/// It can be sent to another process.
///
/// ```
/// use procession_manager::{Manager, ManagerError, Registry};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let filled_wrongly = Registry::new().object("n", |n: u8| n).object("n", |n: u16| n);
/// let error = manager.serve(&filled_wrongly, "127.0.0.1:0".parse::<procession_channels::Address>()?, b"key").unwrap_err();
/// assert!(matches!(error, ManagerError::Serve(_)), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ManagerError {
    /// Its process could not be started.
    #[error("the manager was not started: {0}")]
    Start(SpawnError),
    /// A limit of this process or of the machine, which the text names.
    #[error("the manager was not started: {0}")]
    Limit(String),
    /// It does not listen for other programs.
    #[error("the manager does not serve other programs: {0}")]
    Serve(String),
    /// Its process did not end well.
    #[error("the manager's process {0}")]
    End(String),
}

// Not by `#[from]`, which would make it a source as well: the text says it already.
impl From<SpawnError> for ManagerError {
    fn from(error: SpawnError) -> ManagerError {
        ManagerError::Start(error)
    }
}

/// As a sentence, because `unwrap` and `main` print errors this way.
impl fmt::Debug for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManagerError: {self}")
    }
}

/// A call to a managed object brought no value.
///
/// ```
/// use procession_manager::{CallError, Manager};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let number = manager.create(|n: u32| n, 10)?;
/// let error = number.call(|n, by| *n / by, 0).unwrap_err();
/// let CallError::Panicked(panic) = error else { panic!("{error}") };
/// assert_eq!(panic.message(), "attempt to divide by zero");
/// assert!(matches!(number.get(), Err(CallError::Poisoned(_))));
/// number.clear_poison()?;
/// assert_eq!(number.get()?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[non_exhaustive]
#[doc(alias = "RemoteError")]
pub enum CallError {
    /// The function panicked. If it could change the object, the object is poisoned now.
    #[error("the function {0}")]
    Panicked(Panic),
    /// A function panicked while it could change the object, which may be half changed. See
    /// [`Proxy::clear_poison`](crate::Proxy::clear_poison).
    #[error("the object is poisoned, because an earlier function {0}; call `clear_poison` if it is sound all the same")]
    Poisoned(String),
    /// The manager has no such object any more.
    #[error("unknown object: no process refers to it any more, or this manager never had it")]
    ObjectGone,
    /// The manager's process has ended. Its objects are lost.
    #[error("the manager is gone, and its objects with it")]
    ManagerGone,
    /// The call took too long.
    #[error("the call was not over in time{}", if *.started { ", and goes on" } else { " and has not begun" })]
    Timeout {
        /// Whether the function has begun. If not, it never will.
        started: bool,
    },
    /// The object is of another type than the proxy.
    #[error("the object is of another type: the function works on a value of type `{0}`")]
    WrongType(String),
    /// The function, or its argument, cannot be sent. Nothing was called.
    #[error("the call cannot be sent: {0}")]
    Unsendable(String),
    /// The argument could not be read in the manager. The function was not called.
    #[error("the manager did not understand the argument: {0}")]
    Argument(String),
    /// The function has run, but its result did not come through.
    #[error("the function returned, but its result cannot be had: {0}")]
    Result(String),
    /// A function on a managed object called the object that it was working on.
    #[error("a function on a managed object has called that object, and would wait for itself")]
    Reentrant,
    /// The manager does not have what was asked for, by name.
    #[error("{0}")]
    Unknown(String),
    /// The connection does not belong to this process, but to the one that this is a fork of.
    #[error("the proxy belongs to the process that this one is a copy of: pass it in the argument instead")]
    Forked,
    /// A barrier was broken while it was waited for, or before.
    #[error("the barrier is broken: call `reset` to use it again")]
    BrokenBarrier,
    /// Items of a queue were lost with processes that had received them and not said that they were done.
    #[error("{count} of the items that were received were lost with processes that died before `task_done`")]
    Lost {
        /// The number of items.
        count: u64,
    },
    /// A limit of this process or of the machine, or the operating system.
    #[error("the connection to the manager failed: {0}")]
    Connection(String),
}

impl CallError {
    /// Returns the panic of the function, if that was the reason.
    ///
    /// ```
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u8>()?;
    /// let error = list.proxy().call(|list, at: usize| list[at], 3).unwrap_err();
    /// assert!(error.panic().unwrap().message().contains("out of bounds"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        if let CallError::Panicked(panic) = self { Some(panic) } else { None }
    }

    /// Returns whether it was the time that ran out.
    ///
    /// ```
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::start()?;
    /// let error = manager.event()?.wait_timeout(std::time::Duration::from_millis(10)).unwrap_err();
    /// assert!(error.is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, CallError::Timeout { .. })
    }

    /// Returns whether the manager's process has ended.
    ///
    /// ```
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u8>()?;
    /// drop(manager);
    /// assert!(list.push(1).unwrap_err().is_manager_gone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_manager_gone(&self) -> bool {
        matches!(self, CallError::ManagerGone)
    }

    /// Returns what a failure in the manager means to the caller.
    pub(crate) fn from_failure(failure: Failure) -> CallError {
        match failure {
            Failure::Panicked(panic) => CallError::Panicked(panic),
            Failure::Poisoned(text) => CallError::Poisoned(text),
            Failure::Gone => CallError::ObjectGone,
            Failure::WrongType(name) => CallError::WrongType(name),
            Failure::BadArgument(text) => CallError::Argument(text),
            Failure::BadResult(text) => CallError::Result(text),
            // A call is cancelled only when its caller's time is over, or when no caller is left.
            Failure::Cancelled => CallError::Timeout { started: false },
            Failure::Itself => CallError::Reentrant,
            Failure::Nonsense(text) => CallError::Unknown(text),
        }
    }

    /// Returns what an error of the link to the manager means to the caller.
    pub(crate) fn from_link(error: LinkError) -> CallError {
        match error {
            LinkError::Disconnected => CallError::ManagerGone,
            LinkError::Unsendable(text) => CallError::Unsendable(text),
            LinkError::Io(error) => CallError::from_io(&error),
            other => CallError::Connection(other.to_string()),
        }
    }

    /// Returns an error of the operating system, with the limit that it comes from where that is known.
    pub(crate) fn from_io(error: &io::Error) -> CallError {
        CallError::Connection(limits::explain(error).unwrap_or_else(|| error.to_string()))
    }
}

impl From<EncodeError> for CallError {
    fn from(error: EncodeError) -> CallError {
        CallError::Unsendable(error.to_string())
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> CallError {
        CallError::Result(error.to_string())
    }
}

/// Reads a result. That is code of the user's: a panic of it is the call's error, and no callback is lost.
pub(crate) fn decoded<R: DeserializeOwned>(result: Message) -> Result<R, CallError> {
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| codec::decode(result)));
    let panicked = |payload| CallError::Result(format!("it {}", panics::of_payload(payload)));
    Ok(decoded.map_err(panicked)??)
}

impl From<FunctionError> for CallError {
    fn from(error: FunctionError) -> CallError {
        CallError::Unsendable(error.to_string())
    }
}

/// As a sentence, because `unwrap` and `main` print errors this way; with the backtrace of a panic where `RUST_BACKTRACE` asks for it.
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "{}", Asked(panic)))
    }
}
