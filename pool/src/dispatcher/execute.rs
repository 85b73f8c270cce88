//! The dispatcher executes the actions of the scheduler.
//!
//! An action that fails, and a revoke, which has an outcome, send the scheduler an event. It is decided in the same round.

use procession_core::LinkError;

use super::Dispatcher;
use super::job_buffers::PendingOutcome;
use crate::local::worker_handle::WorkerHandle;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::ids::{TaskId, TaskRange, WorkerId};
use crate::model::pool_error::PoolErrorKind;
use crate::scheduler::event::{Action, Event, Outcome, Refusal};
use crate::wire::host_messages::HostOrder;

impl Dispatcher {
    /// Executes an action. What fails becomes an event, about which the scheduler decides in the same round.
    pub(super) fn execute(&mut self, action: Action) {
        match action {
            Action::Start { worker } => self.start(worker),
            Action::Send { worker, tasks, chunk_size } => self.send(worker, tasks, chunk_size),
            // Workers of this host have credit for all that is in their rings.
            Action::Grant { .. } => {}
            Action::Revoke { worker, count } => self.revoke(worker, count),
            Action::Finish { tasks, outcome } => self.finish(tasks, outcome),
            Action::Retry { task } => self.retry(task),
            Action::Leave { worker } => self.order(worker, WorkerHandle::leave, HostOrder::Leave { worker: worker.0 }),
            Action::Terminate { worker } => {
                self.order(worker, |handle| handle.child().terminate(), HostOrder::Terminate { worker: worker.0 });
            }
            Action::Kill { worker } => self.kill(worker),
            Action::KillLate { worker } => self.kill_late(worker),
            Action::Break => self.set_broken(),
            Action::End => self.driver.has_ended = true,
        }
    }

    /// Gives a worker an order, in the one way or the other.
    fn order(&mut self, id: WorkerId, local: impl FnOnce(&mut WorkerHandle), remote: HostOrder) {
        if self.workers.get(id).is_some() {
            self.workers.with(id, local);
        } else if !self.workers.remote.order(id, remote) {
            self.driver.emit_again(Event::Exited { worker: id });
        }
    }

    fn kill(&mut self, worker: WorkerId) {
        self.order(worker, |handle| handle.child().kill(), HostOrder::Kill { worker: worker.0 });
    }

    /// Starts a process. One that cannot be started is to the scheduler a worker that died at once.
    fn start(&mut self, worker: WorkerId) {
        if !self.workers.spawn(worker, self.driver.now) {
            self.driver.emit_again(Event::StartFailed { worker });
        }
    }

    fn send(&mut self, worker: WorkerId, tasks: TaskRange, chunk_size: u64) {
        // A worker that has ended meanwhile, or a job that was closed, is handled by events that are under way.
        let Some(buffers) = self.jobs.get(tasks.job) else { return };
        let Some((batch, items)) = buffers.arguments(tasks) else { return };
        let (chunk, functions) = ((buffers.function, chunk_size), &self.jobs.functions);
        let sent = match self.workers.get_mut(worker) {
            Some(handle) => handle.send(chunk, functions, batch, items),
            None => self.workers.remote.send(worker, chunk, functions, batch, items),
        };
        if let Err(error) = sent {
            self.not_sent(worker, tasks, &error);
        }
    }

    /// Ends tasks that could not be sent, and gives up a link that may have sent a part of a message.
    #[cold]
    fn not_sent(&mut self, worker: WorkerId, tasks: TaskRange, error: &LinkError) {
        if let Some(buffers) = self.jobs.get_mut(tasks.job) {
            let failure = FailureInfo::of(None, FailureKind::Unsendable(error.to_string()));
            buffers.set_pending(Some(PendingOutcome::Failure(failure)));
        }
        if !matches!(error, LinkError::Unsendable(_) | LinkError::TooManyDescriptors { .. } | LinkError::Refused(_)) {
            // A part of the message may be on its way, so the link cannot be used any more.
            self.workers.with(worker, |handle| handle.fail_link(error));
        }
        self.driver.emit_again(Event::Unsendable { worker, count: tasks.count });
        // The outcome is pending in the buffers, so it must be taken before the next one replaces it.
        self.execute_all();
    }

