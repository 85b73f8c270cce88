//! Who does what: the pool's decisions as a state machine without I/O, clock or threads.
//!
//! The [dispatcher](crate::dispatcher) tells what has happened and does what it is told. Time is an argument, so that a
//! test can run through years of worker deaths in a second.
//!
//! - Each task that was submitted ends exactly once.
//! - A worker that dies costs the task that it was running. What it had been sent but not begun goes to others.
//! - Jobs take turns, so that a long one does not keep a short one waiting.
//! - Workers that never become ready, so often that no others are left, break the pool: there is no endless restarting.

mod crew;
mod event;
mod job;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) use event::{Action, End, Event, Refusal};

use crate::chunking::Chunking;
use crate::ids::{JobId, TaskId, WorkerId};
use crew::Crew;
use job::{Job, Waiting};
use worker::Life;

/// How long a worker that has nothing to do may take to leave.
const IDLE_GRACE: Duration = Duration::from_secs(5);
/// How long a worker may take to leave that is busy with something that nobody waits for.
const BUSY_GRACE: Duration = Duration::from_millis(100);
/// The state machine.
#[derive(Debug)]
pub(crate) struct Scheduler {
    phase: Phase,
    crew: Crew,
    jobs: BTreeMap<JobId, Job>,
    /// The jobs that have tasks waiting, in the order of their turns.
    turns: VecDeque<JobId>,
    actions: VecDeque<Action>,
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
    /// A pool of `wanted` workers. They are asked for at the first tick.
    pub(crate) fn new(wanted: usize) -> Scheduler {
        let (jobs, turns, actions) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Scheduler { phase: Phase::Open, crew: Crew::new(wanted), jobs, turns, actions }
    }

