//! Tasks that are for one worker each, and no other: broadcasts.
//!
//! A pinned task waits in its worker's own queue and not in that of its job. So it is not shared, not stolen, and lost with its
//! worker: then it is cancelled, because another worker has a task of its own.

use std::mem;
use std::time::Duration;

use super::Scheduler;
use super::event::{Action, Outcome};
use super::job::QueuedTasks;
use super::worker::Worker;
use crate::model::ids::{TaskRange, WorkerId};

impl Scheduler {
    /// Pins one task to each active worker, which gets it when it is idle. Tasks for which there is no worker are cancelled.
    pub(super) fn pin(&mut self, mut tasks: TaskRange, now: Duration) {
        let Some(job) = self.jobs.get_mut(&tasks.job) else {
            return self.finish(tasks, Outcome::Refused(self.refusal()));
        };
        for (_, worker) in self.workers.iter_mut().filter(|(_, worker)| worker.is_active()) {
            if tasks.count > 0 {
                let queued = QueuedTasks::new(tasks.split_front(1), now);
                worker.pinned.push_back(QueuedTasks { is_pinned: true, ..queued });
                // It counts as held before it is sent, because it is in no queue.
                job.held += 1;
            }
        }
        if tasks.count > 0 {
            // Workers have left since the caller counted them. A cancelled task is no error of a broadcast.
            self.finish(tasks, Outcome::Cancelled);
        }
    }

    /// Sends idle workers the tasks that are pinned to them.
    pub(super) fn send_pinned(&mut self, now: Duration) {
        let mut sent = Vec::new();
        for (id, worker) in self.workers.iter_mut() {
            // A worker with a pinned task is sent no others (`can_take_more`), so it comes to this before long.
            if worker.load() == 0
                && worker.can_be_sent()
                && let Some(queued) = worker.pinned.pop_front()
            {
                worker.assign(queued, now);
                self.actions.push_back(Action::Send { worker: id, tasks: queued.tasks, chunk_size: 1 });
                sent.push(id);
            }
        }
        sent.into_iter().for_each(|id| self.workers.may_grant(id));
    }

    /// Pins a task again that was revoked from its worker, or cancels it if the worker leaves.
    pub(super) fn pin_again(&mut self, id: WorkerId, queued: QueuedTasks) {
        let is_wanted = self.jobs.contains_key(&queued.tasks.job);
        match self.workers.get_mut(id).filter(|worker| is_wanted && worker.is_active()) {
            Some(worker) => worker.pinned.push_front(queued),
            None => self.cancel_pinned(queued),
        }
    }

    /// Cancels the tasks that are pinned to workers which leave.
    pub(super) fn unpin(&mut self) {
        let is_gone = |worker: &Worker| !worker.is_active();
        let gone = self.workers.iter_mut().filter(|(_, worker)| is_gone(worker));
        let left: Vec<QueuedTasks> = gone.flat_map(|(_, worker)| mem::take(&mut worker.pinned)).collect();
        left.into_iter().for_each(|queued| self.cancel_pinned(queued));
    }

    /// Cancels a task that its worker will not run. The tasks of an ended job have ended with that.
    pub(super) fn cancel_pinned(&mut self, QueuedTasks { tasks, .. }: QueuedTasks) {
        if let Some(job) = self.jobs.get_mut(&tasks.job) {
            job.held -= tasks.count;
            self.finish(tasks, Outcome::Cancelled);
        }
    }
}
