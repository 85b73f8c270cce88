//! [`Until`]: how long a call may wait.

use std::time::{Duration, Instant};

use procession_sync::{RobustGuard, RobustLock};

use crate::tuning::TRY_LOCK_TIMEOUT;

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// For ever (`None`), or until then.
    Deadline(Option<Instant>),
}

impl Until {
    pub(crate) const FOREVER: Until = Until::Deadline(None);

    /// Converts a timeout of the API.
    pub(crate) fn after(timeout: Duration) -> Until {
        if timeout.is_zero() { Until::Now } else { Until::Deadline(Instant::now().checked_add(timeout)) }
    }

    /// Returns the end of the wait; `None` for never.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Until::Now => Some(Instant::now()),
            Until::Deadline(deadline) => deadline,
        }
    }

    /// Takes a lock. Returns `None` if its holder, which may have been stopped, keeps it for too long.
    #[inline]
    pub(crate) fn lock(self, lock: &RobustLock) -> Option<RobustGuard<'_>> {
        lock.lock_until(|| match self {
            Until::Now => Instant::now().checked_add(TRY_LOCK_TIMEOUT),
            Until::Deadline(deadline) => deadline,
        })
    }

    pub(crate) fn is_over(self) -> bool {
        match self {
            Until::Now => true,
            Until::Deadline(deadline) => deadline.is_some_and(|deadline| deadline <= Instant::now()),
        }
    }
}
