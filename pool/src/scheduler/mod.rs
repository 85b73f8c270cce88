//! [`Scheduler`]: the pool's decisions as a state machine without I/O, clock or threads.
//!
//! The [dispatcher](crate::dispatcher) sends it events and executes its actions. Time is an argument, so a test runs through years
//! of worker deaths in a second.
//!
//! - Each submitted task ends exactly once.
//! - A worker that dies loses the task that it was running. Tasks that it had not started go to other workers.
//! - With a host that is lost, all tasks are lost that its workers may have started.
//! - A worker is sent tasks ahead. Those that it has not started are revoked when another worker is idle.
//! - Jobs take turns, so a long one does not keep a short one waiting.
//! - Workers that never become ready break the pool when no others are left, so there are no endless restarts.

mod assign;
mod chunking;
pub(crate) mod event;
mod expiry;
mod granted;
mod grants;
mod host_loss;
mod job;
mod outcomes;
mod pins;
mod queries;
mod retirement;
mod run_queue;
mod starting;
mod steps;
mod stopping;
mod work_stealing;
pub(crate) mod worker;
mod workers;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use self::event::{Action, Event, Outcome, Refusal};
use self::job::{Job, QueuedTasks};
use self::run_queue::RunQueue;
use self::worker::WorkerPhase;
use self::workers::WorkerSet;
use crate::model::histogram::Histogram;
use crate::model::ids::{JobId, TaskRange, WorkerId};
use crate::model::options::{JobLifetime, JobOptions, PoolLimits};
use crate::model::tuning::{EXIT_TIMEOUT, SchedulerTuning};

/// The state machine.
#[derive(Debug)]
pub(crate) struct Scheduler {
    tuning: &'static SchedulerTuning,
    phase: PoolPhase,
    /// Whether a thread waits for the end of the pool.
    is_joined: bool,
    workers: WorkerSet,
    /// In boxes: a short job is moved into the map and out of it again soon, and each of the two moves all of it several times.
    jobs: BTreeMap<JobId, Box<Job>>,
    run_queue: RunQueue,
    actions: VecDeque<Action>,
    /// The number of tasks that wait.
    queued: u64,
    /// The jobs that are checked for expired tasks, by when that is. Each is there at most once.
    expiry_checks: BTreeSet<(Duration, JobId)>,
    pub(crate) times: Times,
}

/// How long tasks waited before they were sent, were in transit, and ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) wait: Histogram,
    pub(crate) transfer: Histogram,
    pub(crate) run: Histogram,
}

/// The phase of the pool's life. It only moves downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PoolPhase {
    Open,
    /// No new jobs.
    Closing,
    /// No worker can be started.
    Broken,
    /// The workers are leaving.
    Ending(Refusal),
}

impl Scheduler {
    /// Returns a pool without workers. It asks for them at the first tick.
    pub(crate) fn new(limits: PoolLimits, tuning: &'static SchedulerTuning) -> Scheduler {
        Scheduler {
            tuning,
            phase: PoolPhase::Open,
            is_joined: false,
            workers: WorkerSet::new(limits, tuning),
            jobs: BTreeMap::new(),
            run_queue: RunQueue::default(),
            actions: VecDeque::new(),
            queued: 0,
            expiry_checks: BTreeSet::new(),
            times: Times::default(),
        }
    }

