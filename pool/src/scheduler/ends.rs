//! How tasks come to their end, and what follows for the worker that had them.

use std::time::Duration;

use super::{Action, End, JobId, Life, Refusal, Scheduler, Sentence, Span, TaskId, Waiting, WorkerId};

/// What has waited for too long and could not be taken back is looked at again after so long.
const RETRIAL: Duration = Duration::from_millis(1);
/// A worker that has not begun, for so long, what it was sent while it had nothing else to do is taken for stopped. Where the task must not
/// take long, it is replaced: a busy machine lets it wait for less.
pub(super) const DEAF: Duration = Duration::from_secs(1);

impl Scheduler {
    pub(super) fn answered(&mut self, id: WorkerId, count: u64, now: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        let Some(spans) = worker.answered(count, now) else {
            // A worker answers what it was asked; this one cannot be believed.
            return self.kill(id);
        };
        self.crew.bore_fruit();
        for tasks in spans {
            if let Some(job) = self.jobs.get_mut(&tasks.job) {
                job.held -= tasks.count;
                job.ended(tasks);
                self.finish(tasks, End::Answered);
            }
        }
        self.recall_again(id);
    }

    pub(super) fn failed(&mut self, id: WorkerId, may_repeat: bool, now: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        let Some(spans) = worker.answered(1, now) else { return self.kill(id) };
        self.crew.bore_fruit();
        for tasks in spans {
            self.retry_or(tasks.head(), may_repeat, now, |attempt| End::Failed { attempt });
        }
        self.recall_again(id);
    }

    pub(super) fn paced(&mut self, id: WorkerId, count: u64, took: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        let each = took / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let transfer = worker.paced(each);
        if let Some(job) = worker.last_job.and_then(|job| self.jobs.get_mut(&job)) {
            self.times.transfer.record(transfer, count);
            self.times.run.record(each, count);
            job.chunking.record(each, count);
        }
    }

