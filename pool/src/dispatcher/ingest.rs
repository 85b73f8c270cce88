//! The dispatcher handles what workers have written: reports on their control links, and outcomes in their rings.
//!
//! A worker's word is checked before it counts. Results belong to the tasks that the scheduler has it hold, in their order, and
//! a worker that sends more is killed. What is incomplete stays in `inbound` until the rest has come.
//!
//! Each outcome takes two steps: it is left in its job's buffers as pending, and the scheduler's action then ends the task with
//! it or drops it for another attempt. The action is executed before the next outcome is read, so one place for each job is
//! enough.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use procession_core::os::clock;
use procession_core::{Buffer, codec};

use super::Dispatcher;
use super::job_buffers::PendingOutcome;
use crate::local::worker_handle::WorkerHandle;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::ids::WorkerId;
use crate::model::init_failure::InitFailure;
use crate::model::pool_error::PoolErrorKind;
use crate::scheduler::event::Event;
use crate::wire::channel::WorkerChannel;
use crate::wire::item::{self, Item, ItemKind, ResultExtent};
use crate::wire::messages::{Report, RunError};
use crate::wire::results::{RawResults, ResultBatch};

impl Dispatcher {
    /// Handles all reports that a worker has sent.
    pub(super) fn poll_control(&mut self, id: WorkerId) {
        let Some(handle) = self.workers.get_mut(id) else { return };
        handle.flush_link();
        while let Some(report) = self.workers.get_mut(id).and_then(WorkerHandle::recv) {
            self.handle_report(id, report);
        }
        self.workers.with(id, WorkerHandle::flush_ring);
    }

    /// Handles one report from a control link.
    fn handle_report(&mut self, worker: WorkerId, report: Report) {
        match report {
            Report::Notify => self.workers.notified_at = Some(clock::monotonic()),
            Report::Descriptors(message) => {
                if let Some(handle) = self.workers.get_mut(worker) {
                    handle.descriptors.push_back(message.into_parts().1);
                }
            }
            Report::Ready => self.worker_ready(worker),
            Report::Finalized => self.workers.set_finalized(worker),
            Report::ExitStepFailed(failure) => self.worker_exit_step_failed(worker, failure),
            Report::InitFailed(failure) => self.worker_init_failed(worker, failure),
        }
    }

    /// Handles that a worker is ready.
    pub(super) fn worker_ready(&mut self, worker: WorkerId) {
        self.workers.set_reported(worker);
        self.status.set_ready();
        self.driver.emit(Event::Ready { worker });
    }

    /// Handles that a worker could not prepare itself.
    pub(super) fn worker_init_failed(&mut self, worker: WorkerId, failure: InitFailure) {
        let name = self.workers.set_reported(worker);
        // Before the event: where that breaks the pool, this is the reason that callers see.
        self.workers.failure = Some(PoolErrorKind::Initializer { worker: name, failure }.into());
        self.driver.emit(Event::InitFailed { worker });
    }

    /// Handles that the finalizer of a worker has failed, or the drop of its state.
    pub(super) fn worker_exit_step_failed(&mut self, worker: WorkerId, failure: InitFailure) {
        self.workers.set_finalized(worker);
        let name = self.workers.set_reported(worker);
        self.exit_step_failed(name, failure);
    }

    /// Handles everything that was read from the rings.
    pub(super) fn ingest_all(&mut self) {
        if !self.workers.remote.is_empty() {
            self.ingest_hosts();
        }
        for worker in self.workers.exceeding_memory(self.driver.now) {
            self.driver.emit(Event::MemoryExceeded { worker });
        }
        self.workers.ids_where(|handle| !handle.inbound.is_empty()).into_iter().for_each(|id| self.ingest(id));
    }

    /// Handles what was read from one worker's ring.
    pub(super) fn ingest(&mut self, id: WorkerId) {
        let Some(inbound) = self.workers.inbound(id) else { return };
        let (mut bytes, mut offset) = (mem::take(inbound), 0);
        while offset < bytes.len() {
            // The results of one chunk at a time, because the next one may be of another job.
            // Results of a worker that holds no tasks are read as well, and the scheduler kills it for them.
            let max = self.driver.scheduler.front(id).map_or(u64::MAX, |tasks| tasks.count);
            let extent = item::results(&bytes[offset..], max);
            if extent.count > 0 {
                if !self.has_descriptors(id, extent.with_descriptors) {
                    break;
                }
                let (bytes, offset) = split_results(&mut bytes, &mut offset, extent.len);
                self.ingest_results(id, bytes, offset, &extent);
                continue;
            }
            // An incomplete item waits for the rest of its bytes.
            let Some(Item { kind, body, len }) = item::read(&bytes[offset..]) else { break };
            offset += len;
            if kind == ItemKind::Time {
                let (count, nanos) = item::read_time(body);
                self.driver.emit(Event::Timed { worker: id, count, took: Duration::from_nanos(nanos) });
            } else {
                self.ingest_failure(id, body);
            }
        }
        if let Some(inbound) = self.workers.inbound(id) {
            // What is incomplete, or waits for descriptors, stays in front of what comes next.
            bytes.drain(..offset);
            *inbound = bytes;
        }
    }

