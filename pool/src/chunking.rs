//! How many tasks travel to a worker at once: a pure rule over measured durations.
//!
//! One task at a time costs a wake-up each, which for short tasks is more than the work. Many at a time leave workers idle
//! at the end of an uneven job. So a chunk holds about [`GOAL`] of work as far as the job has been measured, and never more
//! than a quarter of each worker's share of what is left.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How much work a chunk should hold.
const GOAL: Duration = Duration::from_millis(2);
/// The most tasks in a chunk, whatever they take: a chunk is written and read in one piece.
const MOST: usize = 512;
/// A chunk takes at most this part of a worker's share of what is left.
const PARTS: usize = 4;

/// The rule for one job.
#[derive(Clone, Debug)]
pub(crate) enum Chunking {
    /// By measured durations.
    Measured(Pace),
    /// As the caller has said.
    Fixed(NonZeroUsize),
}

/// What a task of a job takes, as far as seen.
///
/// It follows a longer task at once and shorter ones slowly: a chunk that is too small costs little, one that is too large
/// keeps a worker busy while others have nothing to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace(Option<u64>);

impl Chunking {
    /// A fixed size, or by measurement.
    pub(crate) fn new(fixed: Option<NonZeroUsize>) -> Chunking {
        fixed.map_or(Chunking::Measured(Pace::default()), Chunking::Fixed)
    }

    /// Learns from a task that ran for `took`.
    pub(crate) fn record(&mut self, took: Duration) {
        if let Chunking::Measured(pace) = self {
            pace.record(took);
        }
    }

    /// The size of a chunk where there is no end in sight.
    pub(crate) fn goal(&self) -> usize {
        match self {
            Chunking::Measured(pace) => pace.goal(),
            Chunking::Fixed(size) => size.get(),
        }
    }

    /// The size of the next chunk when `queued` tasks wait for `workers` workers. At least 1.
    pub(crate) fn size(&self, queued: usize, workers: usize) -> usize {
        match self {
            Chunking::Measured(pace) => pace.goal().min(queued.div_ceil(PARTS * workers.max(1))).max(1),
            Chunking::Fixed(size) => size.get(),
        }
    }

    /// With how many tasks still to do a worker may be sent its next chunk, so that it need not wait for one.
    ///
    /// Long tasks are never sent ahead: one of them would have to wait for the one before it, even beside an idle worker.
    pub(crate) fn ahead(&self) -> usize {
        match self {
            Chunking::Measured(pace) => pace.goal() / 2,
            Chunking::Fixed(_) => 0,
        }
    }
}

impl Pace {
    fn record(&mut self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let usual = self.0.map_or(took, |usual| took.max(usual - usual / 8 + took / 8));
        self.0 = Some(usual);
    }

    fn goal(self) -> usize {
        let Some(usual) = self.0 else { return 1 };
        let many = GOAL.as_nanos() / u128::from(usual.max(1));
        usize::try_from(many).unwrap_or(MOST).clamp(1, MOST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured(took: Duration) -> Chunking {
        let mut chunking = Chunking::new(None);
        (0..200).for_each(|_| chunking.record(took));
        chunking
    }

    #[test]
    fn what_was_never_measured_goes_one_by_one() {
        assert_eq!(Chunking::new(None).size(1_000_000, 2), 1);
        assert_eq!(Chunking::new(None).ahead(), 0);
    }

    #[test]
    fn short_tasks_go_together_and_long_ones_alone() {
        assert_eq!(measured(Duration::from_micros(20)).size(1_000_000, 2), 100);
        assert_eq!(measured(Duration::ZERO).size(1_000_000, 2), MOST);
        assert_eq!(measured(Duration::from_secs(1)).size(1_000_000, 2), 1);
        assert_eq!(measured(Duration::from_secs(1)).ahead(), 0);
    }

    #[test]
    fn one_long_task_makes_the_next_chunks_small() {
        let mut chunking = measured(Duration::from_micros(2));
        chunking.record(Duration::from_millis(50));
        assert_eq!(chunking.size(1_000_000, 2), 1);
        (0..200).for_each(|_| chunking.record(Duration::from_micros(2)));
        assert!(chunking.size(1_000_000, 2) > 100);
    }

    #[test]
    fn a_fixed_size_is_kept() {
        let chunking = Chunking::new(NonZeroUsize::new(7));
        assert_eq!((chunking.size(3, 100), chunking.goal(), chunking.ahead()), (7, 7, 0));
    }

    proptest! {
        #[test]
        fn no_chunk_takes_more_than_its_part_of_the_rest(
            durations in prop::collection::vec(0..10_000_000_u64, 0..50), queued in 0..100_000_usize, workers in 1..200_usize
        ) {
            let mut chunking = Chunking::new(None);
            durations.iter().for_each(|&nanos| chunking.record(Duration::from_nanos(nanos)));
            let size = chunking.size(queued, workers);
            prop_assert!((1..=MOST).contains(&size));
            prop_assert!(size == 1 || (size - 1) * PARTS * workers < queued);
        }
    }
}
