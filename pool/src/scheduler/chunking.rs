//! [`Chunking`]: how many tasks a worker is sent ahead. A pure rule over measured durations.
//!
//! One task at a time costs a wake-up each, which is more than a short task itself. So a worker holds about
//! [`prefetch_time`](SchedulerTuning::prefetch_time) of work, as far as the job was measured, and no more than its share of what is
//! left, unless that is too little to be shared. Where the worker is on another host, the work that passes during a round trip comes
//! on top: it is in neither queue. Tasks that it has not started can be revoked, so one long task does not keep
//! the others waiting.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::model::options::JobOptions;
use crate::model::tuning::SchedulerTuning;
use crate::wire::claim::MAX_TASKS_HELD;

/// The rule for one job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunking {
    tuning: &'static SchedulerTuning,
    duration: DurationEstimate,
    /// The chunk size that the caller asked for.
    fixed: Option<u64>,
    /// The sum of the durations of the tasks that a worker should hold.
    prefetch_time: Duration,
}

/// An estimate of the duration of a job's next task, in nanoseconds.
///
/// It follows longer tasks at once and shorter ones slowly: too few tasks ahead cost little. But a single task that takes far longer
/// than the one before may have had to wait for a processor, which does not predict the next one.
#[derive(Clone, Copy, Debug)]
struct DurationEstimate {
    avg: Option<u64>,
    /// The last measurement. The first one counts in full.
    last: u64,
}

impl Chunking {
    pub(super) fn new(options: &JobOptions, tuning: &'static SchedulerTuning) -> Chunking {
        let avg = options.avg_duration.map(|avg| u64::try_from(avg.as_nanos()).unwrap_or(u64::MAX));
        Chunking {
            tuning,
            duration: DurationEstimate { avg, last: u64::MAX },
            fixed: options.chunk_size.map(NonZeroUsize::get).map(|size| size as u64),
            prefetch_time: if options.collect_all { tuning.prefetch_time_collect_all } else { tuning.prefetch_time },
        }
    }

    /// Records that `count` tasks ran for `each`.
    pub(super) fn record(&mut self, each: Duration, count: u64) {
        self.duration.record(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX), count);
    }

    /// Returns the average duration of a task, if any was measured.
    pub(super) fn avg_duration(&self) -> Option<Duration> {
        self.duration.avg.map(Duration::from_nanos)
    }

    /// Returns the number of tasks that a worker with that round trip should hold of an input without end.
    pub(super) fn prefetch_depth(&self, rtt: Duration) -> u64 {
        self.round_up(self.unbounded(rtt))
    }

    /// Returns the number of tasks that a worker with that round trip should hold when `queued` tasks wait for `workers` workers. At
    /// least 1.
    pub(super) fn prefetch(&self, queued: u64, workers: u64, rtt: Duration) -> u64 {
        // Less work than that stays with one worker: to hand it over takes longer than to do it.
        let min_shared = self.duration.avg.map_or(1, |avg| self.tuning.min_shared_nanos.div_ceil(avg.max(1)));
        let share = queued.div_ceil(workers.max(1)).max(min_shared.min(queued));
        self.round_up(self.unbounded(rtt).min(share).max(1))
    }

    /// Returns the number of held tasks, of `depth`, at which a worker is sent more, so that it need not wait for them.
    pub(super) fn refill_level(&self, depth: u64, rtt: Duration) -> u64 {
        if self.duration.avg.is_none() {
            return 0;
        }
        // Half of what it would hold here. The tasks of a round trip do not count, because it does not have them.
        let half = (self.prefetch_depth(Duration::ZERO) / 2).max(1);
        (half + self.during(rtt)).min(depth - half.min(depth.div_ceil(2)))
    }

    /// Returns the number of tasks that take a time, rounded up. 0 where none was measured.
    pub(super) fn during(&self, time: Duration) -> u64 {
        let count = self.duration.avg.map_or(0, |avg| time.as_nanos().div_ceil(u128::from(avg.max(1))));
        u64::try_from(count).unwrap_or(u64::MAX).min(MAX_TASKS_HELD)
    }

    /// Returns the number of tasks that a worker starts together when `queued` tasks wait for `workers` workers. Started tasks cannot be
    /// revoked, so it is no more than a worker's share, even where it holds more.
    pub(super) fn chunk_size(&self, queued: u64, workers: u64) -> u64 {
        let is_tiny = self.duration.avg.is_some_and(|avg| avg < self.tuning.tiny_task_nanos);
        let share = queued.div_ceil(workers.max(1));
        self.fixed.unwrap_or(if is_tiny { self.tuning.tiny_chunk_size.min(share).max(1) } else { 1 })
    }

    /// Returns the number of tasks that last for the prefetch time, however many wait.
    fn unbounded(&self, rtt: Duration) -> u64 {
        // The first task may take an hour, and a second one would wait behind it.
        let Some(avg) = self.duration.avg else { return 1 };
        let many = self.prefetch_time.as_nanos() / u128::from(avg.max(1));
        let SchedulerTuning { min_prefetch, max_prefetch, .. } = *self.tuning;
        u64::try_from(many).unwrap_or(max_prefetch).clamp(min_prefetch, max_prefetch) + self.during(rtt)
    }

    /// Rounds up to whole chunks, where the caller has fixed their size.
    fn round_up(&self, count: u64) -> u64 {
        self.fixed.map_or(count, |size| count.div_ceil(size).saturating_mul(size))
    }
}

