//! [`PoolProxyError`] and [`TaskFailure`]: why a call to a pool in a manager brought no value.

use std::fmt;

use procession_pool::TaskError;
use procession_process::panics::Asked;
use procession_process::{ExitStatus, Panic};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wire::error::CallError;

/// A call to a pool in a manager brought no value.
///
/// ```
/// use procession_manager::{Manager, PoolProxyError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let error = pool.apply(|n: u32| 1 / n, 0).unwrap_err();
/// assert!(error.task().unwrap().panic().unwrap().message().contains("divide by zero"));
/// manager.shutdown()?;
/// assert!(matches!(pool.apply(|n: u32| n, 0), Err(PoolProxyError::Call(error)) if error.is_manager_gone()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PoolProxyError {
    /// The pool was not made; the text says why.
    #[error("{0}")]
    Start(String),
    /// The call did not come through: the manager is gone, or time has run out.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The task brought no value.
    #[error(transparent)]
    Task(#[from] TaskFailure),
}

impl PoolProxyError {
    /// What happened to the task, if that was the reason.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let error = pool.apply(|n: u32| 1 / n, 0).unwrap_err();
    /// assert!(error.task().is_some_and(|failure| failure.is_panic()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn task(&self) -> Option<&TaskFailure> {
        if let PoolProxyError::Task(failure) = self { Some(failure) } else { None }
    }

    /// Whether it was the time for the call that ran out.
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::{thread, time::Duration};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let sleep = pool.apply_async(|n| thread::sleep(Duration::from_secs(n)), 3600)?;
    /// assert!(sleep.wait_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, PoolProxyError::Call(error) if error.is_timeout())
    }
}

/// As a sentence, because `unwrap` and `main` print errors this way; with the backtrace of a panic where `RUST_BACKTRACE` asks for it.
impl fmt::Debug for PoolProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolProxyError::Start(text) => write!(f, "PoolProxyError: {text}"),
            PoolProxyError::Call(error) => error.fmt(f),
            PoolProxyError::Task(failure) => failure.fmt(f),
        }
    }
}

/// What a [`TaskError`] says, in a form that crosses processes.
///
/// ```
/// use procession_manager::Manager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let error = manager.pool(1)?.apply(|(): ()| -> () { std::process::abort() }, ()).unwrap_err();
/// let failure = error.task().expect("the task was lost");
/// assert_eq!(failure.exit_status().unwrap().signal(), Some(6));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{}", .0.text)]
pub struct TaskFailure(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    index: u64,
    has_started: bool,
    attempt: u32,
    worker: Option<(String, u32)>,
    cause: Cause,
    stderr: String,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Cause {
    Panic(Panic),
    Death { status: ExitStatus, is_out_of_memory: bool },
    TimedOut,
    Expired,
    Cancelled,
    Refused,
    Transport,
    Other,
}

impl TaskFailure {
    pub(super) fn of(error: &TaskError) -> TaskFailure {
        let cause = match (error.panic(), error.exit_status()) {
            (Some(panic), _) => Cause::Panic(panic.clone()),
            (None, Some(status)) => Cause::Death { status, is_out_of_memory: error.is_out_of_memory() },
            (None, None) if error.is_timeout() => Cause::TimedOut,
            (None, None) if error.is_expired() => Cause::Expired,
            (None, None) if error.is_cancelled() => Cause::Cancelled,
            (None, None) if error.is_refused() => Cause::Refused,
            (None, None) if error.is_transport() => Cause::Transport,
            (None, None) => Cause::Other,
        };
        TaskFailure(Box::new(Inner {
            index: error.index(),
            has_started: error.started(),
            attempt: error.attempt(),
            worker: error.worker().map(str::to_owned).zip(error.pid()),
            cause,
            stderr: error.stderr().to_owned(),
            text: error.to_string(),
        }))
    }
}

/// Writes what answers as a [`TaskError`] does.
macro_rules! same_as_task_error {
    ($($name:ident -> $type:ty = $body:expr, $doc:literal;)*) => {
        impl TaskFailure {
            $(
                #[doc = concat!($doc, "\n")]
                #[doc = concat!("As [`TaskError::", stringify!($name), "`] says.")]
                ///
                /// ```
                /// use procession_manager::Manager;
                ///
                /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
                /// # procession_manager::init();
                /// let manager = Manager::start()?;
                /// let error = manager.pool(1)?.apply(|n: u32| 1 / n, 0).unwrap_err();
                #[doc = concat!("println!(\"{:?}\", error.task().map(|failure| failure.", stringify!($name), "()));")]
                /// # Ok(())
                /// # }
                /// ```
                #[must_use]
                pub fn $name(&self) -> $type {
                    let read: fn(&Inner) -> $type = $body;
                    read(&self.0)
                }
            )*
        }
    };
}

same_as_task_error! {
    index -> u64 = |this| this.index, "MethodRef item it was, counted from 0.";
    started -> bool = |this| this.has_started, "Whether the function may have begun to run.";
    attempt -> u32 = |this| this.attempt, "MethodRef attempt it was, counted from 1; 0 if there was none.";
    worker -> Option<&str> = |this| this.worker.as_ref().map(|(name, _)| &**name), "The name of the worker that had it.";
    pid -> Option<u32> = |this| this.worker.as_ref().map(|(_, pid)| *pid), "The process of the worker that had it.";
    stderr -> &str = |this| &this.stderr, "The last that a worker that died has written to its standard error.";
    panic -> Option<&Panic> = |this| if let Cause::Panic(panic) = &this.cause { Some(panic) } else { None },
        "The panic of the function, if that was the reason.";
    exit_status -> Option<ExitStatus> = |this| if let Cause::Death { status, .. } = &this.cause { Some(*status) } else { None },
        "How the worker ended, if that was the reason.";
    is_panic -> bool = |this| matches!(this.cause, Cause::Panic(_)), "Whether the function panicked.";
    is_death -> bool = |this| matches!(this.cause, Cause::Death { .. }), "Whether the worker ended in the middle.";
    is_refused -> bool = |this| matches!(this.cause, Cause::Refused), "Whether the pool was closed, terminated or broken.";
    is_transport -> bool = |this| matches!(this.cause, Cause::Transport), "Whether argument or result did not come through.";
    is_cancelled -> bool = |this| matches!(this.cause, Cause::Cancelled), "Whether the task was cancelled.";
    is_timeout -> bool = |this| matches!(this.cause, Cause::TimedOut), "Whether the task took longer than it was allowed to.";
    is_expired -> bool = |this| matches!(this.cause, Cause::Expired), "Whether the task did not begin in time.";
    is_out_of_memory -> bool = |this| matches!(this.cause, Cause::Death { is_out_of_memory: true, .. }),
        "Whether the worker seems to have been killed because memory ran out.";
}

/// As a sentence, because `unwrap` and `main` print errors this way; with the backtrace of a panic where `RUST_BACKTRACE` asks for it.
impl fmt::Debug for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskFailure: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "{}", Asked(panic)))
    }
}
