//! [`JobFeed`]: feeds a job's input to the pool and takes its results, on the thread that asks for them.
//!
//! The input is read by no other thread, so it need not be `Send`, and an item is read only when a result was asked for. The
//! window says how far ahead of the results that may go.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::Fuse;
use std::marker::PhantomData;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::input_speed::InputSpeed;
use super::job_handle::JobHandle;
use super::job_spec::JobSpec;
use super::window::Window;
use crate::dispatcher::handoff::Shared;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::options::JobLifetime;
use crate::model::task_error::TaskError;
use crate::model::tuning::MAX_RESERVED_RESULTS;
use crate::wire::arguments::ArgumentBatch;
use crate::wire::results::ResultBatch;

/// One job's results and the rest of its input.
pub(crate) struct JobFeed<'pool, I: Iterator, R> {
    pool: PhantomData<&'pool Shared>,
    /// The job, or why no task can be sent.
    pub(super) job_handle: Result<JobHandle, FailureKind>,
    pub(super) input: Fuse<I>,
    pub(super) is_exhausted: bool,
    pub(super) input_speed: InputSpeed,
    /// The number of submitted tasks whose outcomes were not taken.
    pub(super) in_pool: u64,
    pub(super) window: Window,
    /// The number of given results at which the input is polled again.
    pub(super) next_refill_check: u64,
    /// Tasks that were read and not submitted. The items before its end were read.
    pub(super) batch: ArgumentBatch,
    pub(super) arrived: VecDeque<ResultBatch>,
    result: PhantomData<fn() -> R>,
}

/// The deadline has passed. Without one, it cannot.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// A result and the index of its item.
pub(crate) type Indexed<R> = (u64, Result<R, TaskError>);

