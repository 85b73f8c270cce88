//! Tasks that are for one worker each, and for no other.

use std::time::Duration;

use super::{Action, End, Scheduler, Span, Waiting, WorkerId};

impl Scheduler {
    /// Gives each worker its task, which it is sent when it has nothing else to do. Tasks for which there is no worker are cancelled.
    pub(super) fn pin(&mut self, mut tasks: Span, now: Duration) {
        if !self.jobs.contains_key(&tasks.job) {
            return self.finish(tasks, End::Refused(self.refusal()));
        }
        for id in self.crew.useful() {
            let tasks = tasks.split_front(1);
            let Some(worker) = self.crew.get_mut(id).filter(|_| tasks.count > 0) else { continue };
            worker.pinned.push_back(Waiting { tasks, weight: 0, until: None, since: now, unit: 1, is_pinned: true });
            if let Some(job) = self.jobs.get_mut(&tasks.job) {
                job.held += 1;
            }
        }
        if tasks.count > 0 {
            self.finish(tasks, End::Cancelled);
        }
    }

    /// Sends those that have nothing to do what is pinned to them.
    pub(super) fn send_pinned(&mut self, now: Duration) {
        let mut sent = Vec::new();
        for (worker, one) in self.crew.iter_mut() {
            if one.load() == 0
                && one.is_at_hand()
                && let Some(waiting) = one.pinned.pop_front()
            {
                one.give(waiting, now);
                sent.push(Action::Send { worker, tasks: waiting.tasks, unit: 1 });
            }
        }
        self.actions.extend(sent);
    }

    /// What a worker gave back that is for no other: it gets it again, or never if it is on its way out.
    pub(super) fn pin_again(&mut self, id: WorkerId, waiting: Waiting) {
        let is_wanted = self.jobs.contains_key(&waiting.tasks.job);
        match self.crew.get_mut(id).filter(|worker| is_wanted && worker.is_of_use()) {
            Some(worker) => worker.pinned.push_front(waiting),
            None => self.cancel_pinned(waiting),
        }
    }

    /// Cancels what is pinned to those who are on their way out.
    pub(super) fn unpin(&mut self) {
        let gone = self.crew.iter_mut().filter(|(_, worker)| !worker.is_of_use());
        let left: Vec<Waiting> = gone.flat_map(|(_, worker)| std::mem::take(&mut worker.pinned)).collect();
        left.into_iter().for_each(|waiting| self.cancel_pinned(waiting));
    }

    pub(super) fn cancel_pinned(&mut self, Waiting { tasks, .. }: Waiting) {
        if let Some(job) = self.jobs.get_mut(&tasks.job) {
            job.held -= tasks.count;
            self.finish(tasks, End::Cancelled);
        }
    }
}