    /// Revokes tasks, and reports at once how many. A worker that is stopped or has ended does not delay that. On another host, the
    /// answer comes later.
    fn revoke(&mut self, worker: WorkerId, count: u64) {
        let Some(handle) = self.workers.get_mut(worker) else {
            if let Some(unstarted) = self.workers.remote.revoke(worker, count) {
                self.driver.emit_again(Event::Revoked { worker, count: 0, unstarted });
            }
            return;
        };
        let count = handle.revoke(count);
        // Read after the revoke: what is left was not asked for, or could not be revoked behind a full ring.
        let unstarted = handle.channel.in_transit();
        self.driver.emit_again(Event::Revoked { worker, count, unstarted });
    }

    /// Revokes all unstarted tasks of those workers that are on this host, so that the rest is known to have started. That needs nothing
    /// of a worker that has ended or is stopped.
    pub(super) fn revoke_unstarted(&mut self, workers: Vec<WorkerId>) {
        for worker in workers {
            // On another host the answer would come after the outcome that it is for.
            if self.workers.get(worker).is_some() {
                self.revoke(worker, u64::MAX);
            }
        }
    }

    /// Drops the failure of a task that is tried again.
    fn retry(&mut self, task: TaskId) {
        self.status.counts.retried();
        if let Some(buffers) = self.jobs.get_mut(task.job) {
            buffers.set_pending(None);
        }
        self.driver.must_decide_again = true;
    }

    /// Counts tasks that have ended, and keeps their outcome until it is delivered.
    #[inline]
    fn finish(&mut self, tasks: TaskRange, outcome: Outcome) {
        let failure = match outcome {
            Outcome::Completed | Outcome::Failed { .. } | Outcome::Unsendable => {
                return self.finish_pending(tasks, outcome);
            }
            Outcome::Died { worker, attempt } | Outcome::HostLost { worker, attempt } => {
                self.workers.exit_cause(worker).at_attempt(attempt)
            }
            Outcome::TimedOut { worker, attempt } => self.failure(worker, FailureKind::TimedOut).at_attempt(attempt),
            Outcome::Expired => FailureInfo::of(None, FailureKind::Expired),
            Outcome::Cancelled => FailureInfo::of(None, FailureKind::Cancelled),
            Outcome::Stopped(worker) => self.failure(worker, FailureKind::Cancelled),
            Outcome::Refused(refusal) => FailureInfo::of(None, self.refusal(refusal)),
            Outcome::Interrupted(worker, refusal) => self.failure(worker, self.refusal(refusal)),
        };
        self.status.counts.failed(tasks.count);
        self.jobs.finish(tasks, failure);
    }

    /// Ends tasks with the outcome that their worker, or a failed attempt to send them, has just left in the buffers.
    fn finish_pending(&mut self, tasks: TaskRange, outcome: Outcome) {
        let attempt = if let Outcome::Failed { attempt } = outcome { attempt } else { 1 };
        if outcome == Outcome::Completed {
            self.status.counts.done(tasks.count);
        } else {
            self.status.counts.failed(tasks.count);
        }
        let missing = || FailureInfo::of(None, FailureKind::Unreadable("its worker did not send it".to_owned()));
        self.jobs.finish_pending(tasks, attempt, missing);
    }

    /// Returns a failure that names the worker, if it is alive or ended in this round.
    fn failure(&self, worker: WorkerId, kind: FailureKind) -> FailureInfo {
        FailureInfo::of(self.workers.info(worker), kind)
    }

    /// Returns a refusal as the errors of tasks show it.
    fn refusal(&self, refusal: Refusal) -> FailureKind {
        match refusal {
            Refusal::Closed => FailureKind::Closed,
            Refusal::Dropped => FailureKind::Dropped,
            // A pool that has failed ends in the same way.
            Refusal::Terminated | Refusal::Broken => self.status.refusal(),
        }
    }

    /// Kills a worker that was not ready in time, and keeps that as the failure by which the pool may break.
    fn kill_late(&mut self, worker: WorkerId) {
        let limit = self.workers.start_timeout.unwrap_or_default();
        // Its end is not to replace this reason.
        let name = self.workers.set_reported(worker);
        self.kill(worker);
        let worker = name;
        self.workers.failure = Some(PoolErrorKind::StartTimeout { worker, limit }.into());
    }

    /// Publishes that the pool is broken, for the last failure of a worker that was not ready.
    fn set_broken(&mut self) {
        let error = self.workers.failure.clone().unwrap_or_else(|| PoolErrorKind::Defect.into());
        self.status.set_broken(error);
    }
}