impl<'pool, A, I, R> JobFeed<'pool, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    /// Begins the job. The input is read when a result is asked for.
    pub(crate) fn new(spec: JobSpec<'pool>, input: I) -> Self {
        let JobSpec { shared, workers, function, options } = spec;
        let job_handle = function.and_then(|function| JobHandle::open(shared, function, options));
        let is_known = job_handle.as_ref().is_ok_and(|handle| !handle.mailbox.avg_duration().is_zero());
        JobFeed {
            pool: PhantomData,
            window: Window::new(workers, options.read_ahead, is_known),
            job_handle,
            input_speed: InputSpeed::new(options.lifetime == JobLifetime::Stream, input.size_hint()),
            input: input.fuse(),
            is_exhausted: false,
            in_pool: 0,
            next_refill_check: 0,
            batch: ArgumentBatch::default(),
            arrived: VecDeque::new(),
            result: PhantomData,
        }
    }

    /// Returns the next result to arrive. `None` when there are no more.
    #[inline]
    pub(crate) fn next_any(&mut self, deadline: Option<Instant>) -> Result<Option<Indexed<R>>, Elapsed> {
        self.refill(deadline, |feed| feed.arrived.iter().any(|batch| batch.count() > 0));
        loop {
            if let Some(front) = self.arrived.front_mut() {
                if front.count() > 0 {
                    // Counted first, because decoding runs code of the user's, which may panic.
                    self.window.given += 1;
                    return Ok(front.next());
                }
                self.arrived.pop_front();
            }
            if self.arrived.is_empty() && !self.wait_for_results(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Returns all results in the order of the input, or the first failure to arrive.
    pub(crate) fn collect(mut self) -> Result<Vec<R>, TaskError> {
        let mut results = Vec::with_capacity(self.size_hint().0.min(MAX_RESERVED_RESULTS));
        // Batches that arrive before their turn stay encoded until then.
        let mut early = BTreeMap::new();
        while let Ok(Some(batch)) = self.next_batch(None) {
            // The rest is cancelled by the drop of the handle.
            if let Some(error) = batch.failure() {
                return Err(error);
            }
            // Given out on arrival, whatever its turn: this caller keeps all results, so the input may be read on.
            self.window.given += batch.count();
            early.insert(batch.first(), batch);
            while let Some(batch) = early.remove(&(results.len() as u64)) {
                batch.decode_into(&mut results)?;
            }
        }
        Ok(results)
    }

    /// Waits until a batch has arrived, and keeps the workers busy meanwhile. Returns `false` when none will.
    fn wait_for_results(&mut self, deadline: Option<Instant>) -> Result<bool, Elapsed> {
        // In a copy of the process no result will ever arrive.
        if self.job_handle.as_ref().is_ok_and(|handle| !handle.is_ours()) {
            self.fail_forked();
        }
        loop {
            self.fill(deadline);
            self.take_arrived();
            if !self.arrived.is_empty() {
                return Ok(true);
            }
            if self.is_finished() {
                return Ok(false);
            }
            // While there is more to read, the caller does not wait: workers without tasks bring no results.
            if !self.should_read(self.max_in_flight())
                && let Ok(handle) = &self.job_handle
                && !handle.wait(self.wake_threshold(), deadline)
                && deadline.is_some_and(|at| at <= Instant::now())
            {
                return Err(Elapsed);
            }
        }
    }

    /// Returns the next batch to arrive, encoded.
    pub(crate) fn next_batch(&mut self, deadline: Option<Instant>) -> Result<Option<ResultBatch>, Elapsed> {
        if self.arrived.is_empty() && !self.wait_for_results(deadline)? {
            return Ok(None);
        }
        Ok(self.arrived.pop_front())
    }

    /// Records that a result was given out.
    #[inline]
    pub(crate) fn count_given(&mut self) {
        self.window.given += 1;
    }

    /// Returns whether every item was read and every result given out.
    fn is_finished(&self) -> bool {
        self.is_exhausted && self.in_flight() == 0
    }

    /// Takes the outcomes that were delivered, and counts them out of the window.
    fn take_arrived(&mut self) {
        let before = self.arrived.len();
        if let Ok(handle) = &self.job_handle {
            handle.take(&mut self.arrived);
        }
        for batch in self.arrived.iter_mut().skip(before) {
            self.in_pool = self.in_pool.saturating_sub(batch.count());
            self.window.record(batch);
        }
    }

    /// Returns the number of results that are still to come, as the input knows it.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        let (min, max) = self.input.size_hint();
        (min.saturating_add(in_flight), max.and_then(|max| max.checked_add(in_flight)))
    }

    /// Returns the number of items that were read and whose results were not given out.
    pub(super) fn in_flight(&self) -> u64 {
        self.batch.end().saturating_sub(self.window.given)
    }

    /// Returns the number of tasks that may be in flight.
    pub(super) fn max_in_flight(&self) -> usize {
        self.window.max_in_flight(self.job_handle.as_ref().map_or(1, |handle| handle.mailbox.prefetch_depth()))
    }

    /// Returns the number of outcomes at which to be woken, where all results are wanted: enough to read on, or all of the rest.
    fn wake_threshold(&self) -> u64 {
        // At a third, because the other two thirds keep the workers busy until the caller has woken and read on.
        if self.is_exhausted { self.in_pool } else { self.in_pool / 3 }
    }

    /// Ends a job of the process that this one is a copy of: one error says so, and is the last result.
    #[cold]
    fn fail_forked(&mut self) {
        let (failure, next) = (FailureInfo::of(None, FailureKind::Forked), self.window.given);
        self.arrived.push_back(ResultBatch::error(next, 1, failure));
        self.job_handle = Err(FailureKind::Forked);
        // As if the input had ended with this error: one result is in flight, and none follows.
        (self.is_exhausted, self.in_pool, self.batch) = (true, 0, ArgumentBatch::new(next + 1));
    }
}

impl<I: Iterator, R> fmt::Debug for JobFeed<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JobFeed { batch, window, is_exhausted, .. } = self;
        f.debug_struct("JobFeed")
            .field("read", &batch.end())
            .field("given", &window.given)
            .field("is_exhausted", is_exhausted)
            .finish()
    }
}
