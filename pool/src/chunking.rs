//! How many tasks a worker is sent ahead: a pure rule over measured durations.
//!
//! One task at a time costs a wake-up each, which for short tasks is more than the work. So a worker holds about [`GOAL`] of
//! work as far as the job has been measured, and never more than its share of what is left, unless that is too little to be
//! shared out. What it has not begun can be taken back, so that one long task does not keep the others waiting.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How much work a worker should hold.
const GOAL: Duration = Duration::from_millis(4);
/// The same where nobody looks at a result before all are there: then the pool is woken only by those who need more, which takes a
/// processor away from somebody's task, so they are given more at a time.
const GOAL_OF_ALL: Duration = Duration::from_millis(12);
/// The most tasks that a worker holds, whatever they take.
const MOST: u64 = 32768;
/// The fewest, once they were measured: the next one is there when the last one is done.
const FEWEST: u64 = 2;
/// Work that takes less than this, in nanoseconds, is not shared out: it takes longer to give another worker a part of it.
const LEAST: u64 = 10_000;
/// Tasks that take less than this are begun [`HANDFUL`] at a time, because even to begin one has its price.
const TINY: u64 = 400;
const HANDFUL: u64 = 32;

/// The rule for one job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunking {
    pace: Pace,
    fixed: Option<u64>,
    /// How much work a worker should hold.
    goal: Duration,
}

/// What a task of a job takes in nanoseconds, as far as seen.
///
/// It follows longer tasks at once and shorter ones slowly: too few tasks ahead cost little. But a single task that takes far longer
/// than the one before may have had to wait for a processor, which says nothing about the next one.
#[derive(Clone, Copy, Debug)]
struct Pace {
    usual: Option<u64>,
    /// What the last one took. The first one is believed.
    last: u64,
}

impl Chunking {
    /// Tasks that stay together by so many, or as it turns out; what such tasks took before; and whether their results are of
    /// use only together.
    pub(crate) fn new(fixed: Option<NonZeroUsize>, usual: Option<Duration>, wants_all: bool) -> Chunking {
        let goal = if wants_all { GOAL_OF_ALL } else { GOAL };
        let usual = usual.map(|usual| u64::try_from(usual.as_nanos()).unwrap_or(u64::MAX));
        Chunking { pace: Pace { usual, last: u64::MAX }, fixed: fixed.map(|size| size.get() as u64), goal }
    }

    /// Learns from `count` tasks that ran for `each`.
    pub(crate) fn record(&mut self, each: Duration, count: u64) {
        self.pace.record(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX), count);
    }

    /// What a task usually takes, if any was seen.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.pace.usual.map(Duration::from_nanos)
    }

    /// How many tasks a worker should hold where there is no end in sight.
    pub(crate) fn goal(&self) -> usize {
        self.round(self.pace.goal(self.goal)) as usize
    }

    /// How many a worker should hold when `queued` tasks wait for `workers` workers. At least 1.
    pub(crate) fn size(&self, queued: u64, workers: u64) -> u64 {
        let share = queued.div_ceil(workers.max(1)).max(self.pace.least().min(queued));
        self.round(self.pace.goal(self.goal).min(share).max(1))
    }

    /// With how many tasks still to do a worker may be sent more, so that it need not wait for them.
    pub(crate) fn ahead(&self) -> u64 {
        if self.pace.usual.is_some() { (self.round(self.pace.goal(self.goal)) / 2).max(1) } else { 0 }
    }

    /// How many tasks a worker begins at once when `queued` tasks wait for `workers` workers. What it has begun cannot be taken back,
    /// so it is not more than its share, even where it holds more.
    pub(crate) fn unit(&self, queued: u64, workers: u64) -> u64 {
        let is_tiny = self.pace.usual.is_some_and(|usual| usual < TINY);
        let unit = if is_tiny { HANDFUL.min(queued.div_ceil(workers.max(1))).max(1) } else { 1 };
        self.fixed.unwrap_or(unit)
    }

    fn round(&self, count: u64) -> u64 {
        self.fixed.map_or(count, |size| count.div_ceil(size).saturating_mul(size))
    }
}

