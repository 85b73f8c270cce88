//! How a [`JobFeed`] reads its input: as far ahead as its window allows, and with care where the input may block.
//!
//! Tasks that were read are gathered in a batch, because each submission takes the pool's lock. A batch is submitted when it is
//! full by number or by weight, when reading has taken long, or at once where the next item may be long in coming.

use std::mem;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::feed::JobFeed;
use super::input_speed::ReadPass;
use super::job_handle::JobHandle;
use super::job_spec::unsendable;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::tuning::{
    FIRST_BATCH_TASKS, HEAVY_ARGUMENT_BYTES, MAX_BATCH_BYTES, MAX_BATCH_TASKS, MAX_BATCH_TIME,
    MAX_RESULTS_PER_REFILL_CHECK,
};
use crate::wire::arguments::ArgumentBatch;
use crate::wire::results::ResultBatch;

impl<A, I, R> JobFeed<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
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
    pub(super) fn fill(&mut self, deadline: Option<Instant>) {
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
        // Of the items that were just read: `read_clock` sets it for the next ones.
        let is_next = pass.is_next;
        self.input_speed.record(pass.read_clock(), self.window.bytes.saturating_sub(before), is_next);
        let may_block = self.input_speed.may_block();
        let is_full = self.batch.len() >= self.batch_size() || self.batch.weight() >= MAX_BATCH_BYTES;
        // Also where the input may block: the item is run while the next one is awaited.
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

    /// Returns whether results are there, those in the rings left out.
    fn has_results(&self) -> bool {
        !self.arrived.is_empty() || self.job_handle.as_ref().is_ok_and(|handle| handle.mailbox.has_some())
    }

    /// Returns whether results are there, those in the rings included.
    fn has_arrived(&self) -> bool {
        self.has_results() || self.job_handle.as_ref().is_ok_and(JobHandle::has_arrived)
    }

    /// Returns whether to read on. Refilling for a few slots is not worth the submit that follows.
    pub(super) fn should_read(&self, max: usize) -> bool {
        !self.is_exhausted && self.window.free(self.in_flight(), max - max / 4) > 0
    }

    /// Returns the number of tasks to submit together: few at first, so that workers have tasks while the input is read.
    fn batch_size(&self) -> usize {
        usize::try_from(self.batch.first).unwrap_or(usize::MAX).clamp(FIRST_BATCH_TASKS, MAX_BATCH_TASKS)
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
                    // Such an item may fill the window alone, so the window is looked at again.
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