    /// Handles an event at the time `now`, counted from any fixed moment.
    ///
    /// An event about a worker or a job that is gone changes nothing: reports may be under way when it ends.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Open { job, options } => self.open(job, options),
            Event::Submit { tasks, weight } => self.submit(tasks, weight, now),
            Event::Pin { tasks } => self.pin(tasks, now),
            Event::Release { job } => self.release(job),
            Event::Cancel { job } => self.cancel(job),
            Event::Ready { worker } => self.ready(worker, now),
            Event::InitFailed { worker } => self.init_failed(worker),
            Event::Completed { worker, count } => self.completed(worker, count, now),
            Event::Failed { worker, may_repeat } => self.failed(worker, may_repeat, now),
            Event::Timed { worker, count, took } => self.timed(worker, count, took),
            Event::Unsendable { worker, count } => self.unsendable(worker, count),
            Event::Unstarted { worker, count } => self.revoked(worker, count, 0, now),
            Event::Revoked { worker, count, unstarted } => {
                self.revoked(worker, count, unstarted, now);
                self.confirm_stop(worker, now);
            }
            Event::Running { worker, since } => self.running(worker, since),
            Event::Started { worker, upto } => self.started(worker, upto),
            Event::RoundTrip { worker, rtt } => self.workers.set_rtt(worker, rtt),
            Event::MemoryExceeded { worker } => self.retire(worker),
            Event::Exited { worker } | Event::StartFailed { worker } => self.exited(worker, now),
            Event::Lost { worker } => self.lost(worker, now),
            Event::Resize { workers } => self.resize(workers),
            Event::Close => self.close(),
            Event::Join => self.join(),
            Event::Drop => self.drop_pool(now),
            Event::Terminate => self.terminate(),
            Event::Tick => self.tick(now),
        }
    }

    /// Returns the next action.
    ///
    /// The dispatcher executes each before it takes the next, and may send further events for it.
    #[inline]
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when the next tick is due even if no event comes.
    ///
    /// `None` means that only an event can change anything.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        // The same conditions as in `tick`. A deadline for which that does nothing would be due again at once, and the pool's own
        // thread would never sleep.
        let is_missing = self.is_working() && self.workers.missing(self.queued) > 0;
        let start = is_missing.then_some(self.workers.next_start);
        let idle_exit = self.workers.next_idle_exit().filter(|_| self.is_working());
        let ends = [self.workers.next_overdue(), self.workers.next_late_start(), self.next_timeout()];
        let others = [start, idle_exit, self.next_expiry(), self.next_steal()];
        ends.into_iter().chain(others).flatten().min()
    }

    /// Begins a job, if the pool accepts any.
    fn open(&mut self, job: JobId, options: JobOptions) {
        // Else the job gets no entry, and each of its tasks is refused with the state of the pool at that moment.
        if self.phase == PoolPhase::Open {
            self.jobs.insert(job, Box::new(Job::new(options, self.tuning)));
        }
    }

    /// Puts tasks behind the others of their job. They are sent by the next tick.
    fn submit(&mut self, tasks: TaskRange, weight: usize, now: Duration) {
        let Some(job) = self.jobs.get_mut(&tasks.job) else {
            // A job that was refused when it was opened has no entry.
            return self.finish(tasks, Outcome::Refused(self.refusal()));
        };
        let expires_at = job.options.queue_timeout.map(|timeout| now.saturating_add(timeout));
        job.push(QueuedTasks { weight, expires_at, ..QueuedTasks::new(tasks, now) });
        // Nothing is sent before the next tick, so that all batches of a submission are shared among the workers as one.
        self.queued += tasks.count;
        self.run_queue.push_back(tasks.job);
        self.check_at(tasks.job, expires_at);
    }

    /// Records since when a worker's first task has been running.
    fn running(&mut self, id: WorkerId, since: Duration) {
        if let Some(worker) = self.workers.get_mut(id) {
            // A worker that has just started a task may not have written since when. Then this is the start of the one before.
            worker.running_since = Some(since.max(worker.last_progress));
        }
    }

    /// Sets the number of workers. The next tick starts those that are missing and retires those that are too many.
    fn resize(&mut self, workers: usize) {
        self.workers.resize(workers);
    }

    /// Refuses new jobs from now on. The pool ends by the tick that finds no job which keeps it open.
    fn close(&mut self) {
        match self.phase {
            PoolPhase::Open => self.phase = PoolPhase::Closing,
            // It has no tasks that it could wait for: all were ended when it broke.
            PoolPhase::Broken => self.phase = PoolPhase::Ending(Refusal::Broken),
            PoolPhase::Closing | PoolPhase::Ending(_) => {}
        }
    }

    /// Closes the pool for a thread that waits for its end: iterators without tasks do not keep it open any more.
    fn join(&mut self) {
        self.is_joined = true;
        self.close();
    }

    /// Ends every task and kills every worker.
    fn terminate(&mut self) {
        // The tasks end first. So the end of a killed worker, which comes later, finds no task to be tried again.
        self.end(Refusal::Terminated);
        self.kill_all();
    }

    /// Ends every task, asks idle workers to leave, and kills those that run a task.
    fn drop_pool(&mut self, now: Duration) {
        self.end(Refusal::Dropped);
        self.clear_workers(now);
    }

    /// Ends every task that has not ended.
    fn end(&mut self, refusal: Refusal) {
        match self.phase {
            PoolPhase::Open | PoolPhase::Closing => self.phase = PoolPhase::Ending(refusal),
            PoolPhase::Broken => self.phase = PoolPhase::Ending(Refusal::Broken),
            PoolPhase::Ending(_) => {}
        }
        self.end_all_jobs();
    }

    /// Ends every task because no worker can be started, and kills the workers that are left. Jobs are refused from now on.
    fn break_down(&mut self) {
        self.phase = match self.phase {
            PoolPhase::Open => PoolPhase::Broken,
            PoolPhase::Closing => PoolPhase::Ending(Refusal::Broken),
            // The end of each worker that is killed below comes here once more.
            PoolPhase::Broken | PoolPhase::Ending(_) => return,
        };
        // Before the tasks end: their errors name the reason that this action puts into the pool's status.
        self.actions.push_back(Action::Break);
        self.end_all_jobs();
        self.kill_all();
    }

    /// Decides what follows from the events so far, and from the time. No other event sends tasks or starts workers.
    fn tick(&mut self, now: Duration) {
        // First, because this may break the pool, and then no worker is started any more.
        self.workers.late_starts(now).into_iter().for_each(|id| self.kill_late(id, now));
        if self.is_working() {
            // What has expired or timed out leaves first, so that its worker and its place are free in this tick.
            self.expire(now);
            self.stop_timed_out(now);
            // A worker that retires is missing from then on, so its replacement starts in the same tick.
            self.retire_some(now);
            self.start_missing(now);
            self.send_pinned(now);
            self.assign(now);
            self.grant();
            // Last: it is for those that are idle although all that waited was sent.
            self.steal_work(now);
        } else if self.phase == PoolPhase::Closing {
            self.dismiss_workers(now);
        }
        // Also at the end of a pool: a broadcast waits for each of its tasks.
        self.unpin();
        self.release_retired(now);
        self.workers.overdue(now).into_iter().for_each(|id| self.kill(id));
        if self.workers.is_empty() && matches!(self.phase, PoolPhase::Ending(_)) {
            self.actions.push_back(Action::End);
        }
    }

    /// Kills every worker that was not killed before.
    fn kill_all(&mut self) {
        self.workers.ids(|_| true).into_iter().for_each(|id| self.kill(id));
    }

    /// Kills a worker, once. It stays among the workers, with its tasks, until its end is reported.
    fn kill(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.phase != WorkerPhase::Killed) {
            worker.phase = WorkerPhase::Killed;
            self.actions.push_back(Action::Kill { worker: id });
        }
    }

    /// Returns until when an idle worker may take to leave.
    fn exit_by(&self, now: Duration) -> Duration {
        let is_dropped = self.phase == PoolPhase::Ending(Refusal::Dropped);
        // Without a limit of its own a finalizer may take as long as it needs, but the drop of a pool must return.
        let limit = if is_dropped { Some(EXIT_TIMEOUT) } else { self.workers.limits.exit_timeout };
        limit.map_or(Duration::MAX, |limit| now.saturating_add(limit))
    }

    /// Returns why tasks are refused in this phase.
    fn refusal(&self) -> Refusal {
        match self.phase {
            PoolPhase::Open | PoolPhase::Closing => Refusal::Closed,
            PoolPhase::Broken => Refusal::Broken,
            PoolPhase::Ending(refusal) => refusal,
        }
    }

    /// Returns whether there are tasks to run, or may be.
    fn is_working(&self) -> bool {
        let is_kept_open = || self.jobs.values().any(|job| self.keeps_open(job));
        // The jobs are only looked at while the pool closes, because there may be many of them.
        self.phase == PoolPhase::Open || self.phase == PoolPhase::Closing && is_kept_open()
    }

    /// Returns whether a job keeps a closed pool running.
    fn keeps_open(&self, job: &Job) -> bool {
        let has_tasks = || job.queued() + job.held > 0;
        match job.options.lifetime {
            JobLifetime::Call => true,
            // Whether an iterator is asked for more is up to its owner, and that may be the thread which joins the pool.
            JobLifetime::Stream => !self.is_joined || has_tasks(),
            JobLifetime::Detached => has_tasks(),
        }
    }
}