    pub(super) fn unsendable(&mut self, id: WorkerId, count: u64) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        for Waiting { tasks, .. } in worker.take_back(count) {
            if let Some(job) = self.jobs.get_mut(&tasks.job) {
                job.held -= tasks.count;
                self.finish(tasks, End::Unsendable);
            }
        }
    }

    pub(super) fn recalled(&mut self, id: WorkerId, count: u64, unbegun: u64, now: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        worker.is_recalling = false;
        let back = worker.take_back(count);
        worker.begun = worker.load().saturating_sub(unbegun);
        if unbegun > 0 {
            worker.recall_after = now + RETRIAL;
        }
        if count > 0 && worker.load() == 0 && worker.begun == 0 {
            worker.deaf_until = now + DEAF;
        }
        back.into_iter().for_each(|waiting| self.take_in_again(id, waiting, now));
    }

    /// Stops a worker that was sentenced, if it is sure that it runs what it was sentenced for. It gets nothing new meanwhile.
    pub(super) fn carry_out_sentence(&mut self, id: WorkerId, now: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        let Some(sentence) = worker.sentence.filter(|_| worker.is_free()) else { return };
        let is_just = match sentence {
            // All was taken back, so it has begun nothing.
            Sentence::Deaf if worker.load() == 0 => return self.kill(id),
            Sentence::Deaf => false,
            Sentence::Cancelled(job) => worker.last_begun().is_some_and(|task| task.job == job),
            Sentence::TimedOut(task) => worker.front() == Some(task) && !worker.is_past_front(),
        };
        match sentence {
            _ if is_just => self.condemn(id, now),
            // What it was sentenced for comes next, perhaps.
            Sentence::Cancelled(job) if worker.load() > worker.begun && worker.holds(job) => {}
            Sentence::Cancelled(_) => worker.sentence = None,
            Sentence::Deaf => (worker.sentence, worker.unheeded, worker.stirred) = (None, None, now),
            // It runs something else, since about now.
            Sentence::TimedOut(_) => (worker.sentence, worker.running) = (None, Some(now)),
        }
    }

    /// Tries again to take back what could not be taken back when a worker was sentenced.
    fn recall_again(&mut self, id: WorkerId) {
        let Some(worker) = self.crew.get_mut(id).filter(|worker| worker.sentence.is_some() && worker.is_free()) else {
            return;
        };
        if worker.load() > 0 {
            self.recall_all(id);
        } else {
            worker.sentence = None;
        }
    }

    pub(super) fn died(&mut self, id: WorkerId, now: Duration) {
        let Some(mut worker) = self.crew.remove(id, now) else { return };
        // From the back, so that the first to be sent is again the first to be sent.
        let unbegun = worker.take_back(worker.load().saturating_sub(1));
        let pinned = std::mem::take(&mut worker.pinned);
        unbegun.into_iter().for_each(|waiting| self.take_in_again(id, waiting, now));
        pinned.into_iter().for_each(|waiting| self.cancel_pinned(waiting));
        if let Some(running) = worker.front() {
            let timed_out = worker.sentence == Some(Sentence::TimedOut(running));
            self.retry_or(running, true, now, |attempt| match timed_out {
                true => End::TimedOut { worker: id, attempt },
                false => End::Died { worker: id, attempt },
            });
        }
        if self.crew.is_hopeless() {
            self.break_down();
        }
    }

    pub(super) fn release(&mut self, job: JobId) {
        let Some(held) = self.jobs.get(&job).map(|job| job.held) else { return };
        self.end_job(job, End::Cancelled, |_| End::Cancelled);
        if held > 0 {
            self.crew.holders(job).into_iter().for_each(|id| self.recall_all(id));
        }
        self.actions.push_back(Action::Forget { job });
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        let Some(held) = self.jobs.get(&job).map(|job| job.held) else { return };
        self.end_job(job, End::Cancelled, End::Stopped);
        if held > 0 {
            self.crew.holders(job).into_iter().for_each(|id| self.sentence(id, Sentence::Cancelled(job)));
        }
        self.actions.push_back(Action::Forget { job });
    }

    /// Sentences a worker. It is carried out when it is known what it has begun, for it may be on to something else by now.
    fn sentence(&mut self, id: WorkerId, sentence: Sentence) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        if worker.is_free() {
            worker.sentence = Some(sentence);
            worker.is_recalling = true;
            let count = worker.load();
            self.actions.push_back(Action::Recall { worker: id, count });
        }
    }

    /// Stops a worker in the middle of what it does; what it has not begun goes to others.
    fn condemn(&mut self, id: WorkerId, now: Duration) {
        let until = now.saturating_add(self.crew.staffing.grace);
        let Some(worker) = self.crew.get_mut(id) else { return };
        worker.life = Life::Condemned { until };
        self.actions.push_back(Action::Signal { worker: id });
        self.recall_all(id);
    }

    /// Stops those whose task runs for too long.
    pub(super) fn stop_the_slow(&mut self, now: Duration) {
        let timeout = |task: TaskId| self.jobs.get(&task.job).and_then(|job| job.terms.timeout);
        let watched = self.crew.fronts().filter(|(_, worker, _)| worker.is_free() && !worker.is_recalling);
        let watched =
            watched.filter_map(|(id, worker, task)| Some((id, worker.running, worker.stirred, task, timeout(task)?)));
        let due = watched
            .filter(|(_, running, stirred, _, timeout)| running.unwrap_or(*stirred).saturating_add(*timeout) <= now);
        let due: Vec<_> = due.collect();
        for (id, running, _, task, _) in due {
            if running.is_some() {
                self.sentence(id, Sentence::TimedOut(task));
            } else if let Some(worker) = self.crew.get_mut(id) {
                // It has not begun yet: look again later, but not for ever.
                let since = *worker.unheeded.get_or_insert(now);
                worker.stirred = now;
                if since.saturating_add(DEAF) <= now {
                    self.sentence(id, Sentence::Deaf);
                }
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let timeout = |task: TaskId| self.jobs.get(&task.job).and_then(|job| job.terms.timeout);
        let watched = self.crew.fronts().filter(|(_, worker, _)| worker.is_free() && !worker.is_recalling);
        watched
            .filter_map(|(_, worker, task)| {
                Some(worker.running.unwrap_or(worker.stirred).saturating_add(timeout(task)?))
            })
            .min()
    }

    /// Ends what has waited for too long, and takes it back from workers that have not begun it.
    pub(super) fn expire(&mut self, now: Duration) {
        let mut has_looked = false;
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            self.expire_job(id, now);
            has_looked = true;
        }
        if !has_looked {
            return;
        }
        let is_late = |until: Option<Duration>| until.is_some_and(|until| until <= now);
        let holders = self.crew.iter().filter(|(_, worker)| !worker.is_recalling && is_late(worker.next_expiry()));
        let holders: Vec<WorkerId> = holders.map(|(id, _)| id).collect();
        holders.into_iter().for_each(|id| self.recall_all(id));
        // What cannot be taken back now may be later.
        let held: Vec<(JobId, Duration)> = self.crew.iter().flat_map(|(_, worker)| worker.expiries()).collect();
        held.into_iter().for_each(|(id, until)| self.look_at(id, Some(until.max(now + RETRIAL))));
    }

    /// Ends what has waited for too long of one job.
    fn expire_job(&mut self, id: JobId, now: Duration) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.due = None;
        let (expired, next) = (job.take_expired(now), job.next_expiry());
        if job.is_idle() {
            self.turns.remove(id);
        }
        self.queued -= expired.iter().map(|tasks| tasks.count).sum::<u64>();
        self.look_at(id, next);
        expired.into_iter().for_each(|tasks| self.finish(tasks, End::Expired));
    }

    /// Has a job looked at then at the latest, because something may have waited for too long.
    pub(super) fn look_at(&mut self, id: JobId, at: Option<Duration>) {
        let (Some(at), Some(job)) = (at, self.jobs.get_mut(&id)) else { return };
        if job.due.is_none_or(|due| at < due) {
            if let Some(due) = job.due.replace(at) {
                self.due.remove(&(due, id));
            }
            self.due.insert((at, id));
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn end_all_jobs(&mut self) {
        let refusal = self.refusal();
        let open: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in open {
            self.end_job(job, End::Refused(refusal), |worker| End::Cut(worker, refusal));
        }
    }

    /// Ends every task of a job that has not ended, those that wait in one way and those that a worker has in another.
    fn end_job(&mut self, id: JobId, waiting: End, held: impl Fn(WorkerId) -> End) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        if let Some(due) = job.due {
            self.due.remove(&(due, id));
        }
        self.queued -= job.queued();
        self.turns.remove(id);
        let mut all: Vec<(Span, End)> = Vec::new();
        // Most jobs have ended by then, and there may be many of them.
        for (worker, one) in self.crew.iter().filter(|_| job.held > 0) {
            let spans = one.held().chain(&one.pinned).map(|waiting| waiting.tasks).filter(|tasks| tasks.job == id);
            all.extend(spans.map(|tasks| (tasks, held(worker))));
        }
        if job.held > 0 {
            self.crew.iter_mut().for_each(|(_, one)| one.pinned.retain(|waiting| waiting.tasks.job != id));
        }
        all.extend(job.drain().map(|tasks| (tasks, waiting)));
        all.into_iter().for_each(|(tasks, end)| self.finish(tasks, end));
    }

    /// Puts a task whose attempt has failed back to the queue, or ends it.
    fn retry_or(&mut self, task: TaskId, may_repeat: bool, now: Duration, end: impl FnOnce(u32) -> End) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.held -= 1;
        let attempt = job.attempt(task.index);
        let tasks = Span { job: task.job, first: task.index, count: 1 };
        if may_repeat && job.may_retry(task) {
            self.actions.push_back(Action::Retry { task });
            self.put_back(Waiting { tasks, weight: 0, until: None, since: now, unit: 1, is_pinned: false });
        } else {
            job.ended(tasks);
            self.finish(tasks, end(attempt));
        }
    }

    /// Takes tasks back into the queue that a worker has not begun.
    fn take_in_again(&mut self, id: WorkerId, waiting: Waiting, now: Duration) {
        if waiting.is_pinned {
            return self.pin_again(id, waiting);
        }
        if let Some(job) = self.jobs.get_mut(&waiting.tasks.job) {
            job.held -= waiting.tasks.count;
            self.put_back(Waiting { since: now, ..waiting });
        }
    }

    fn put_back(&mut self, waiting: Waiting) {
        let id = waiting.tasks.job;
        if let Some(job) = self.jobs.get_mut(&id) {
            self.queued += waiting.tasks.count;
            job.put_back(waiting);
            self.turns.push_front(id);
            self.look_at(id, waiting.until);
        }
    }

    pub(super) fn finish(&mut self, tasks: Span, end: End) {
        self.actions.push_back(Action::Finish { tasks, end });
    }

    /// What a refusal is for tasks of workers that are let go.
    pub(super) fn dismissal() -> Refusal {
        Refusal::Closed
    }
}
