//! [`JobFeed`]: feeds a job's input to the pool and takes its results, on the thread that asks for them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::Fuse;
use std::marker::PhantomData;
use std::mem;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::input_speed::{InputSpeed, ReadPass};
use super::job_handle::JobHandle;
use super::job_spec::{JobSpec, unsendable};
use super::window::Window;
use crate::dispatcher::handoff::Shared;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::options::JobLifetime;
use crate::model::task_error::TaskError;
use crate::model::tuning::{
    FIRST_BATCH_TASKS, HEAVY_ARGUMENT_BYTES, MAX_BATCH_BYTES, MAX_BATCH_TASKS, MAX_BATCH_TIME, MAX_RESERVED_RESULTS,
    MAX_RESULTS_PER_REFILL_CHECK,
};
use crate::wire::arguments::ArgumentBatch;
use crate::wire::results::ResultBatch;

/// One job's results and the rest of its input.
pub(crate) struct JobFeed<'pool, I: Iterator, R> {
    pool: PhantomData<&'pool Shared>,
    /// The job, or why no task can be sent.
    job_handle: Result<JobHandle, FailureKind>,
    input: Fuse<I>,
    is_exhausted: bool,
    input_speed: InputSpeed,
    /// The number of submitted tasks whose outcomes were not taken.
    in_pool: u64,
    window: Window,
    /// The number of given results at which the input is polled again.
    next_refill_check: u64,
    /// Tasks that were read and not submitted. The items before its end were read.
    batch: ArgumentBatch,
    arrived: VecDeque<ResultBatch>,
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
            if let Some(error) = batch.failure() {
                return Err(error);
            }
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

    /// Reads on where enough results were given out since the last time. It may be called for each result. Where the input may
    /// block, a result that is there goes first.
    #[inline]
    pub(crate) fn refill(&mut self, deadline: Option<Instant>, has_result: impl FnOnce(&Self) -> bool) {
        if self.window.given >= self.next_refill_check && !(self.input_speed.may_block() && has_result(self)) {
            self.fill(deadline);
            // Deliveries to the mailbox may have changed the window meanwhile.
            let max = self.max_in_flight();
            let excess = self.in_flight().saturating_sub((max - max / 4) as u64);
            self.next_refill_check = self.window.given + (excess / 2).clamp(1, MAX_RESULTS_PER_REFILL_CHECK);
        }
    }

    /// Reads the input until the window is full.
    ///
    /// Where the input may block, each item is submitted before the next is read, and results that are there go first.
    fn fill(&mut self, deadline: Option<Instant>) {
        let max = self.max_in_flight();
        if !self.should_read(max) {
            // The batch is not empty if the input has panicked in the middle of a pass.
            return self.submit();
        }
        let mut pass = ReadPass::begin();
        while self.read_on(max, &mut pass, deadline) && !(pass.is_long() && self.has_results()) {}
        self.submit();
    }

    /// Reads some items. Returns whether to read on.
    fn read_on(&mut self, max: usize, pass: &mut ReadPass, deadline: Option<Instant>) -> bool {
        let may_block = self.input_speed.may_block();
        let free = self.window.free(self.in_flight(), max).min(if may_block { 1 } else { pass.stride });
        let before = self.window.bytes;
        if may_block && self.has_arrived() || free == 0 || !self.read_some(free) {
            return false;
        }
        let is_next = pass.is_next;
        self.input_speed.record(pass.read_clock(), self.window.bytes.saturating_sub(before), is_next);
        let may_block = self.input_speed.may_block();
        let is_full = self.batch.len() >= self.batch_size() || self.batch.weight() >= MAX_BATCH_BYTES;
        if is_full || may_block || pass.read_at - pass.submitted_at >= MAX_BATCH_TIME {
            self.submit();
            pass.submitted_at = pass.read_at;
        }
        if may_block {
            pass.restart(self.wait_before_item(deadline));
        }
        true
    }

    /// Waits for a result for a moment, if the next item may be long in coming. Returns whether it has waited.
    fn wait_before_item(&mut self, deadline: Option<Instant>) -> bool {
        let Ok(handle) = &self.job_handle else { return false };
        let Some(wait) = self.input_speed.result_wait(handle.mailbox.avg_duration()) else { return false };
        let begin = Instant::now();
        let until = begin + wait;
        handle.wait(1, Some(deadline.map_or(until, |deadline| deadline.min(until))));
        self.input_speed.count_wait(begin.elapsed());
        true
    }

    fn has_results(&self) -> bool {
        !self.arrived.is_empty() || self.job_handle.as_ref().is_ok_and(|handle| handle.mailbox.has_some())
    }

    /// Returns whether results are there, those in the rings included.
    fn has_arrived(&self) -> bool {
        self.has_results() || self.job_handle.as_ref().is_ok_and(JobHandle::has_arrived)
    }

    /// Returns the number of results that are still to come, as the input knows it.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        let (min, max) = self.input.size_hint();
        (min.saturating_add(in_flight), max.and_then(|max| max.checked_add(in_flight)))
    }

    /// Returns whether to read on. Refilling for a few slots is not worth the submit that follows.
    fn should_read(&self, max: usize) -> bool {
        !self.is_exhausted && self.window.free(self.in_flight(), max - max / 4) > 0
    }

    fn in_flight(&self) -> u64 {
        self.batch.end().saturating_sub(self.window.given)
    }

    /// Returns the number of tasks that may be in flight.
    fn max_in_flight(&self) -> usize {
        self.window.max_in_flight(self.job_handle.as_ref().map_or(1, |handle| handle.mailbox.prefetch_depth()))
    }

    /// Returns the number of tasks to submit together: few at first, so that workers have tasks while the input is read.
    fn batch_size(&self) -> usize {
        usize::try_from(self.batch.first).unwrap_or(usize::MAX).clamp(FIRST_BATCH_TASKS, MAX_BATCH_TASKS)
    }

    /// Returns the number of outcomes at which to be woken, where all results are wanted: enough to read on, or all of the rest.
    fn wake_threshold(&self) -> u64 {
        if self.is_exhausted { self.in_pool } else { self.in_pool / 3 }
    }

    /// Reads up to `count` items, or one that is heavy. Returns whether there may be more.
    #[inline]
    fn read_some(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(item) = self.input.next() else {
                self.is_exhausted = true;
                return false;
            };
            match self.batch.push(&item) {
                Ok(weight) => {
                    self.window.bytes = self.window.bytes.saturating_add(weight);
                    if weight >= HEAVY_ARGUMENT_BYTES {
                        break;
                    }
                }
                Err(error) => {
                    // The tasks of a batch have consecutive indices.
                    self.submit();
                    self.refuse_item(unsendable(error));
                }
            }
        }
        true
    }

    /// Ends a job of the process that this one is a copy of: one error says so, and is the last result.
    #[cold]
    fn fail_forked(&mut self) {
        let (failure, next) = (FailureInfo::of(None, FailureKind::Forked), self.window.given);
        self.arrived.push_back(ResultBatch::error(next, 1, failure));
        self.job_handle = Err(FailureKind::Forked);
        (self.is_exhausted, self.in_pool, self.batch) = (true, 0, ArgumentBatch::new(next + 1));
    }

    /// Submits the tasks that were read.
    fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let next = self.batch.next();
        let batch = mem::replace(&mut self.batch, next);
        match &self.job_handle {
            Ok(handle) => {
                self.in_pool += batch.len() as u64;
                handle.submit([batch]);
            }
            Err(kind) => {
                let (failure, count) = (FailureInfo::of(None, kind.clone()), batch.len() as u64);
                self.window.bytes = self.window.bytes.saturating_sub(batch.weight());
                self.arrived.push_back(ResultBatch::error(batch.first, count, failure));
            }
        }
    }

    /// Ends the item that was just read without submitting it.
    #[cold]
    fn refuse_item(&mut self, kind: FailureKind) {
        let index = self.batch.end();
        self.arrived.push_back(ResultBatch::error(index, 1, FailureInfo::of(None, kind)));
        self.batch = ArgumentBatch::new(index + 1);
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