impl DurationEstimate {
    /// Follows a measurement of `count` tasks that took `each` nanoseconds on average.
    fn record(&mut self, each: u64, count: u64) {
        let last = std::mem::replace(&mut self.last, each);
        let Some(avg) = self.avg else { return self.avg = Some(each) };
        let each = each.min(last.max(avg.saturating_mul(2)));
        // An eighth of the way for each of the first few tasks, and all the way for many.
        let weight = count.min(8);
        let slow = (avg / 8).saturating_mul(8 - weight).saturating_add((each / 8).saturating_mul(weight));
        // A longer task that was timed alone counts in full, because it may be the first of many.
        self.avg = Some(if count > 1 { slow } else { each.max(slow) });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::tuning::SCHEDULER_TUNING as TUNING;

    const HERE: Duration = Duration::ZERO;

    fn unmeasured() -> Chunking {
        Chunking::new(&JobOptions::default(), &TUNING)
    }

    fn measured(took: Duration) -> Chunking {
        let mut chunking = unmeasured();
        (0..200).for_each(|_| chunking.record(took, 1));
        chunking
    }

    #[test]
    fn unmeasured_tasks_go_one_by_one() {
        let chunking = unmeasured();
        let sizes =
            (chunking.prefetch(1_000_000, 2, HERE), chunking.refill_level(1, HERE), chunking.chunk_size(1_000_000, 2));
        assert_eq!(sizes, (1, 0, 1));
    }

    #[test]
    fn many_short_tasks_are_sent_ahead_and_few_long_ones() {
        assert_eq!(measured(Duration::from_micros(20)).prefetch(1_000_000, 2, HERE), 200);
        assert_eq!(measured(Duration::ZERO).prefetch(1_000_000, 2, HERE), TUNING.max_prefetch);
        assert_eq!(measured(Duration::from_secs(1)).prefetch(1_000_000, 2, HERE), TUNING.min_prefetch);
        let avg_duration = Some(Duration::from_micros(20));
        let of_all = JobOptions { avg_duration, collect_all: true, ..JobOptions::default() };
        assert_eq!(Chunking::new(&of_all, &TUNING).prefetch(1_000_000, 2, HERE), 600);
        assert_eq!(measured(Duration::from_nanos(20)).chunk_size(1000, 2), TUNING.tiny_chunk_size);
        assert_eq!(measured(Duration::from_micros(20)).chunk_size(1000, 2), 1);
    }

    #[test]
    fn a_far_worker_holds_the_work_of_a_round_trip_more() {
        let (chunking, far) = (measured(Duration::from_millis(1)), Duration::from_millis(40));
        assert_eq!((chunking.prefetch_depth(HERE), chunking.prefetch_depth(far)), (4, 44));
        assert_eq!((chunking.refill_level(4, HERE), chunking.refill_level(44, far)), (2, 42));
        assert_eq!((chunking.refill_level(2, HERE), chunking.refill_level(2, far)), (1, 1));
        assert_eq!(measured(Duration::from_nanos(1)).prefetch_depth(far), TUNING.max_prefetch + MAX_TASKS_HELD);
    }

    #[test]
    fn the_tuning_is_an_argument() {
        static PATIENT: SchedulerTuning = SchedulerTuning { prefetch_time: Duration::from_millis(8), ..TUNING };
        let mut chunking = Chunking::new(&JobOptions::default(), &PATIENT);
        (0..200).for_each(|_| chunking.record(Duration::from_micros(20), 1));
        assert_eq!(chunking.prefetch(1_000_000, 2, HERE), 400);
    }

    #[test]
    fn a_little_work_is_not_shared_and_can_be_revoked() {
        let tiny = measured(Duration::from_nanos(50));
        assert_eq!((tiny.prefetch(10, 4, HERE), tiny.chunk_size(10, 4)), (10, 3));
        assert_eq!((tiny.prefetch(1000, 4, HERE), tiny.chunk_size(1000, 4)), (250, TUNING.tiny_chunk_size));
        assert_eq!(measured(Duration::from_micros(20)).prefetch(10, 4, HERE), 3);
        assert_eq!(measured(Duration::ZERO).prefetch(0, 4, HERE), 1);
    }

    #[test]
    fn two_long_tasks_make_the_next_chunks_small_and_one_is_taken_for_an_accident() {
        let mut chunking = measured(Duration::from_micros(2));
        chunking.record(Duration::from_millis(50), 1);
        assert_eq!(chunking.prefetch(1_000_000, 2, HERE), 1000);
        chunking.record(Duration::from_millis(50), 1);
        assert_eq!(chunking.prefetch(1_000_000, 2, HERE), TUNING.min_prefetch);
        (0..20).for_each(|_| chunking.record(Duration::from_micros(2), 10));
        assert!(chunking.prefetch(1_000_000, 2, HERE) > 100);
    }

    #[test]
    fn a_fixed_size_is_kept() {
        let fixed = JobOptions { chunk_size: NonZeroUsize::new(7), ..JobOptions::default() };
        let mut chunking = Chunking::new(&fixed, &TUNING);
        let sizes = (chunking.prefetch(3, 100, HERE), chunking.prefetch_depth(HERE), chunking.chunk_size(3, 100));
        assert_eq!(sizes, (7, 7, 7));
        chunking.record(Duration::from_micros(10), 100);
        assert_eq!((chunking.prefetch_depth(HERE), chunking.prefetch(14, 2, HERE)), (406, 7));
    }

    proptest! {
        #[test]
        fn no_worker_holds_more_than_its_share(
            durations in prop::collection::vec((0..10_000_000_u64, 1..50_u64), 0..50),
            queued in 0..100_000_u64,
            workers in 1..200_u64
        ) {
            let mut chunking = unmeasured();
            durations.iter().for_each(|&(nanos, count)| chunking.record(Duration::from_nanos(nanos), count));
            let size = chunking.prefetch(queued, workers, HERE);
            prop_assert!((1..=TUNING.max_prefetch).contains(&size));
            let work = chunking.avg_duration().map(|avg| avg.as_nanos() as u64 * (size - 1));
            let is_little = work.is_some_and(|work| work < TUNING.min_shared_nanos);
            prop_assert!(size == 1 || (size - 1) * workers < queued || is_little && size <= queued);
        }
    }
}