    /// Returns whether the descriptors of the next results are here.
    fn has_descriptors(&mut self, id: WorkerId, count: usize) -> bool {
        let is_missing =
            |dispatcher: &Dispatcher| dispatcher.workers.get(id).is_some_and(|handle| handle.descriptors.len() < count);
        if is_missing(self) {
            // They were sent before the results, so they can be received now.
            self.poll_control(id);
        }
        !is_missing(self)
    }

    /// Keeps results until the scheduler has decided about them, which it does at once.
    fn ingest_results(&mut self, id: WorkerId, bytes: Vec<u8>, offset: usize, extent: &ResultExtent) {
        // A worker on another host sends neither descriptors nor buffers.
        let mut handle = self.workers.get_mut(id);
        let descriptors = handle.as_mut().map(|handle| handle.descriptors.drain(..extent.with_descriptors).collect());
        if let Some(tasks) = self.driver.scheduler.front(id)
            && let Some(buffers) = self.jobs.get_mut(tasks.job)
        {
            let results = &bytes[offset..offset + extent.len];
            let opened = match handle {
                Some(handle) if extent.in_buffers > 0 => open_buffers(&handle.channel, results),
                _ => VecDeque::new(),
            };
            let Some(worker) = self.workers.info(id) else { return };
            let descriptors = descriptors.unwrap_or_default();
            let raw = RawResults { bytes, offset, descriptors, buffers: opened, worker };
            let results = ResultBatch::values(tasks.first, extent.count, raw);
            buffers.set_pending(Some(PendingOutcome::Results(results)));
        }
        self.driver.emit(Event::Completed { worker: id, count: extent.count });
        // At once: the pending outcome is taken by the action that follows.
        self.execute_all();
    }

    /// Keeps the failure of a worker's next task until the scheduler has decided whether that is tried again, at once.
    #[cold]
    fn ingest_failure(&mut self, id: WorkerId, body: &[u8]) {
        let info = self.workers.info(id);
        // A panic may have had a cause that passes. What cannot be encoded or decoded now cannot be the next time either.
        let (kind, may_repeat) = match codec::decode_from::<RunError>(body, Vec::new()) {
            Ok(RunError::Panicked(panic)) => (FailureKind::Panicked(panic), true),
            Ok(RunError::BadArgument(text)) => (FailureKind::BadArgument(text), false),
            Ok(RunError::BadResult(text)) => (FailureKind::BadResult(text), false),
            Err(error) => (FailureKind::Unreadable(error.to_string()), false),
        };
        if let Some(buffers) = self.driver.scheduler.front(id).and_then(|tasks| self.jobs.get_mut(tasks.job)) {
            buffers.set_pending(Some(PendingOutcome::Failure(FailureInfo::of(info, kind))));
        }
        self.driver.emit(Event::Failed { worker: id, may_repeat });
        self.execute_all();
    }

    /// Sends the start times of running tasks that have a timeout.
    pub(super) fn report_running_since(&mut self) {
        for worker in self.driver.scheduler.needs_start_time() {
            let load = self.driver.scheduler.front_and_load(worker).map_or(0, |(_, load)| load);
            if let Some(since) = self.workers.running_since(worker, load) {
                self.driver.emit(Event::Running { worker, since });
            }
        }
    }
}

/// Splits the next `len` bytes off for results: the buffer itself where they are most of it, so that they are not copied, or else
/// a copy. Returns the bytes and the offset of the results in them.
fn split_results(bytes: &mut Vec<u8>, offset: &mut usize, len: usize) -> (Vec<u8>, usize) {
    let end = *offset + len;
    if 2 * len < bytes.len() {
        let begin = mem::replace(offset, end);
        return (bytes[begin..end].to_vec(), 0);
    }
    let rest = bytes.split_off(end);
    (mem::replace(bytes, rest), mem::take(offset))
}

/// Opens the buffers of some results.
#[cold]
fn open_buffers(channel: &WorkerChannel, mut bytes: &[u8]) -> VecDeque<Option<Buffer>> {
    let mut opened = VecDeque::new();
    while let Some(item) = item::read(bytes) {
        if item.kind == ItemKind::InBuffer {
            opened.push_back(channel.open_buffer(&item));
        }
        bytes = &bytes[item.len..];
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_are_most_of_the_buffer_take_it_along() {
        let (mut bytes, mut offset) = ((0..100).collect::<Vec<u8>>(), 10);
        let (results, begin) = split_results(&mut bytes, &mut offset, 60);
        assert_eq!((results.len(), begin, &results[10..12]), (70, 10, &[10, 11][..]));
        assert_eq!((bytes[0], bytes.len(), offset), (70, 30, 0));
        let (results, begin) = split_results(&mut bytes, &mut offset, 5);
        assert_eq!((results, begin, offset, bytes.len()), (vec![70, 71, 72, 73, 74], 0, 5, 30));
    }
}
