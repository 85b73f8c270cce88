//! Who does what: the pool's decisions as a state machine without I/O, clock or threads.
//!
//! The [dispatcher](crate::dispatcher) tells what has happened and does what it is told. Time is an argument, so that a
//! test can run through years of worker deaths in a second.
//!
//! - Each task that was submitted ends exactly once.
//! - A worker that dies costs the task that it was running. What it had been sent but not begun goes to others.
//! - A worker is sent tasks ahead, and what it has not begun is taken back when somebody else has nothing to do.
//! - Jobs take turns, so that a long one does not keep a short one waiting.
//! - Workers that never become ready, so often that no others are left, break the pool: there is no endless restarting.

mod balance;
mod crew;
mod ends;
mod event;
mod job;
mod pins;
mod steps;
mod turns;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(crate) use event::{Action, End, Event, Refusal};

use crate::histogram::Histogram;
use crate::ids::{JobId, Span, TaskId, WorkerId};
use crate::terms::{FAREWELL, Staffing, Tenure, Terms};
use crew::Crew;
use job::{Job, Waiting};
use turns::Turns;
pub(crate) use worker::Life;
use worker::Sentence;

/// The state machine.
#[derive(Debug)]
pub(crate) struct Scheduler {
    phase: Phase,
    /// Whether somebody waits for the end of the pool.
    is_joined: bool,
    crew: Crew,
    jobs: BTreeMap<JobId, Job>,
    /// The jobs that have tasks waiting, in the order of their turns.
    turns: Turns,
    actions: VecDeque<Action>,
    /// How many tasks wait.
    queued: u64,
    /// The open jobs of which something may have waited for too long by then. Each is there once at the most.
    due: BTreeSet<(Duration, JobId)>,
    /// How long tasks waited, were on their way, and ran.
    pub(crate) times: Times,
}

/// How long tasks waited before they were sent, were on their way, and ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) wait: Histogram,
    pub(crate) transfer: Histogram,
    pub(crate) run: Histogram,
}

/// How far the pool's life has come. It only moves downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// No new jobs.
    Closing,
    /// No workers, and none will come.
    Broken,
    /// The workers are on their way out.
    Ending(Refusal),
}

impl Scheduler {
    /// A pool without workers. They are asked for at the first tick.
    pub(crate) fn new(staffing: Staffing) -> Scheduler {
        let (jobs, turns, actions) = (BTreeMap::new(), Turns::default(), VecDeque::new());
        let (queued, due, times) = (0, BTreeSet::new(), Times::default());
        let (phase, is_joined, crew) = (Phase::Open, false, Crew::new(staffing));
        Scheduler { phase, is_joined, crew, jobs, turns, actions, queued, due, times }
    }

