//! [`Until`]: by when a start must have come to an end.

use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;

use crate::spawn_error::SpawnError;

/// How long a new process may take to reach `init`. Machines under load are slow; only a mistake takes this long.
const LONGEST: Duration = Duration::from_secs(30);

/// By when a start must have come to an end, if the caller has said so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Until {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Until {
    pub(crate) fn within(timeout: Duration) -> Until {
        Until { timeout: Some(timeout), deadline: deadline_after(timeout) }
    }

    /// The caller's deadline, or that of a process that will never answer, whichever comes first.
    pub(super) fn at_most(self, most: Duration) -> Instant {
        let soon = Instant::now() + most;
        self.deadline.map_or(soon, |deadline| deadline.min(soon))
    }

    /// When a new process must have answered.
    pub(super) fn answered(self) -> Instant {
        self.at_most(LONGEST)
    }

    /// How long the caller still waits; `None`: for ever.
    pub(super) fn left(self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The error of a process that has not answered.
    pub(super) fn silent(self) -> SpawnError {
        match self.timeout {
            Some(timeout) if self.left() == Some(Duration::ZERO) => SpawnError::TimedOut { timeout },
            _ => SpawnError::Silent { seconds: LONGEST.as_secs() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_deadline_counts_where_it_comes_first() {
        let (none, zero, ever) = (Until::default(), Until::within(Duration::ZERO), Until::within(Duration::MAX));
        assert!(zero.answered() <= Instant::now() && none.answered() > Instant::now() + LONGEST / 2);
        assert_eq!((none.left(), zero.left(), ever.left()), (None, Some(Duration::ZERO), None));
        assert!(matches!(zero.silent(), SpawnError::TimedOut { timeout: Duration::ZERO }));
        assert!(matches!((none.silent(), ever.silent()), (SpawnError::Silent { .. }, SpawnError::Silent { .. })));
    }
}
