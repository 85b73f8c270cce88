//! How many tasks a worker is sent ahead: a pure rule over measured durations.
//!
//! One task at a time costs a wake-up each, which for short tasks is more than the work. So a worker holds about [`GOAL`] of
//! work as far as the job has been measured, and never more than its share of what is left. What it has not begun can be
//! taken back, so that one long task does not keep the others waiting.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How much work a worker should hold.
const GOAL: Duration = Duration::from_millis(4);
/// The most tasks that a worker holds, whatever they take.
const MOST: u64 = 32768;
/// The fewest, once they were measured: the next one is there when the last one is done.
const FEWEST: u64 = 2;
/// Tasks that take less than this are begun [`HANDFUL`] at a time, because even to begin one has its price.
const TINY: u64 = 400;
const HANDFUL: u64 = 32;

/// The rule for one job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunking {
    pace: Pace,
    fixed: Option<u64>,
}

/// What a task of a job takes in nanoseconds, as far as seen.
///
/// It follows a longer task at once and shorter ones slowly: too few tasks ahead cost little.
#[derive(Clone, Copy, Debug, Default)]
struct Pace(Option<u64>);

impl Chunking {
    /// Tasks that stay together by so many, or as it turns out; and what such tasks took before.
    pub(crate) fn new(fixed: Option<NonZeroUsize>, usual: Option<Duration>) -> Chunking {
        let usual = usual.map(|usual| u64::try_from(usual.as_nanos()).unwrap_or(u64::MAX));
        Chunking { pace: Pace(usual), fixed: fixed.map(|size| size.get() as u64) }
    }

    /// Learns from `count` tasks that ran for `each`.
    pub(crate) fn record(&mut self, each: Duration, count: u64) {
        self.pace.record(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX), count);
    }

    /// What a task usually takes, if any was seen.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.pace.0.map(Duration::from_nanos)
    }

    /// How many tasks a worker should hold where there is no end in sight.
    pub(crate) fn goal(&self) -> usize {
        self.round(self.pace.goal()) as usize
    }

    /// How many a worker should hold when `queued` tasks wait for `workers` workers. At least 1.
    pub(crate) fn size(&self, queued: u64, workers: u64) -> u64 {
        self.round(self.pace.goal().min(queued.div_ceil(workers.max(1))).max(1))
    }

    /// With how many tasks still to do a worker may be sent more, so that it need not wait for them.
    pub(crate) fn ahead(&self) -> u64 {
        if self.pace.0.is_some() { (self.round(self.pace.goal()) / 2).max(1) } else { 0 }
    }

    /// How many tasks a worker begins at once.
    pub(crate) fn unit(&self) -> u64 {
        self.fixed.unwrap_or(if self.pace.0.is_some_and(|usual| usual < TINY) { HANDFUL } else { 1 })
    }

    fn round(&self, count: u64) -> u64 {
        self.fixed.map_or(count, |size| count.div_ceil(size).saturating_mul(size))
    }
}

impl Pace {
    fn record(&mut self, each: u64, count: u64) {
        let Some(usual) = self.0 else { return self.0 = Some(each) };
        // A seventh of the way for each of the first few tasks, and all the way for many.
        let weight = count.min(8);
        let slow = (usual / 8).saturating_mul(8 - weight).saturating_add((each / 8).saturating_mul(weight));
        self.0 = Some(if count > 1 { slow } else { each.max(slow) });
    }

    fn goal(self) -> u64 {
        let Some(usual) = self.0 else { return 1 };
        let many = GOAL.as_nanos() / u128::from(usual.max(1));
        u64::try_from(many).unwrap_or(MOST).clamp(FEWEST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured(took: Duration) -> Chunking {
        let mut chunking = Chunking::new(None, None);
        (0..200).for_each(|_| chunking.record(took, 1));
        chunking
    }

    #[test]
    fn what_was_never_measured_goes_one_by_one() {
        let chunking = Chunking::new(None, None);
        assert_eq!((chunking.size(1_000_000, 2), chunking.ahead(), chunking.unit()), (1, 0, 1));
    }

    #[test]
    fn many_short_tasks_are_sent_ahead_and_few_long_ones() {
        assert_eq!(measured(Duration::from_micros(20)).size(1_000_000, 2), 200);
        assert_eq!(measured(Duration::ZERO).size(1_000_000, 2), MOST);
        assert_eq!(measured(Duration::from_secs(1)).size(1_000_000, 2), FEWEST);
        assert_eq!(measured(Duration::from_nanos(20)).unit(), HANDFUL);
        assert_eq!(measured(Duration::from_micros(20)).unit(), 1);
    }

    #[test]
    fn one_long_task_makes_the_next_chunks_small() {
        let mut chunking = measured(Duration::from_micros(2));
        chunking.record(Duration::from_millis(50), 1);
        assert_eq!(chunking.size(1_000_000, 2), FEWEST);
        (0..20).for_each(|_| chunking.record(Duration::from_micros(2), 10));
        assert!(chunking.size(1_000_000, 2) > 100);
    }

    #[test]
    fn a_fixed_size_is_kept() {
        let chunking = Chunking::new(NonZeroUsize::new(7), None);
        assert_eq!((chunking.size(3, 100), chunking.goal(), chunking.unit()), (7, 7, 7));
        let mut chunking = chunking;
        chunking.record(Duration::from_micros(10), 100);
        assert_eq!((chunking.goal(), chunking.size(14, 2)), (406, 7));
    }

    proptest! {
        #[test]
        fn nobody_holds_more_than_his_share(
            durations in prop::collection::vec((0..10_000_000_u64, 1..50_u64), 0..50), queued in 0..100_000_u64, workers in 1..200_u64
        ) {
            let mut chunking = Chunking::new(None, None);
            durations.iter().for_each(|&(nanos, count)| chunking.record(Duration::from_nanos(nanos), count));
            let size = chunking.size(queued, workers);
            prop_assert!((1..=MOST).contains(&size));
            prop_assert!(size == 1 || (size - 1) * workers < queued);
        }
    }
}
