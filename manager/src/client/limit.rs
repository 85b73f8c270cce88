//! Limits of time that cost no look at the clock where nothing is waited for. Such a look takes some 40 ns, and a round trip 2 µs.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::wire::tuning::SEND_SLICE;

/// Returns the deadline of a call that only tries: a moment that has passed.
pub(crate) fn at_once() -> Instant {
    static PAST: OnceLock<Instant> = OnceLock::new();
    // One moment for the whole process, so that `is_over` recognises it without reading the clock.
    *PAST.get_or_init(Instant::now)
}

/// Returns whether a deadline has passed.
pub(super) fn is_over(deadline: Instant) -> bool {
    deadline == at_once() || deadline <= Instant::now()
}

/// The limit of a wait for a reply.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Never,
    At(Instant),
    /// Counted from the first look, which so needs no clock.
    For(Duration),
}

impl Limit {
    /// Returns the limit of a call; without a deadline there is none.
    pub(super) fn of(deadline: Option<Instant>) -> Limit {
        deadline.map_or(Limit::Never, Limit::At)
    }

    /// Returns the time that is left, and the longest duration without a limit.
    pub(super) fn left(self) -> Duration {
        match self {
            Limit::Never => Duration::MAX,
            Limit::At(at) => at.saturating_duration_since(Instant::now()),
            Limit::For(left) => left,
        }
    }

    /// Returns the deadline, and counts from now on.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        if let Limit::For(left) = *self {
            *self = Limit::of(Instant::now().checked_add(left));
        }
        if let Limit::At(at) = *self { Some(at) } else { None }
    }
}

/// The time in which a call is sent: until its deadline, and [`SEND_SLICE`] at least, because a call that only tries has to be sent.
pub(super) struct SendLimit {
    deadline: Option<Instant>,
    /// When it was looked at for the first time.
    since: Option<Instant>,
}

impl SendLimit {
    pub(super) fn of(deadline: Option<Instant>) -> SendLimit {
        SendLimit { deadline, since: None }
    }

    /// Returns whether there is a deadline.
    pub(super) fn is_limited(&self) -> bool {
        self.deadline.is_some()
    }

    /// Returns whether the time is over. The first look after the deadline begins the last slice.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let now = Instant::now();
        // The slice counts from the first look after the deadline: its true beginning would cost another one in every call.
        deadline <= now && *self.since.get_or_insert(now) + SEND_SLICE <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_over_but_has_time_to_be_sent() {
        assert!(is_over(at_once()));
        let mut limit = SendLimit::of(Some(at_once()));
        assert!(!limit.is_over());
        limit.since = Instant::now().checked_sub(SEND_SLICE);
        assert!(limit.is_over());
        assert!(!SendLimit::of(None).is_over());
    }

    #[test]
    fn a_time_is_counted_from_the_first_look() {
        let mut limit = Limit::For(Duration::from_secs(60));
        assert_eq!(limit.left(), Duration::from_secs(60));
        let deadline = limit.deadline();
        assert!(deadline.is_some() && deadline == limit.deadline());
        assert!(limit.left() <= Duration::from_secs(60));
        assert_eq!(Limit::of(None).deadline(), None);
    }
}