impl Pace {
    fn record(&mut self, each: u64, count: u64) {
        let last = std::mem::replace(&mut self.last, each);
        let Some(usual) = self.usual else { return self.usual = Some(each) };
        let each = each.min(last.max(usual.saturating_mul(2)));
        // A seventh of the way for each of the first few tasks, and all the way for many.
        let weight = count.min(8);
        let slow = (usual / 8).saturating_mul(8 - weight).saturating_add((each / 8).saturating_mul(weight));
        self.usual = Some(if count > 1 { slow } else { each.max(slow) });
    }

    /// So few are not worth being shared out.
    fn least(self) -> u64 {
        self.usual.map_or(1, |usual| LEAST.div_ceil(usual.max(1)))
    }

    fn goal(self, goal: Duration) -> u64 {
        let Some(usual) = self.usual else { return 1 };
        let many = goal.as_nanos() / u128::from(usual.max(1));
        u64::try_from(many).unwrap_or(MOST).clamp(FEWEST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured(took: Duration) -> Chunking {
        let mut chunking = Chunking::new(None, None, false);
        (0..200).for_each(|_| chunking.record(took, 1));
        chunking
    }

    #[test]
    fn what_was_never_measured_goes_one_by_one() {
        let chunking = Chunking::new(None, None, false);
        assert_eq!((chunking.size(1_000_000, 2), chunking.ahead(), chunking.unit(1_000_000, 2)), (1, 0, 1));
    }

    #[test]
    fn many_short_tasks_are_sent_ahead_and_few_long_ones() {
        assert_eq!(measured(Duration::from_micros(20)).size(1_000_000, 2), 200);
        assert_eq!(measured(Duration::ZERO).size(1_000_000, 2), MOST);
        assert_eq!(measured(Duration::from_secs(1)).size(1_000_000, 2), FEWEST);
        let mut of_all = Chunking::new(None, Some(Duration::from_micros(20)), true);
        of_all.record(Duration::from_micros(20), 1);
        assert_eq!(of_all.size(1_000_000, 2), 600);
        assert_eq!(measured(Duration::from_nanos(20)).unit(1000, 2), HANDFUL);
        assert_eq!(measured(Duration::from_micros(20)).unit(1000, 2), 1);
    }

    #[test]
    fn a_little_work_is_not_shared_out_and_can_be_taken_back() {
        let tiny = measured(Duration::from_nanos(50));
        assert_eq!((tiny.size(10, 4), tiny.unit(10, 4)), (10, 3));
        assert_eq!((tiny.size(1000, 4), tiny.unit(1000, 4)), (250, HANDFUL));
        assert_eq!(measured(Duration::from_micros(20)).size(10, 4), 3);
        assert_eq!(measured(Duration::ZERO).size(0, 4), 1);
    }

    #[test]
    fn two_long_tasks_make_the_next_chunks_small_and_one_is_taken_for_an_accident() {
        let mut chunking = measured(Duration::from_micros(2));
        chunking.record(Duration::from_millis(50), 1);
        assert_eq!(chunking.size(1_000_000, 2), 1000);
        chunking.record(Duration::from_millis(50), 1);
        assert_eq!(chunking.size(1_000_000, 2), FEWEST);
        (0..20).for_each(|_| chunking.record(Duration::from_micros(2), 10));
        assert!(chunking.size(1_000_000, 2) > 100);
    }

    #[test]
    fn a_fixed_size_is_kept() {
        let chunking = Chunking::new(NonZeroUsize::new(7), None, false);
        assert_eq!((chunking.size(3, 100), chunking.goal(), chunking.unit(3, 100)), (7, 7, 7));
        let mut chunking = chunking;
        chunking.record(Duration::from_micros(10), 100);
        assert_eq!((chunking.goal(), chunking.size(14, 2)), (406, 7));
    }

    proptest! {
        #[test]
        fn nobody_holds_more_than_his_share(
            durations in prop::collection::vec((0..10_000_000_u64, 1..50_u64), 0..50), queued in 0..100_000_u64, workers in 1..200_u64
        ) {
            let mut chunking = Chunking::new(None, None, false);
            durations.iter().for_each(|&(nanos, count)| chunking.record(Duration::from_nanos(nanos), count));
            let size = chunking.size(queued, workers);
            prop_assert!((1..=MOST).contains(&size));
            let is_little = chunking.usual().is_some_and(|usual| usual.as_nanos() as u64 * (size - 1) < LEAST);
            prop_assert!(size == 1 || (size - 1) * workers < queued || is_little && size <= queued);
        }
    }
}
