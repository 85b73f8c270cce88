//! [`PoolProxyError`]: why a call to a pool in a manager brought no value.

use std::fmt;

use procession_pool::TaskError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wire::error::CallError;

/// A call to a pool in a manager brought no value.
///
/// ```
/// use procession_manager::{Manager, PoolProxyError};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let error = pool.apply(|n: u32| 1 / n, 0).unwrap_err();
/// assert!(error.task().unwrap().panic().unwrap().message().contains("divide by zero"));
/// manager.shutdown()?;
/// assert!(matches!(pool.apply(|n: u32| n, 0), Err(PoolProxyError::Call(error)) if error.is_manager_gone()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Error, Serialize, Deserialize)]
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
    Task(#[from] TaskError),
}

impl PoolProxyError {
    /// Returns the error of the task, if that was the reason.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let error = pool.apply(|n: u32| 1 / n, 0).unwrap_err();
    /// assert!(error.task().is_some_and(|failure| failure.is_panic()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn task(&self) -> Option<&TaskError> {
        if let PoolProxyError::Task(failure) = self { Some(failure) } else { None }
    }

    /// Returns whether it was the time for the call that ran out.
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::{thread, time::Duration};
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let sleep = pool.apply_async(|n| thread::sleep(Duration::from_secs(n)), 3600)?;
    /// assert!(sleep.wait_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, PoolProxyError::Call(error) if error.is_timeout())
    }
}

impl PartialEq for PoolProxyError {
    fn eq(&self, other: &PoolProxyError) -> bool {
        match (self, other) {
            (PoolProxyError::Start(one), PoolProxyError::Start(other)) => one == other,
            (PoolProxyError::Call(one), PoolProxyError::Call(other)) => one == other,
            (PoolProxyError::Task(one), PoolProxyError::Task(other)) => {
                // `TaskError` has no equality, so the attempt and the text stand for it: that is all that a caller can see.
                let attempt = |error: &TaskError| (error.index(), error.attempt(), error.pid());
                attempt(one) == attempt(other) && one.to_string() == other.to_string()
            }
            _ => false,
        }
    }
}

impl Eq for PoolProxyError {}

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

/// The error of a task, under the name that it had where it crossed processes as a copy.
///
/// ```
/// # procession_manager::init();
/// let manager = procession_manager::Manager::start()?;
/// let error = manager.pool(1)?.apply(|(): ()| -> () { std::process::abort() }, ()).unwrap_err();
/// let failure: &procession_manager::TaskFailure = error.task().expect("the task was lost");
/// assert_eq!(failure.exit_status().unwrap().signal(), Some(6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type TaskFailure = TaskError;
