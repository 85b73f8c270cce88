//! [`PoisonCause`]: the process that left data in doubt, and std's poison errors around our guards.

use std::fmt;
use std::sync::{LockResult, PoisonError};

use serde::{Deserialize, Serialize};

use crate::raw::mutex::RawMutex;

/// The process that held a lock when it died or panicked.
///
/// # Examples
///
/// ```
/// use procession_sync::{Mutex, MutexGuard};
///
/// let lock = Mutex::new(7)?;
/// std::thread::scope(|scope| {
///     let panicking = scope.spawn(|| {
///         let _guard = lock.lock();
///         panic!("left in doubt");
///     });
///     assert!(panicking.join().is_err());
/// });
/// let error = lock.lock().unwrap_err();
/// let cause = MutexGuard::poisoned_by(error.get_ref()).unwrap();
/// assert_eq!(cause.pid(), std::process::id());
/// assert!(cause.panicked());
/// # drop(error);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PoisonCause {
    pid: u32,
    panicked: bool,
}

impl PoisonCause {
    /// Returns the number that the process had.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Mutex::new(())?.poisoned_by().map(|cause| cause.pid()), None);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether the process panicked. Otherwise it died: killed, aborted or ended while it held the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Mutex::new(())?.poisoned_by().map(|cause| cause.panicked()), None);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn panicked(&self) -> bool {
        self.panicked
    }

    /// Returns the process that a lock has on record.
    pub(crate) fn of(lock: &RawMutex) -> Option<PoisonCause> {
        lock.poisoned_by().map(|(who, panicked)| PoisonCause { pid: who.pid(), panicked })
    }
}

impl fmt::Display for PoisonCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.panicked { "panicked" } else { "died" };
        write!(f, "process {} {end} while it held the lock", self.pid)
    }
}

/// Returns the guard, as an error when the lock is poisoned.
#[inline]
pub(crate) fn checked<G>(lock: &RawMutex, guard: G) -> LockResult<G> {
    if lock.poisoned_by().is_none() { Ok(guard) } else { Err(PoisonError::new(guard)) }
}
