//! [`StartDeadline`]: the time limits of a start.

use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;

use crate::spawn_error::SpawnError;
use crate::tuning::MAX_START_TIME;

/// The deadline of a start, if the caller has set one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StartDeadline {
    /// What the caller has asked for, as the error quotes it.
    timeout: Option<Duration>,
    /// When that is over; `None` without a timeout, and for one that the clock cannot express.
    deadline: Option<Instant>,
}

impl StartDeadline {
    /// Makes the deadline of a call that begins now.
    pub(crate) fn within(timeout: Duration) -> StartDeadline {
        StartDeadline { timeout: Some(timeout), deadline: deadline_after(timeout) }
    }

    /// Returns the deadline, but at most `limit` from now.
    pub(super) fn earliest_of(self, limit: Duration) -> Instant {
        let soon = Instant::now() + limit;
        self.deadline.map_or(soon, |deadline| deadline.min(soon))
    }

    /// Returns when a new process must have reported.
    pub(super) fn report_deadline(self) -> Instant {
        self.earliest_of(MAX_START_TIME)
    }

    /// Returns the time that is left; `None` without a deadline.
    pub(super) fn remaining(self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns the error of a process that has not reported in time.
    pub(super) fn timeout_error(self) -> SpawnError {
        match self.timeout {
            // A timeout of the caller that is not over did not end the wait: `MAX_START_TIME` did.
            Some(timeout) if self.remaining() == Some(Duration::ZERO) => SpawnError::TimedOut { timeout },
            _ => SpawnError::Silent { seconds: MAX_START_TIME.as_secs() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_deadline_counts_where_it_comes_first() {
        let (none, zero, ever) =
            (StartDeadline::default(), StartDeadline::within(Duration::ZERO), StartDeadline::within(Duration::MAX));
        assert!(
            zero.report_deadline() <= Instant::now() && none.report_deadline() > Instant::now() + MAX_START_TIME / 2
        );
        assert_eq!((none.remaining(), zero.remaining(), ever.remaining()), (None, Some(Duration::ZERO), None));
        assert!(matches!(zero.timeout_error(), SpawnError::TimedOut { timeout: Duration::ZERO }));
        assert!(matches!(
            (none.timeout_error(), ever.timeout_error()),
            (SpawnError::Silent { .. }, SpawnError::Silent { .. })
        ));
    }
}