    /// Takes note of something that has happened at the time `now`, counted from any fixed moment.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Open { job, chunk } => self.open(job, Chunking::new(chunk)),
            Event::Submit { task, weight } => self.submit(task, weight),
            Event::Release { job } => self.release(job),
            Event::Ready { worker } => self.ready(worker),
            Event::InitFailed { worker } => self.init_failed(worker),
            Event::Answered { worker, task, took } => self.answered(worker, task, took),
            Event::Unsendable { worker, tasks } => self.unsendable(worker, &tasks),
            Event::Died { worker } | Event::StartFailed { worker } => self.died(worker, now),
            Event::Close => self.close(),
            Event::Terminate => self.terminate(),
            Event::Tick => self.tick(now),
        }
    }

    /// The next thing to be done.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When the next tick is due even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let start = (self.is_working() && self.crew.lacking() > 0).then_some(self.crew.next_start);
        self.crew.next_late().into_iter().chain(start).min()
    }

    /// How many tasks of a job make a chunk by now, so that its submitter knows how many to keep ready.
    pub(crate) fn chunk_goal(&self, job: JobId) -> Option<usize> {
        self.jobs.get(&job).map(|job| job.chunking.goal())
    }

    fn open(&mut self, job: JobId, chunking: Chunking) {
        if self.phase == Phase::Open {
            self.jobs.insert(job, Job::new(chunking));
        }
    }

    fn submit(&mut self, task: TaskId, weight: usize) {
        let Some(job) = self.jobs.get_mut(&task.job) else {
            return self.finish(task, End::Refused(self.refusal()));
        };
        if job.is_idle() {
            self.turns.push_back(task.job);
        }
        job.push(Waiting { index: task.index, weight });
    }

    fn release(&mut self, job: JobId) {
        if self.jobs.contains_key(&job) {
            self.end_job(job, End::Cancelled, |_| End::Cancelled);
            self.actions.push_back(Action::Forget { job });
        }
    }

    fn ready(&mut self, id: WorkerId) {
        if !self.crew.ready(id) {
            self.kill(id);
        }
    }

    fn init_failed(&mut self, id: WorkerId) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        if worker.is_ready() {
            return self.kill(id);
        }
        // It counts as stillborn when it has gone. That the very first fails is taken for no accident.
        if !self.crew.proven {
            self.break_down();
        }
    }

    fn answered(&mut self, id: WorkerId, task: TaskId, took: Duration) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        if worker.held.front() != Some(&task) {
            // A worker answers what it was asked, in that order; this one cannot be believed.
            return self.kill(id);
        }
        worker.held.pop_front();
        worker.has_answered = true;
        worker.is_fruitful = true;
        self.crew.bore_fruit();
        if let Some(job) = self.jobs.get_mut(&task.job) {
            job.chunking.record(took);
            self.finish(task, End::Answered);
        }
    }

    fn unsendable(&mut self, id: WorkerId, tasks: &[TaskId]) {
        if let Some(worker) = self.crew.get_mut(id) {
            worker.held.retain(|held| !tasks.contains(held));
        }
        for task in tasks {
            if self.jobs.contains_key(&task.job) {
                self.finish(*task, End::Unsendable);
            }
        }
    }

    fn died(&mut self, id: WorkerId, now: Duration) {
        let Some(mut worker) = self.crew.remove(id, now) else { return };
        if let Some(running) = worker.held.pop_front()
            && self.jobs.contains_key(&running.job)
        {
            self.finish(running, End::Died(id));
        }
        // From the back, so that the first to be sent is again the first to be sent.
        worker.held.into_iter().rev().for_each(|task| self.put_back(task));
        if self.crew.is_hopeless() {
            self.break_down();
        }
    }

    fn put_back(&mut self, task: TaskId) {
        if let Some(job) = self.jobs.get_mut(&task.job) {
            if job.is_idle() {
                self.turns.push_front(task.job);
            }
            job.put_back(task.index);
        }
    }

    fn close(&mut self) {
        match self.phase {
            Phase::Open => self.phase = Phase::Closing,
            Phase::Broken => self.phase = Phase::Ending(Refusal::Broken),
            Phase::Closing | Phase::Ending(_) => {}
        }
    }

    fn terminate(&mut self) {
        match self.phase {
            Phase::Open | Phase::Closing => self.phase = Phase::Ending(Refusal::Terminated),
            Phase::Broken => self.phase = Phase::Ending(Refusal::Broken),
            Phase::Ending(_) => {}
        }
        self.end_all_jobs();
        self.kill_all();
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
        if self.is_working() {
            self.staff(now);
            self.assign();
        } else if self.phase == Phase::Closing {
            self.dismiss(now);
        }
        self.crew.late(now).into_iter().for_each(|id| self.kill(id));
        if self.crew.is_empty() && matches!(self.phase, Phase::Ending(_)) {
            self.actions.push_back(Action::End);
        }
    }

    fn staff(&mut self, now: Duration) {
        if self.crew.next_start <= now {
            for _ in 0..self.crew.lacking() {
                let worker = self.crew.start_one();
                self.actions.push_back(Action::Start { worker });
            }
        }
    }

    /// Gives waiting tasks to workers that have room, the idlest first.
    fn assign(&mut self) {
        for (held, worker) in self.crew.by_load() {
            let Some((job, ahead)) = self.next_job() else { break };
            if held > 0 && held >= ahead {
                // Even the idlest holds more than this job allows: the job keeps its turn and waits.
                break;
            }
            self.send_chunk(worker, job);
        }
    }

    /// The job whose turn it is, and how many tasks a worker may still hold when it is sent more.
    fn next_job(&self) -> Option<(JobId, usize)> {
        let id = self.turns.front()?;
        self.jobs.get(id).map(|job| (*id, job.chunking.ahead()))
    }

    /// Sends the next chunk of the job whose turn it is.
    fn send_chunk(&mut self, id: WorkerId, job: JobId) {
        self.turns.pop_front();
        let tasks = self.take_chunk(job);
        if let Some(worker) = self.crew.get_mut(id) {
            worker.held.extend(&tasks);
            worker.has_answered = false;
        }
        self.actions.push_back(Action::Send { worker: id, tasks });
    }

    fn take_chunk(&mut self, id: JobId) -> Vec<TaskId> {
        let Some(job) = self.jobs.get_mut(&id) else { return Vec::new() };
        let chunk = job.take_chunk(self.crew.wanted);
        if !job.is_idle() {
            self.turns.push_back(id);
        }
        chunk.into_iter().map(|index| TaskId { job: id, index }).collect()
    }

    fn dismiss(&mut self, now: Duration) {
        for (id, worker) in self.crew.iter_mut().filter(|(_, worker)| worker.is_of_use()) {
            let grace = if worker.held.is_empty() { IDLE_GRACE } else { BUSY_GRACE };
            worker.life = Life::Leaving { until: now + grace };
            self.actions.push_back(Action::Leave { worker: id });
        }
        self.phase = Phase::Ending(Refusal::Closed);
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

    fn end_all_jobs(&mut self) {
        let refusal = self.refusal();
        let open: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in open {
            self.end_job(job, End::Refused(refusal), |worker| End::Stopped(worker, refusal));
        }
    }

    /// Ends every task of a job that has not ended, those that wait in one way and those that a worker has in another.
    fn end_job(&mut self, id: JobId, waiting: End, held: impl Fn(WorkerId) -> End) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        self.turns.retain(|turn| *turn != id);
        let with_workers =
            self.crew.held().filter(|(_, task)| task.job == id).map(|(worker, task)| (task, held(worker)));
        let mut all: Vec<(TaskId, End)> = with_workers.collect();
        all.extend(job.drain().map(|index| (TaskId { job: id, index }, waiting)));
        all.into_iter().for_each(|(task, end)| self.finish(task, end));
    }

    fn finish(&mut self, task: TaskId, end: End) {
        self.actions.push_back(Action::Finish { task, end });
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
        self.phase == Phase::Open || self.phase == Phase::Closing && !self.jobs.is_empty()
    }
}
