//! What becomes of the tasks of a worker whose host was lost.
//!
//! The pool cannot know how far such a worker has come, or whether it runs on for a while. Tasks that it may have started run elsewhere only
//! where their job allows a task to run twice, which is what retries say.

use std::time::Duration;

use super::Scheduler;
use super::event::Outcome;
use super::job::QueuedTasks;
use crate::model::ids::{TaskRange, WorkerId};

impl Scheduler {
    /// Removes a worker whose host was lost. Tasks that it cannot have started go back to their jobs.
    pub(super) fn lost(&mut self, id: WorkerId, now: Duration) {
        let Some(mut worker) = self.workers.remove_lost(id) else { return };
        for queued in std::mem::take(&mut worker.pinned) {
            self.cancel_pinned(queued);
        }
        let running = worker.front().filter(|_| worker.granted() > 0);
        for queued in worker.remove_last(worker.load() - worker.granted()) {
            self.take_back(id, queued, now);
        }
        // From the back, so that the first to be sent is again the first to be sent.
        for mut queued in worker.remove_last(worker.load()) {
            let front = running.filter(|task| *task == queued.tasks.head()).map(|_| queued.tasks.split_front(1));
            self.run_again(id, queued, now);
            if let Some(tasks) = front {
                self.lost_while_running(id, QueuedTasks { tasks, ..queued }, now);
            }
        }
    }

    /// Tries a task again that was running when its host was lost, unless it was running on too many lost hosts.
    fn lost_while_running(&mut self, id: WorkerId, queued: QueuedTasks, now: Duration) {
        let Some(job) = self.jobs.get_mut(&queued.tasks.job) else { return };
        // It may be what brings the hosts down.
        if job.count_loss(queued.tasks.first) >= self.tuning.max_host_losses {
            self.end_lost(id, queued.tasks);
        } else {
            self.run_again(id, queued, now);
        }
    }

    /// Puts tasks that may have run back to the front of their job, or ends them if they must not run twice.
    fn run_again(&mut self, id: WorkerId, queued: QueuedTasks, now: Duration) {
        let Some(job) = self.jobs.get_mut(&queued.tasks.job).filter(|_| queued.tasks.count > 0) else { return };
        if job.options.retries == 0 || queued.is_pinned {
            return self.end_lost(id, queued.tasks);
        }
        job.held -= queued.tasks.count;
        // They have been sent in time, so they do not expire any more.
        self.requeue(QueuedTasks { queued_at: now, expires_at: None, ..queued });
    }

    /// Ends tasks that were lost with a host.
    fn end_lost(&mut self, worker: WorkerId, tasks: TaskRange) {
        let Some(job) = self.jobs.get_mut(&tasks.job) else { return };
        job.held -= tasks.count;
        let attempts = job.attempts_at(tasks);
        job.ended(tasks);
        for (tasks, attempt) in attempts {
            self.finish(tasks, Outcome::HostLost { worker, attempt });
        }
    }
}
