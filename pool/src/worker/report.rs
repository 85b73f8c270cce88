//! How a worker publishes the outcomes of its tasks and notifies the pool.
//!
//! A result is published as soon as its task has returned. A notification is not: it costs the pool more than a short task, so
//! it is held back while this worker has more to run. It is not held back for a failure, or before the worker sleeps.

use std::sync::atomic::Ordering;
use std::time::Duration;

use procession_core::codec::{self, Handles, Message};
use procession_core::os::clock;
use procession_core::{LinkError, Ring};

use super::{Worker, spin};
use crate::model::tuning::{BUFFER_THRESHOLD, MAX_KEPT_SCRATCH, MAX_UNREPORTED_TASKS, MAX_UNREPORTED_TIME};
use crate::wire::channel::{Doorbell, set_flag, take_flag};
use crate::wire::claim::Claim;
use crate::wire::item::{self, ItemHead, ItemKind, MAX_HEAD_LEN};
use crate::wire::messages::{Report, RunError};

impl Worker {
    /// Reports the outcome of a task, whose result lies in the scratch buffer.
    #[inline]
    pub(super) fn report(&mut self, outcome: Result<(), Box<RunError>>) -> Result<(), LinkError> {
        // A result goes one way: with descriptors it stays in the ring, however large it is.
        match outcome {
            Ok(()) if !self.descriptors.is_empty() => self.report_with_descriptors(),
            Ok(()) if self.scratch.len() >= BUFFER_THRESHOLD => self.report_in_buffer(),
            Ok(()) => self.publish(ItemKind::Value),
            Err(error) => self.report_error(&error),
        }
    }

    /// Puts a large result into a buffer. One for which there is no buffer goes through the ring in pieces.
    #[cold]
    fn report_in_buffer(&mut self) -> Result<(), LinkError> {
        let Ok(handle) = self.result_buffers.publish(&self.scratch[MAX_HEAD_LEN..]) else {
            return self.publish(ItemKind::Value);
        };
        self.scratch.truncate(MAX_HEAD_LEN);
        if self.scratch.capacity() > MAX_KEPT_SCRATCH {
            self.scratch.shrink_to(BUFFER_THRESHOLD);
        }
        // Cannot fail: a handle is two numbers.
        let _numbers = codec::append(&handle, &mut self.scratch);
        self.publish(ItemKind::InBuffer)
    }

    /// Publishes a result whose descriptors go along the control link. They belong to the next item that announces some.
    #[cold]
    fn report_with_descriptors(&mut self) -> Result<(), LinkError> {
        let descriptors = std::mem::take(&mut self.descriptors);
        // Before the item, because the pool receives them when it reads that.
        match self.control.send(&Report::Descriptors(Message::new(Vec::new(), descriptors))) {
            Ok(()) => self.publish(ItemKind::WithDescriptors),
            Err(LinkError::Disconnected) => Err(LinkError::Disconnected),
            Err(error) => self.report_error(&RunError::BadResult(error.to_string())),
        }
    }

    /// Publishes a failure in place of a result. Descriptors of the argument are closed.
    #[cold]
    fn report_error(&mut self, error: &RunError) -> Result<(), LinkError> {
        // The caller may wait for the first error alone, so this notification is not delayed.
        self.last_notify = Duration::ZERO;
        self.descriptors = Handles::new();
        self.scratch.clear();
        self.scratch.extend_from_slice(&[0; MAX_HEAD_LEN]);
        // Cannot fail: an error is made of text.
        let _text = codec::append(error, &mut self.scratch);
        self.publish(ItemKind::Failure)
    }

    /// Publishes the scratch buffer, whose first bytes are reserved for the head.
    #[inline]
    fn publish(&mut self, kind: ItemKind) -> Result<(), LinkError> {
        let head = ItemHead::new(kind, self.scratch.len() - MAX_HEAD_LEN);
        // Right before the body, so that both are written at once.
        let begin = MAX_HEAD_LEN - head.bytes().len();
        self.scratch[begin..MAX_HEAD_LEN].copy_from_slice(head.bytes());
        let written = begin + self.rings.result_ring.write(&self.scratch[begin..]);
        self.rings.result_ring.publish();
        if written == self.scratch.len() { Ok(()) } else { self.publish_rest(written) }
    }

    /// Publishes the rest as the pool makes space for it.
    #[cold]
    fn publish_rest(&mut self, mut written: usize) -> Result<(), LinkError> {
        while written < self.scratch.len() {
            self.wait_for_space()?;
            written += self.rings.result_ring.write(&self.scratch[written..]);
            self.rings.result_ring.publish();
        }
        Ok(())
    }

    /// Waits until the result ring has space. An error means that there will be none.
    fn wait_for_space(&mut self) -> Result<(), LinkError> {
        // A pool that sleeps makes no space.
        self.notify_if_asleep(Duration::ZERO)?;
        let ring = &mut self.rings.result_ring;
        if self.may_spin && spin(|| ring.free() > 0) {
            return Ok(());
        }
        set_flag(self.rings.worker_wants_space());
        // Pairs with the fence in `WorkerChannel::take_worker_wants_space`: either the pool sees the flag, or this side the space.
        Ring::full_fence();
        if self.rings.result_ring.free() == 0 {
            self.recv_and_handle()?;
            // A worker that is asked to leave has no task that a caller waits for, so the rest of the result is given up.
            if self.is_leaving {
                return Err(LinkError::Disconnected);
            }
        }
        take_flag(self.rings.worker_wants_space());
        Ok(())
    }

    /// Reports how long tasks took, after many of them or when there is nothing more to run.
    pub(super) fn report_durations(&mut self) {
        let (count, time) = self.clock.unreported;
        let is_due = count >= MAX_UNREPORTED_TASKS || time >= MAX_UNREPORTED_TIME || self.tasks.is_empty();
        // It is no loss if there is no space: the next report contains these tasks.
        if count == 0 || !is_due || self.rings.result_ring.free() < MAX_HEAD_LEN {
            return;
        }
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.rings.result_ring.write(&item::time(count, nanos));
        self.rings.result_ring.publish();
        self.clock.unreported = (0, Duration::ZERO);
    }

    /// Wakes the pool if it sleeps. While there is more to do, at least `interval` passes between two notifications, and more if
    /// the pool's doorbell is lazy. A delayed one is made up for after the next task, or before this worker sleeps.
    #[inline]
    pub(super) fn notify_if_asleep(&mut self, interval: Duration) -> Result<(), LinkError> {
        // Pairs with the fence in `Workers::arm`; see `Doorbell`.
        Ring::full_fence();
        let doorbell = self.rings.pool_doorbell();
        // Relaxed: the fence has ordered it behind the result.
        let armed = doorbell.load(Ordering::Relaxed);
        if armed == 0 {
            return Ok(());
        }
        let is_lazy = armed == Doorbell::Lazy as u64 && !interval.is_zero();
        let left = || Claim::read(self.rings.claim()).open();
        let interval = if is_lazy { self.clock.lazy_notify_interval(left()) } else { interval };
        let now = clock::monotonic();
        let has_more = !self.tasks.is_empty() || !self.rings.task_ring.is_empty();
        let is_delayed = has_more && now.saturating_sub(self.last_notify) < interval;
        // The swap pairs with the store in `WorkerChannel::arm`: one notification for each time that the pool has armed.
        if is_delayed || doorbell.swap(0, Ordering::SeqCst) == 0 {
            return Ok(());
        }
        self.last_notify = now;
        self.control.send(&Report::Notify)
    }
}
