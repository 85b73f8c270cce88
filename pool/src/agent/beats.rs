//! [`Beats`]: the signs of life of an agent. Those of its lease keep it alive, and probes between them measure the round trip.

use std::time::Duration;

use crate::model::tuning::{BEAT_INTERVAL, FIRST_PROBES};
use crate::wire::host_messages::PROBE;
use crate::wire::lease::AgentLease;

/// What is due of them. Times are of a clock that goes on while the host is suspended.
#[derive(Debug)]
pub(super) struct Beats {
    /// `None`: the agent lives until its link ends.
    lease: Option<AgentLease>,
    /// When the next probe is due. `None` while one is on its way.
    probe_at: Option<Duration>,
    probed_at: Duration,
    /// The number of probes that were acknowledged.
    probes: u32,
    pub(super) round_trip: Option<Duration>,
}

impl Beats {
    pub(super) fn new(lease: Option<Duration>, now: Duration) -> Beats {
        let lease = lease.map(|lease| AgentLease::new(lease, now));
        Beats { lease, probe_at: Some(now), probed_at: now, probes: 0, round_trip: None }
    }

    /// Returns the number of a beat to be sent now, if one is due.
    pub(super) fn next(&mut self, now: Duration) -> Option<u64> {
        if let Some(number) = self.lease.as_mut().and_then(|lease| lease.beat(now)) {
            return Some(number);
        }
        self.probe_at.take_if(|at| *at <= now)?;
        self.probed_at = now;
        Some(PROBE)
    }

    /// Records that the pool has acknowledged a beat.
    pub(super) fn acknowledge(&mut self, number: u64, now: Duration) {
        if number != PROBE {
            self.lease.iter_mut().for_each(|lease| lease.acknowledge(number, now));
        } else if self.probe_at.is_none() {
            self.round_trip = Some(now.saturating_sub(self.probed_at));
            self.probes = self.probes.saturating_add(1);
            // The first ones follow each other at once, so that the pool knows the round trip early.
            self.probe_at = Some(if self.probes < FIRST_PROBES { now } else { self.probed_at + BEAT_INTERVAL });
        }
    }

    /// Returns whether the lease is over.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_over(now))
    }

    /// Returns when a beat is due, or the lease over. `None` while only an acknowledgement can make one due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.lease.as_ref().map(AgentLease::deadline).into_iter().chain(self.probe_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_probes_follow_each_other_and_the_others_take_their_time() {
        let at = Duration::from_millis;
        let mut beats = Beats::new(None, at(0));
        for probe in 0..u64::from(FIRST_PROBES) {
            assert_eq!((beats.next(at(10 * probe)), beats.deadline()), (Some(PROBE), None));
            beats.acknowledge(PROBE, at(10 * probe + 7));
            assert_eq!(beats.round_trip, Some(at(7)));
        }
        let last = at(10 * u64::from(FIRST_PROBES - 1));
        assert_eq!((beats.next(last), beats.deadline()), (None, Some(last + BEAT_INTERVAL)));
        assert!(!beats.is_over(Duration::MAX));
    }

    #[test]
    fn probes_extend_no_lease() {
        let at = Duration::from_secs;
        let mut beats = Beats::new(Some(at(10)), at(0));
        assert_eq!(beats.next(at(0)), Some(PROBE));
        beats.acknowledge(PROBE, at(9));
        assert!(beats.is_over(at(10)));
        let mut beats = Beats::new(Some(at(10)), at(0));
        assert_eq!(beats.next(at(2)), Some(1));
        beats.acknowledge(1, at(3));
        assert!(!beats.is_over(at(11)) && beats.is_over(at(12)));
    }
}
