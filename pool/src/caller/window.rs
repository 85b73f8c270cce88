//! [`Window`]: how many tasks of a job may be in flight, by their number and by their weight.
//!
//! It is the least of several limits: what the workers hold together, the results that the caller has taken, a fixed number,
//! the caller's own limit, and the memory of arguments and results. Each worker may have one task whatever that weighs.

use std::num::NonZeroUsize;

use crate::model::tuning::{
    CHUNKS_PER_WORKER, KNOWN_FUNCTION_CREDIT, MAX_BYTES_IN_FLIGHT, MAX_TASKS_IN_FLIGHT, MIN_TASKS_PER_WORKER,
    WARM_BYTES_PER_WORKER,
};
use crate::wire::results::ResultBatch;

/// The limits on the tasks in flight: read from the input, and their results not given out.
#[derive(Debug)]
pub(super) struct Window {
    workers: usize,
    /// The caller's limit.
    read_ahead: usize,
    /// Counts as given out where the function's duration is known from earlier jobs.
    initial_credit: u64,
    /// The number of results that were given out.
    pub(super) given: u64,
    /// The weight of the arguments in flight, in bytes.
    pub(super) bytes: usize,
    /// The weight of a result. It follows heavier results at once and lighter ones slowly.
    result_bytes: usize,
}

impl Window {
    /// Returns an empty window for a job on `workers` workers. `is_known` means that its function's duration was measured before.
    pub(super) fn new(workers: usize, read_ahead: Option<NonZeroUsize>, is_known: bool) -> Window {
        Window {
            workers,
            read_ahead: read_ahead.map_or(usize::MAX, NonZeroUsize::get),
            initial_credit: if is_known { KNOWN_FUNCTION_CREDIT } else { 0 },
            given: 0,
            bytes: 0,
            result_bytes: 0,
        }
    }

    /// Records the weight of outcomes that have arrived.
    pub(super) fn record(&mut self, batch: &mut ResultBatch) {
        self.bytes = self.bytes.saturating_sub(batch.take_weight());
        let weight = batch.result_weight() / usize::try_from(batch.count()).unwrap_or(usize::MAX).max(1);
        self.result_bytes = weight.max(self.result_bytes - self.result_bytes / 8);
    }

    /// Returns the number of tasks that may be in flight, where each worker is sent `depth` ahead: few at first, and more as results are
    /// given out.
    pub(super) fn max_in_flight(&self, depth: usize) -> usize {
        let min = self.workers.saturating_mul(CHUNKS_PER_WORKER);
        let credit = usize::try_from(self.given.max(self.initial_credit)).unwrap_or(usize::MAX);
        // The window grows by one with each result, so a caller that takes none does not fill the memory.
        min.saturating_mul(depth).min(min.saturating_add(credit)).min(MAX_TASKS_IN_FLIGHT.max(min)).min(self.read_ahead)
    }

    /// Returns the number of tasks that may be added to those in flight. One of them may be heavy.
    pub(super) fn free(&self, in_flight: u64, max_in_flight: usize) -> usize {
        let in_flight = usize::try_from(in_flight).unwrap_or(usize::MAX);
        // Results weigh on the pool from when their tasks are submitted, because they may all arrive at once.
        let bytes = self.bytes.saturating_add(in_flight.saturating_mul(self.result_bytes));
        let within = |limit: usize| limit.saturating_sub(bytes).div_ceil(self.result_bytes.max(1));
        let per_worker = |count: usize| self.workers.saturating_mul(count).saturating_sub(in_flight);
        let warm = within(self.workers.saturating_mul(WARM_BYTES_PER_WORKER).min(MAX_BYTES_IN_FLIGHT));
        let heavy = within(MAX_BYTES_IN_FLIGHT).min(per_worker(MIN_TASKS_PER_WORKER));
        // Each worker has one task, whatever it weighs.
        max_in_flight.saturating_sub(in_flight).min(warm.max(heavy).max(per_worker(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_with_the_results_and_within_the_caller_s_limit() {
        let mut window = Window::new(2, None, false);
        assert_eq!((window.max_in_flight(1), window.max_in_flight(100)), (6, 6));
        window.given = 10;
        assert_eq!((window.max_in_flight(1), window.max_in_flight(100)), (6, 16));
        window.given = u64::MAX;
        assert_eq!(window.max_in_flight(usize::MAX), MAX_TASKS_IN_FLIGHT);
        assert_eq!(Window::new(2, NonZeroUsize::new(1), true).max_in_flight(100), 1);
    }

    #[test]
    fn heavy_tasks_leave_one_for_each_worker() {
        let mut window = Window::new(2, None, false);
        assert_eq!(window.free(1, 10), 9);
        window.bytes = 2 * MAX_BYTES_IN_FLIGHT;
        assert_eq!((window.free(0, 10), window.free(1, 10), window.free(2, 10)), (2, 1, 0));
    }
}