    /// Takes note of something that has happened at the time `now`, counted from any fixed moment.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Open { job, terms } => self.open(job, terms),
            Event::Submit { tasks, weight } => self.submit(tasks, weight, now),
            Event::Pin { tasks } => self.pin(tasks, now),
            Event::Release { job } => self.release(job),
            Event::Cancel { job } => self.cancel(job),
            Event::Ready { worker } => self.ready(worker, now),
            Event::InitFailed { worker } => self.init_failed(worker),
            Event::Answered { worker, count } => self.answered(worker, count, now),
            Event::Failed { worker, may_repeat } => self.failed(worker, may_repeat, now),
            Event::Paced { worker, count, took } => self.paced(worker, count, took),
            Event::Unsendable { worker, count } => self.unsendable(worker, count),
            Event::Recalled { worker, count } => self.recalled(worker, count, 0, now),
            Event::GaveBack { worker, count, unbegun } => {
                self.recalled(worker, count, unbegun, now);
                self.carry_out_sentence(worker, now);
            }
            Event::Running { worker, since } => self.running(worker, since),
            Event::Outgrown { worker } => self.retire(worker),
            Event::Died { worker } | Event::StartFailed { worker } => self.died(worker, now),
            Event::Resize { workers } => self.resize(workers),
            Event::Close => self.close(),
            Event::Join => self.join(),
            Event::Drop => self.abandon(now),
            Event::Terminate => self.terminate(),
            Event::Tick => self.tick(now),
        }
    }

    /// The next thing to be done.
    #[inline]
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When the next tick is due even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let lacking = self.is_working() && self.crew.lacking(self.queued()) > 0;
        let start = lacking.then_some(self.crew.next_start);
        let rest = self.is_working().then(|| self.crew.next_rest()).flatten();
        let ends = [self.crew.next_late(), self.crew.next_sluggish(), self.next_timeout(), self.next_expiry()];
        ends.into_iter().chain([start, rest, self.next_balance()]).flatten().min()
    }

    /// How many tasks of a job a worker is sent ahead by now, so that its submitter knows how many to keep ready.
    pub(crate) fn chunk_goal(&self, job: JobId) -> Option<usize> {
        self.jobs.get(&job).map(|job| job.chunking.goal())
    }

    /// The workers of whose first task it must be known since when it runs, because it has a timeout.
    pub(crate) fn watched(&self) -> Vec<WorkerId> {
        let has_timeout = |task: TaskId| self.jobs.get(&task.job).is_some_and(|job| job.terms.timeout.is_some());
        let fronts = self.crew.fronts().filter(|(_, worker, task)| worker.running.is_none() && has_timeout(*task));
        fronts.map(|(id, ..)| id).collect()
    }

    /// How many workers there are that tasks can be pinned to.
    pub(crate) fn useful(&self) -> usize {
        self.crew.useful().len()
    }

    /// How many tasks wait.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// What a task of a job usually takes, as far as seen.
    pub(crate) fn usual(&self, job: JobId) -> Option<Duration> {
        self.jobs.get(&job).and_then(|job| job.chunking.usual())
    }

    /// The workers: how far their lives have come, how many tasks each holds, and how many it has done.
    pub(crate) fn roll(&self) -> impl Iterator<Item = (WorkerId, Life, u64, u64)> {
        self.crew.iter().map(|(id, worker)| (id, worker.life, worker.load(), worker.done))
    }

    /// The tasks of one job that a worker runs now, or runs next.
    #[inline]
    pub(crate) fn front(&self, id: WorkerId) -> Option<Span> {
        self.crew.get(id)?.front_span()
    }

    /// The workers that hold tasks of a job.
    pub(crate) fn holders(&self, job: JobId) -> Vec<WorkerId> {
        let has_any = self.jobs.get(&job).is_some_and(|job| job.held > 0);
        if has_any { self.crew.holders(job) } else { Vec::new() }
    }

    /// How many tasks the workers hold.
    pub(crate) fn load(&self) -> u64 {
        self.crew.iter().map(|(_, worker)| worker.load()).sum()
    }

    /// The task that a worker runs, or will run next, and how many more it holds.
    pub(crate) fn holding(&self, id: WorkerId) -> Option<(TaskId, u64)> {
        let mut fronts = self.crew.fronts();
        fronts.find(|(worker, ..)| *worker == id).map(|(_, worker, task)| (task, worker.load()))
    }

    fn open(&mut self, job: JobId, terms: Terms) {
        if self.phase == Phase::Open {
            self.jobs.insert(job, Job::new(terms));
        }
    }

    fn submit(&mut self, tasks: Span, weight: usize, now: Duration) {
        let Some(job) = self.jobs.get_mut(&tasks.job) else {
            return self.finish(tasks, End::Refused(self.refusal()));
        };
        let until = job.terms.patience.map(|patience| now.saturating_add(patience));
        job.push(Waiting { tasks, weight, until, since: now, unit: 1, is_pinned: false });
        self.queued += tasks.count;
        self.turns.push_back(tasks.job);
        self.look_at(tasks.job, until);
    }

    fn ready(&mut self, id: WorkerId, now: Duration) {
        if !self.crew.ready(id, now) {
            return self.kill(id);
        }
        let until = self.farewell(now);
        if let Some(Life::Leaving { until: before }) = self.crew.get_mut(id).map(|worker| &mut worker.life) {
            // It was asked to leave before it had come, and has as much time as the others from now on.
            *before = until.max(*before);
        }
    }

    fn init_failed(&mut self, id: WorkerId) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        if matches!(worker.life, Life::Ready | Life::Retiring) {
            return self.kill(id);
        }
        // It counts as stillborn when it has gone. That the very first fails is taken for no accident.
        if !self.crew.proven {
            self.break_down();
        }
    }

    fn running(&mut self, id: WorkerId, since: Duration) {
        if let Some(worker) = self.crew.get_mut(id) {
            // A worker that has just begun a task may not have said since when. Then this is about the one before.
            worker.running = Some(since.max(worker.stirred));
        }
    }

    fn resize(&mut self, workers: usize) {
        self.crew.staffing.least = workers.min(self.crew.staffing.least.max(1));
        if self.crew.staffing.idle_timeout.is_none() {
            self.crew.staffing.least = workers;
        }
        self.crew.staffing.most = workers;
    }

    fn close(&mut self) {
        match self.phase {
            Phase::Open => self.phase = Phase::Closing,
            Phase::Broken => self.phase = Phase::Ending(Refusal::Broken),
            Phase::Closing | Phase::Ending(_) => {}
        }
    }

    fn join(&mut self) {
        self.is_joined = true;
        self.close();
    }

    fn terminate(&mut self) {
        self.end(Refusal::Terminated);
        self.kill_all();
    }

    fn abandon(&mut self, now: Duration) {
        self.end(Refusal::Dropped);
        self.clear(now);
    }

    /// Takes every task that has not ended to its end.
    fn end(&mut self, refusal: Refusal) {
        match self.phase {
            Phase::Open | Phase::Closing => self.phase = Phase::Ending(refusal),
            Phase::Broken => self.phase = Phase::Ending(Refusal::Broken),
            Phase::Ending(_) => {}
        }
        self.end_all_jobs();
    }

    fn break_down(&mut self) {
        self.phase = match self.phase {
            Phase::Open => Phase::Broken,
            Phase::Closing => Phase::Ending(Refusal::Broken),
            Phase::Broken | Phase::Ending(_) => return,
        };
        self.actions.push_back(Action::Break);
        self.end_all_jobs();
        self.kill_all();
    }

    fn tick(&mut self, now: Duration) {
        self.crew.sluggish(now).into_iter().for_each(|id| self.give_up(id, now));
        if self.is_working() {
            self.expire(now);
            self.stop_the_slow(now);
            self.retire_some(now);
            self.staff(now);
            self.send_pinned(now);
            self.assign(now);
            self.balance(now);
        } else if self.phase == Phase::Closing {
            self.dismiss(now);
        }
        self.unpin();
        self.let_go(now);
        self.crew.late(now).into_iter().for_each(|id| self.kill(id));
        if self.crew.is_empty() && matches!(self.phase, Phase::Ending(_)) {
            self.actions.push_back(Action::End);
        }
    }

    fn staff(&mut self, now: Duration) {
        if self.crew.next_start <= now {
            for _ in 0..self.crew.lacking(self.queued()) {
                let worker = self.crew.start_one(now);
                self.actions.push_back(Action::Start { worker });
            }
        }
    }

    fn kill_all(&mut self) {
        self.crew.ids().into_iter().for_each(|id| self.kill(id));
    }

    fn kill(&mut self, id: WorkerId) {
        if let Some(worker) = self.crew.get_mut(id).filter(|worker| worker.life != Life::Doomed) {
            worker.life = Life::Doomed;
            self.actions.push_back(Action::Kill { worker: id });
        }
    }

    /// Until when a worker may take to leave that has nothing to do.
    fn farewell(&self, now: Duration) -> Duration {
        let is_dropped = self.phase == Phase::Ending(Refusal::Dropped);
        let limit = if is_dropped { Some(FAREWELL) } else { self.crew.staffing.farewell };
        limit.map_or(Duration::MAX, |limit| now.saturating_add(limit))
    }

    /// Kills a worker that does not become ready. That the very first does not is taken for no accident.
    fn give_up(&mut self, id: WorkerId, now: Duration) {
        if self.crew.get(id).is_none_or(|worker| worker.life != Life::Starting) {
            // The pool has broken meanwhile.
            return;
        }
        self.actions.push_back(Action::GiveUp { worker: id });
        self.crew.give_up(id, now);
        if !self.crew.proven || self.crew.is_hopeless() {
            self.break_down();
        }
    }

    fn refusal(&self) -> Refusal {
        match self.phase {
            Phase::Open | Phase::Closing => Refusal::Closed,
            Phase::Broken => Refusal::Broken,
            Phase::Ending(refusal) => refusal,
        }
    }

    /// Whether there is work to be done, or may be.
    fn is_working(&self) -> bool {
        self.phase == Phase::Open || self.phase == Phase::Closing && self.jobs.values().any(|job| self.works_for(job))
    }

    /// Whether a pool that was closed goes on for the sake of a job.
    fn works_for(&self, job: &Job) -> bool {
        let has_tasks = || job.queued() + job.held > 0;
        match job.terms.tenure {
            Tenure::Call => true,
            Tenure::Stream => !self.is_joined || has_tasks(),
            Tenure::Entrusted => has_tasks(),
        }
    }
}
