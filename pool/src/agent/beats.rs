//! [`Beats`]: the signs of life of an agent, and how long it may live without their acknowledgement.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::tuning::{BEAT_INTERVAL, FIRST_BEATS};

/// The beats that were sent. Times are of a clock that goes on while the host is suspended.
#[derive(Debug)]
pub(super) struct Beats {
    lease: Option<Duration>,
    number: u64,
    next_at: Duration,
    /// The beats that were not acknowledged, and when they were sent.
    sent: VecDeque<(u64, Duration)>,
    /// When the newest of the acknowledged ones was sent.
    acknowledged: Duration,
    round_trip: Option<Duration>,
}

impl Beats {
    pub(super) fn new(lease: Option<Duration>, now: Duration) -> Beats {
        Beats { lease, number: 0, next_at: now, sent: VecDeque::new(), acknowledged: now, round_trip: None }
    }

    /// Returns the number of the beat to be sent now, and the round trip of an earlier one. `None` if none is due.
    pub(super) fn next(&mut self, now: Duration) -> Option<(u64, Option<Duration>)> {
        if now < self.next_at {
            return None;
        }
        self.number += 1;
        self.next_at = now + self.lease.map_or(BEAT_INTERVAL, |lease| lease / 5);
        self.sent.push_back((self.number, now));
        Some((self.number, self.round_trip))
    }

    /// Records that the pool has acknowledged a beat.
    pub(super) fn acknowledge(&mut self, number: u64, now: Duration) {
        while let Some((_, at)) = self.sent.pop_front_if(|(sent, _)| *sent <= number) {
            self.acknowledged = at;
            self.round_trip = Some(now.saturating_sub(at));
        }
        // The first ones follow each other at once, so that the pool knows the round trip early.
        if number < FIRST_BEATS {
            self.next_at = now;
        }
    }

    /// Returns whether the lease is over. The pool counts from when it received the same beat, and so gives this host up later.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.lease.is_some_and(|lease| now >= self.acknowledged + lease)
    }

    /// Returns when the next beat is due, or the lease over.
    pub(super) fn deadline(&self) -> Duration {
        let end = self.lease.map(|lease| self.acknowledged + lease);
        end.into_iter().fold(self.next_at, Duration::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    #[test]
    fn a_lease_counts_from_the_sending_of_the_newest_acknowledged_beat() {
        let at = Duration::from_secs;
        let mut beats = Beats::new(Some(LEASE), at(100));
        assert_eq!(beats.next(at(100)), Some((1, None)));
        assert_eq!((beats.next(at(101)), beats.deadline()), (None, at(102)));
        assert_eq!(beats.next(at(102)), Some((2, None)));
        // The acknowledgement takes long, and the time since the sending counts.
        beats.acknowledge(2, at(107));
        assert!(!beats.is_over(at(112) - Duration::from_nanos(1)) && beats.is_over(at(112)));
        assert_eq!(beats.next(at(107)), Some((3, Some(at(5)))));
        // An old one changes nothing.
        beats.acknowledge(1, at(111));
        assert!(beats.is_over(at(112)));
    }

    #[test]
    fn without_a_lease_an_agent_lives_on() {
        let mut beats = Beats::new(None, Duration::ZERO);
        assert_eq!(beats.next(Duration::ZERO), Some((1, None)));
        assert!(!beats.is_over(Duration::MAX));
        assert_eq!(beats.deadline(), BEAT_INTERVAL);
    }
}
