//! How tasks come to their end, and what follows for the worker that had them.

use std::time::Duration;

use super::{Action, End, JobId, Life, Refusal, Scheduler, Sentence, Span, TaskId, Waiting, WorkerId};

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
                job.ended(tasks);
                self.finish(tasks, End::Answered);
            }
        }
    }

    pub(super) fn failed(&mut self, id: WorkerId, may_repeat: bool, now: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        let Some(spans) = worker.answered(1, now) else { return self.kill(id) };
        self.crew.bore_fruit();
        for tasks in spans {
            self.retry_or(tasks.head(), may_repeat, now, |attempt| End::Failed { attempt });
        }
    }

    pub(super) fn paced(&mut self, id: WorkerId, count: u64, took: Duration) {
        let job = self.crew.get(id).and_then(|worker| worker.last_job);
        if let Some(job) = job.and_then(|job| self.jobs.get_mut(&job)) {
            let each = took / u32::try_from(count).unwrap_or(u32::MAX).max(1);
            self.times.run.record(each, count);
            job.chunking.record(each, count);
        }
    }

    pub(super) fn unsendable(&mut self, id: WorkerId, count: u64) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        for Waiting { tasks, .. } in worker.take_back(count) {
            self.finish_if_open(tasks, End::Unsendable);
        }
    }

    pub(super) fn recalled(&mut self, id: WorkerId, count: u64, now: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        worker.is_recalling = false;
        let back = worker.take_back(count);
        worker.begun = worker.load();
        let front = worker.front();
        if let Some(Sentence::Cancelled(job)) = worker.sentence
            && !matches!(worker.life, Life::Condemned { .. } | Life::Doomed)
        {
            if front.is_some_and(|task| task.job == job) {
                self.condemn(id, Sentence::Cancelled(job), now);
            } else {
                worker.sentence = None;
            }
        }
        back.into_iter().for_each(|waiting| self.put_back(waiting));
    }

    pub(super) fn died(&mut self, id: WorkerId, now: Duration) {
        let Some(mut worker) = self.crew.remove(id, now) else { return };
        // From the back, so that the first to be sent is again the first to be sent.
        let unbegun = worker.take_back(worker.load().saturating_sub(1));
        unbegun.into_iter().for_each(|waiting| self.put_back(waiting));
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
        if self.jobs.contains_key(&job) {
            self.end_job(job, End::Cancelled, |_| End::Cancelled);
            self.crew.holders(job).into_iter().for_each(|id| self.recall_all(id));
            self.actions.push_back(Action::Forget { job });
        }
    }

    pub(super) fn cancel(&mut self, job: JobId) {
        if !self.jobs.contains_key(&job) {
            return;
        }
        self.end_job(job, End::Cancelled, End::Stopped);
        for id in self.crew.holders(job) {
            let Some(worker) = self.crew.get_mut(id) else { continue };
            if matches!(worker.life, Life::Ready | Life::Retiring) && worker.sentence.is_none() {
                // It is carried out when it is known that the worker has begun.
                worker.sentence = Some(Sentence::Cancelled(job));
                worker.is_recalling = true;
                let count = worker.load();
                self.actions.push_back(Action::Recall { worker: id, count });
            }
        }
        self.actions.push_back(Action::Forget { job });
    }

    /// Stops a worker in the middle of what it does; what it has not begun goes to others.
    pub(super) fn condemn(&mut self, id: WorkerId, sentence: Sentence, now: Duration) {
        let until = now + self.crew.staffing.grace;
        let Some(worker) = self.crew.get_mut(id) else { return };
        worker.sentence = Some(sentence);
        worker.life = Life::Condemned { until };
        self.actions.push_back(Action::Signal { worker: id });
        self.recall_all(id);
    }

    /// Stops those whose task runs for too long.
    pub(super) fn stop_the_slow(&mut self, now: Duration) {
        let timeout = |task: TaskId| self.jobs.get(&task.job).and_then(|job| job.terms.timeout);
        let watched = self.crew.fronts().filter(|(_, worker, _)| matches!(worker.life, Life::Ready | Life::Retiring));
        let watched =
            watched.filter_map(|(id, worker, task)| Some((id, worker.running, worker.stirred, task, timeout(task)?)));
        let due: Vec<_> =
            watched.filter(|(_, running, stirred, _, timeout)| running.unwrap_or(*stirred) + *timeout <= now).collect();
        for (id, running, _, task, _) in due {
            if running.is_some() {
                self.condemn(id, Sentence::TimedOut(task), now);
            } else if let Some(worker) = self.crew.get_mut(id) {
                // It has not begun yet: look again later.
                worker.stirred = now;
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let timeout = |task: TaskId| self.jobs.get(&task.job).and_then(|job| job.terms.timeout);
        let watched = self.crew.fronts().filter(|(_, worker, _)| matches!(worker.life, Life::Ready | Life::Retiring));
        watched.filter_map(|(_, worker, task)| Some(worker.running.unwrap_or(worker.stirred) + timeout(task)?)).min()
    }

    /// Ends what has waited for too long, and takes it back from workers that have not begun it.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.impatient.is_empty() {
            return;
        }
        let impatient: Vec<JobId> = self.impatient.iter().copied().collect();
        let late = |id| self.jobs.get_mut(&id).map(|job| job.take_expired(now));
        let expired: Vec<Span> = impatient.into_iter().filter_map(late).flatten().collect();
        self.queued -= expired.iter().map(|tasks| tasks.count).sum::<u64>();
        if !expired.is_empty() {
            let jobs = &self.jobs;
            self.turns.retain(|id| jobs.get(id).is_some_and(|job| !job.is_idle()));
        }
        expired.into_iter().for_each(|tasks| self.finish(tasks, End::Expired));
        let is_late = |until: Option<Duration>| until.is_some_and(|until| until <= now);
        let holders = self.crew.iter().filter(|(_, worker)| !worker.is_recalling && is_late(worker.next_expiry()));
        let holders: Vec<WorkerId> = holders.map(|(id, _)| id).collect();
        holders.into_iter().for_each(|id| self.recall_all(id));
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        if self.impatient.is_empty() {
            return None;
        }
        let held = self.crew.iter().filter(|(_, worker)| !worker.is_recalling);
        let held = held.filter_map(|(_, worker)| worker.next_expiry());
        let impatient = self.impatient.iter().filter_map(|id| self.jobs.get(id)?.next_expiry());
        impatient.chain(held).min()
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
        self.impatient.remove(&id);
        self.queued -= job.queued();
        if !job.is_idle() {
            self.turns.retain(|turn| *turn != id);
        }
        let mut all: Vec<(Span, End)> = Vec::new();
        for (worker, one) in self.crew.iter() {
            let spans = one.held().map(|waiting| waiting.tasks).filter(|tasks| tasks.job == id);
            all.extend(spans.map(|tasks| (tasks, held(worker))));
        }
        all.extend(job.drain().map(|tasks| (tasks, waiting)));
        all.into_iter().for_each(|(tasks, end)| self.finish(tasks, end));
    }

    /// Puts a task whose attempt has failed back to the queue, or ends it.
    fn retry_or(&mut self, task: TaskId, may_repeat: bool, now: Duration, end: impl FnOnce(u32) -> End) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        let attempt = job.attempt(task.index);
        let tasks = Span { job: task.job, first: task.index, count: 1 };
        if may_repeat && job.may_retry(task) {
            self.actions.push_back(Action::Retry { task });
            self.put_back(Waiting { tasks, weight: 0, until: None, since: now });
        } else {
            job.ended(tasks);
            self.finish(tasks, end(attempt));
        }
    }

    fn put_back(&mut self, waiting: Waiting) {
        if let Some(job) = self.jobs.get_mut(&waiting.tasks.job) {
            self.queued += waiting.tasks.count;
            if job.is_idle() {
                self.turns.push_front(job.id());
            }
            job.put_back(waiting);
        }
    }

    fn finish_if_open(&mut self, tasks: Span, end: End) {
        if self.jobs.contains_key(&tasks.job) {
            self.finish(tasks, end);
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
