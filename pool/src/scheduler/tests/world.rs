//! A made-up world around a scheduler, which obeys its actions and checks each of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::model::ids::{JobId, TaskId, TaskRange, WorkerId};
use crate::model::options::{JobLifetime, JobOptions, PoolLimits};
use crate::model::tuning::SCHEDULER_TUNING as TUNING;
use crate::scheduler::Scheduler;
use crate::scheduler::event::{Action, Event, Outcome, Refusal};
use crate::scheduler::worker::WorkerPhase;

/// A step of a history. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open { options: usize },
    Submit { job: usize, count: u64, weight: usize },
    Pin { options: usize },
    Release { job: usize },
    Cancel { job: usize },
    Ready { worker: usize },
    InitFailed { worker: usize },
    Start { worker: usize, count: usize },
    Complete { worker: usize, micros: u64 },
    Fail { worker: usize, may_repeat: bool },
    CompleteTooMuch { worker: usize },
    Die { worker: usize },
    ExceedMemory { worker: usize },
    LoseChunk { worker: usize },
    Clog { worker: usize },
    RefuseStarts { refuse: bool },
    Resize { workers: usize },
    Pass { millis: u64 },
    Close,
    Join,
    Drop,
    Terminate,
}

/// Different options by number.
pub(super) fn options(number: usize) -> JobOptions {
    let millis = |millis| Some(Duration::from_millis(millis));
    JobOptions {
        chunk_size: NonZeroUsize::new(number % 4),
        retries: (number % 3) as u32,
        timeout: if number % 5 == 4 { millis(100) } else { None },
        queue_timeout: if number % 7 == 6 { millis(150) } else { None },
        on_failure: None,
        read_ahead: None,
        avg_duration: None,
        collect_all: number % 2 == 1,
        lifetime: [JobLifetime::Call, JobLifetime::Stream, JobLifetime::Detached][number % 3],
    }
}

/// A worker of the made-up world.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) is_ready: bool,
    is_leaving: bool,
    pub(super) is_killed: bool,
    pub(super) is_terminated_midway: bool,
    /// Nothing can be taken back from it.
    is_clogged: bool,
    pub(super) held: VecDeque<TaskId>,
    /// So many of the first it has started.
    pub(super) started: usize,
    pub(super) since: Duration,
    last_chunk: Vec<TaskId>,
    done: u64,
}

/// The made-up world around a scheduler.
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    limits: PoolLimits,
    pub(super) now: Duration,
    pub(super) peers: BTreeMap<WorkerId, Peer>,
    open_jobs: BTreeMap<JobId, JobOptions>,
    jobs: u64,
    submitted: BTreeMap<JobId, u64>,
    /// Tasks that have not ended.
    pub(super) pending: BTreeSet<TaskId>,
    pub(super) ended: BTreeMap<TaskId, Outcome>,
    /// How often each task has failed.
    failures: BTreeMap<TaskId, u32>,
    /// The task that was answered, or has failed, in the step at hand.
    ended_now: Option<TaskId>,
    dead: BTreeMap<WorkerId, Option<TaskId>>,
    unsent: BTreeSet<TaskId>,
    /// For which worker a task is, and no other.
    pins: BTreeMap<TaskId, WorkerId>,
    refuses_starts: bool,
    is_closed: bool,
    is_terminated: bool,
    is_dropped: bool,
    pub(super) is_broken: bool,
    has_ended: bool,
}

impl World {
    pub(super) fn new(wanted: usize) -> World {
        World::with(PoolLimits::fixed(wanted))
    }

    pub(super) fn with(limits: PoolLimits) -> World {
        let mut world = World {
            scheduler: Scheduler::new(limits, &TUNING),
            limits,
            now: Duration::ZERO,
            peers: BTreeMap::new(),
            open_jobs: BTreeMap::new(),
            jobs: 0,
            submitted: BTreeMap::new(),
            pending: BTreeSet::new(),
            ended: BTreeMap::new(),
            failures: BTreeMap::new(),
            ended_now: None,
            dead: BTreeMap::new(),
            unsent: BTreeSet::new(),
            pins: BTreeMap::new(),
            refuses_starts: false,
            is_closed: false,
            is_terminated: false,
            is_dropped: false,
            is_broken: false,
            has_ended: false,
        };
        world.run();
        world
    }

    fn emit(&mut self, event: Event) {
        self.scheduler.handle(event, self.now);
    }

    /// Lets the scheduler decide, and obeys, as the dispatcher does.
    pub(super) fn run(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "the scheduler does not come to rest: {:?}", self.scheduler);
            self.observe();
            self.emit(Event::Tick);
            let mut has_events = false;
            while let Some(action) = self.scheduler.next_action() {
                has_events |= self.execute(action);
            }
            if !has_events {
                break;
            }
        }
        // A deadline that has passed and for which a tick does nothing would keep the pool's own thread awake.
        let due = self.scheduler.deadline().filter(|at| *at <= self.now);
        assert!(due.is_none(), "the scheduler is due at {due:?} and does nothing: {:?}", self.scheduler);
        self.ended_now = None;
        self.dead.clear();
        self.unsent.clear();
    }

    fn observe(&mut self) {
        for worker in self.scheduler.needs_start_time() {
            let Some(peer) = self.peers.get(&worker).filter(|peer| peer.started > 0) else { continue };
            let since = peer.since;
            self.emit(Event::Running { worker, since });
        }
    }

    /// Returns whether the action has caused an event.
    fn execute(&mut self, action: Action) -> bool {
        match action {
            Action::Start { worker } => return self.start(worker),
            Action::Send { worker, tasks, chunk_size } => {
                assert!(chunk_size > 0);
                self.receive(worker, tasks);
            }
            Action::Revoke { worker, count } => return self.revoke(worker, count),
            Action::Finish { tasks, outcome } => {
                assert!(tasks.count > 0);
                (tasks.first..tasks.first + tasks.count)
                    .for_each(|index| self.finish(TaskId { job: tasks.job, index }, outcome));
            }
            Action::Retry { task } => {
                self.retry(task);
                return true;
            }
            Action::Leave { worker } => self.peers.get_mut(&worker).expect("a living worker").is_leaving = true,
            Action::Terminate { worker } => self.stop(worker),
            Action::Kill { worker } => {
                if let Some(peer) = self.peers.get_mut(&worker) {
                    assert!(!std::mem::replace(&mut peer.is_killed, true), "killed once");
                }
            }
            Action::KillLate { worker } => {
                let peer = self.peers.get_mut(&worker).expect("a living worker");
                assert!(!peer.is_ready && !std::mem::replace(&mut peer.is_killed, true), "given up once");
            }
            Action::Break => {
                assert!(!std::mem::replace(&mut self.is_broken, true), "broken once");
                self.open_jobs.clear();
            }
            Action::End => {
                assert!(self.peers.is_empty() && self.pending.is_empty(), "ended with something left");
                self.has_ended = true;
            }
        }
        false
    }

    fn revoke(&mut self, worker: WorkerId, count: u64) -> bool {
        let Some(peer) = self.peers.get_mut(&worker) else { return false };
        let open = peer.held.len() - peer.started;
        let back = if peer.is_clogged { 0 } else { open.min(count as usize) };
        peer.held.truncate(peer.held.len() - back);
        peer.last_chunk.clear();
        self.emit(Event::Revoked { worker, count: back as u64, unstarted: (open - back) as u64 });
        true
    }

    fn retry(&mut self, task: TaskId) {
        let options = self.open_jobs[&task.job];
        let failures = self.failures.entry(task).or_default();
        *failures += 1;
        assert!(*failures <= options.retries, "tried too often");
        assert!(self.pending.contains(&task));
    }

    fn stop(&mut self, worker: WorkerId) {
        let peer = self.peers.get_mut(&worker).expect("a living worker");
        let running = *peer.held.iter().take(peer.started).next_back().expect("only a worker with a task is stopped");
        let is_guilty = self.open_jobs.get(&running.job).is_none_or(|options| options.timeout.is_some());
        assert!(is_guilty, "{worker:?} is stopped while it runs {running:?}, which is wanted");
        assert!(!std::mem::replace(&mut peer.is_terminated_midway, true), "stopped once");
    }

    fn start(&mut self, worker: WorkerId) -> bool {
        assert!(!self.is_terminated && !self.is_dropped && !self.is_broken, "no start after the end");
        if self.refuses_starts {
            self.dead.insert(worker, None);
            self.emit(Event::StartFailed { worker });
            return true;
        }
        assert!(self.peers.insert(worker, Peer::default()).is_none(), "workers have numbers of their own");
        // Those who are on their way out do not count: they finish what they have started.
        let active = self
            .scheduler
            .worker_loads()
            .filter(|(_, phase, ..)| matches!(phase, WorkerPhase::Starting | WorkerPhase::Ready));
        assert!(active.count() <= self.limits.max_workers, "no more workers than wanted");
        false
    }

    fn receive(&mut self, worker: WorkerId, tasks: TaskRange) {
        let tasks: Vec<TaskId> =
            (tasks.first..tasks.first + tasks.count).map(|index| TaskId { job: tasks.job, index }).collect();
        let peer = self.peers.get_mut(&worker).expect("sent to a living worker");
        assert!(
            peer.is_ready && !peer.is_leaving && !peer.is_killed && !peer.is_terminated_midway,
            "sent to one that is ready"
        );
        assert!(!tasks.is_empty());
        assert!(tasks.iter().all(|task| self.pending.contains(task)), "sent before its end");
        let is_for = |task: &TaskId| self.pins.get(task).is_none_or(|pinned| *pinned == worker);
        assert!(tasks.iter().all(is_for), "sent to the worker that it is pinned to");
        peer.held.extend(&tasks);
        assert!(self.limits.max_tasks.is_none_or(|most| peer.done + peer.held.len() as u64 <= most));
        peer.last_chunk = tasks.clone();
        let holders = |task: &TaskId| self.peers.values().filter(|peer| peer.held.contains(task)).count();
        assert!(tasks.iter().all(|task| holders(task) == 1), "one worker has a task");
    }

    fn finish(&mut self, task: TaskId, end: Outcome) {
        assert!(self.pending.remove(&task), "{task:?} ended twice, or was never submitted");
        let attempts = self.failures.get(&task).copied().unwrap_or(0) + 1;
        match end {
            Outcome::Completed => assert_eq!(self.ended_now, Some(task)),
            Outcome::Failed { attempt } => assert_eq!((self.ended_now, attempt), (Some(task), attempts)),
            Outcome::Died { worker, attempt } | Outcome::TimedOut { worker, attempt } => {
                assert_eq!(self.dead.get(&worker), Some(&Some(task)), "the first of a dead worker");
                assert_eq!(attempt, attempts);
            }
            Outcome::Unsendable => assert!(self.unsent.contains(&task)),
            Outcome::Expired => {
                assert!(self.open_jobs[&task.job].queue_timeout.is_some());
                let has_begun = |peer: &Peer| peer.held.iter().take(peer.started).any(|started| *started == task);
                assert!(!self.peers.values().any(has_begun), "what has started does not expire");
            }
            // Its worker has gone.
            Outcome::Cancelled if self.pins.contains_key(&task) => {}
            Outcome::Cancelled | Outcome::Stopped(_) => assert!(!self.open_jobs.contains_key(&task.job)),
            Outcome::Refused(refusal) | Outcome::Interrupted(_, refusal) => match refusal {
                Refusal::Closed => assert!(self.is_closed),
                Refusal::Terminated => assert!(self.is_terminated),
                Refusal::Dropped => assert!(self.is_dropped),
                Refusal::Broken => assert!(self.is_broken),
            },
        }
        self.ended.insert(task, end);
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Open { options: number } => self.open(options(number)),
            Step::Submit { job, count, weight } => self.submit(job, count, weight),
            Step::Pin { options: number } => self.pin(JobOptions { retries: 0, ..options(number) }),
            Step::Release { job } => self.end_job(job, |job| Event::Release { job }),
            Step::Cancel { job } => self.end_job(job, |job| Event::Cancel { job }),
            Step::Ready { worker } => self.come(worker, |peer, worker| {
                peer.is_ready = true;
                Event::Ready { worker }
            }),
            Step::InitFailed { worker } => self.come(worker, |_, worker| Event::InitFailed { worker }),
            Step::Start { worker, count } => self.start_tasks(worker, count),
            Step::Complete { worker, micros } => self.complete(worker, micros),
            Step::Fail { worker, may_repeat } => self.fail(worker, may_repeat),
            Step::CompleteTooMuch { worker } => self.complete_too_much(worker),
            Step::Die { worker } => self.die(worker),
            Step::ExceedMemory { worker } => {
                let worker = self.nth(worker, |_| true);
                worker.into_iter().for_each(|worker| self.emit(Event::MemoryExceeded { worker }));
            }
            Step::LoseChunk { worker } => self.lose_chunk(worker),
            Step::Clog { worker } => {
                if let Some(peer) = self.nth(worker, |_| true).and_then(|worker| self.peers.get_mut(&worker)) {
                    peer.is_clogged = !peer.is_clogged;
                }
            }
            Step::RefuseStarts { refuse } => self.refuses_starts = refuse,
            Step::Resize { workers } => {
                self.limits.max_workers = self.limits.max_workers.max(workers);
                self.emit(Event::Resize { workers });
            }
            Step::Pass { millis } => self.now += Duration::from_millis(millis),
            Step::Close => self.end(Event::Close),
            Step::Join => self.end(Event::Join),
            Step::Drop => self.end(Event::Drop),
            Step::Terminate => self.end(Event::Terminate),
        }
        self.run();
    }

    /// Ends the pool in one way or the other.
    fn end(&mut self, event: Event) {
        self.is_closed |= matches!(event, Event::Close | Event::Join);
        self.is_dropped |= matches!(event, Event::Drop);
        self.is_terminated |= matches!(event, Event::Terminate);
        if self.is_dropped || self.is_terminated {
            self.open_jobs.clear();
        }
        self.emit(event);
    }

    pub(super) fn open(&mut self, options: JobOptions) {
        let job = JobId(self.jobs);
        self.jobs += 1;
        self.submitted.insert(job, 0);
        self.emit(Event::Open { job, options });
        if !self.is_closed && !self.is_terminated && !self.is_dropped && !self.is_broken {
            self.open_jobs.insert(job, options);
        }
    }

    /// Of any job that was not released, open or refused.
    fn submit(&mut self, job: usize, count: u64, weight: usize) {
        let Some(job) = self.submitted.keys().nth(job % self.submitted.len().max(1)).copied() else { return };
        let next = self.submitted.get_mut(&job).expect("known");
        let tasks = TaskRange { job, first: *next, count };
        *next += count;
        self.pending.extend((tasks.first..tasks.first + count).map(|index| TaskId { job, index }));
        self.emit(Event::Submit { tasks, weight });
    }

    /// A job with a task for each active worker, and one task too many.
    fn pin(&mut self, options: JobOptions) {
        let job = JobId(self.jobs);
        self.open(options);
        let active = self
            .scheduler
            .worker_loads()
            .filter(|(_, phase, ..)| matches!(phase, WorkerPhase::Starting | WorkerPhase::Ready));
        let active: Vec<WorkerId> = active.map(|(worker, ..)| worker).collect();
        let tasks = (0..=active.len() as u64).map(|index| TaskId { job, index });
        self.pending.extend(tasks.clone());
        // There is no worker of the last one's.
        self.pins.extend(tasks.zip(active.iter().copied().chain([WorkerId(0)])));
        self.submitted.insert(job, active.len() as u64 + 1);
        self.emit(Event::Pin { tasks: TaskRange { job, first: 0, count: active.len() as u64 + 1 } });
    }

    fn end_job(&mut self, job: usize, event: impl Fn(JobId) -> Event) {
        let Some(job) = self.submitted.keys().nth(job % self.submitted.len().max(1)).copied() else { return };
        self.submitted.remove(&job);
        self.open_jobs.remove(&job);
        self.emit(event(job));
    }

    fn nth(&self, number: usize, filter: impl Fn(&Peer) -> bool) -> Option<WorkerId> {
        let fitting: Vec<WorkerId> = self.peers.iter().filter(|(_, peer)| filter(peer)).map(|(id, _)| *id).collect();
        fitting.get(number % fitting.len().max(1)).copied()
    }

    fn come(&mut self, number: usize, event: impl Fn(&mut Peer, WorkerId) -> Event) {
        let Some(id) = self.nth(number, |peer| !peer.is_ready) else { return };
        let event = event(self.peers.get_mut(&id).expect("found"), id);
        self.emit(event);
    }

    fn start_tasks(&mut self, number: usize, count: usize) {
        let Some(worker) = self.nth(number, |peer| peer.started < peer.held.len()) else { return };
        let peer = self.peers.get_mut(&worker).expect("found");
        if peer.started == 0 {
            peer.since = self.now;
        }
        peer.started = (peer.started + count).min(peer.held.len());
        peer.last_chunk.clear();
    }

    /// The next task of a worker, which it takes to an end.
    fn next_done(&mut self, number: usize) -> Option<(WorkerId, TaskId)> {
        // A worker that was killed may have answered before.
        let worker = self.nth(number, |peer| !peer.held.is_empty())?;
        let peer = self.peers.get_mut(&worker)?;
        let task = peer.held.pop_front()?;
        peer.started = peer.started.saturating_sub(1);
        peer.since = self.now;
        peer.done += 1;
        peer.last_chunk.clear();
        self.ended_now = Some(task);
        Some((worker, task))
    }

    pub(super) fn complete(&mut self, number: usize, micros: u64) {
        let Some((worker, _)) = self.next_done(number) else { return };
        self.emit(Event::Completed { worker, count: 1 });
        self.emit(Event::Timed { worker, count: 1, took: Duration::from_micros(micros) });
    }

    fn fail(&mut self, number: usize, may_repeat: bool) {
        let Some((worker, _)) = self.next_done(number) else { return };
        self.emit(Event::Failed { worker, may_repeat });
    }

    fn complete_too_much(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| peer.is_ready) else { return };
        let count = self.peers[&worker].held.len() as u64 + 1;
        self.emit(Event::Completed { worker, count });
        self.run();
        assert!(self.peers[&worker].is_killed, "a worker that makes things up is killed");
    }

    fn die(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |_| true) else { return };
        let peer = self.peers.remove(&worker).expect("found");
        let running = (peer.started > 0).then(|| peer.held[0]);
        self.dead.insert(worker, running);
        self.emit(Event::Unstarted { worker, count: (peer.held.len() - peer.started) as u64 });
        self.emit(Event::Exited { worker });
    }

    fn lose_chunk(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| !peer.last_chunk.is_empty()) else { return };
        let peer = self.peers.get_mut(&worker).expect("found");
        let tasks = std::mem::take(&mut peer.last_chunk);
        peer.held.truncate(peer.held.len() - tasks.len());
        self.unsent.extend(&tasks);
        self.emit(Event::Unsendable { worker, count: tasks.len() as u64 });
    }

    /// From here on all workers behave, and all jobs come to an end.
    pub(super) fn run_out(&mut self) {
        self.refuses_starts = false;
        for _ in 0..100_000 {
            if self.pending.is_empty() {
                break;
            }
            self.behave();
        }
        assert!(self.pending.is_empty(), "tasks without an end: {:?}", self.pending);
        // Whoever waits for the end waits for no reader.
        if self.open_jobs.values().any(|options| options.lifetime == JobLifetime::Call) {
            while !self.submitted.is_empty() {
                self.take(&Step::Release { job: 0 });
            }
        }
        self.take(&Step::Join);
        for _ in 0..100_000 {
            if self.has_ended {
                return;
            }
            self.behave();
        }
        panic!("a closed pool did not end: {:?}", self.scheduler);
    }

    fn behave(&mut self) {
        self.now += Duration::from_millis(300);
        for number in 0..self.peers.len() {
            let Some(id) = self.nth(number, |_| true) else { break };
            let Peer { is_ready, is_leaving, is_killed, is_terminated_midway, .. } = self.peers[&id];
            let step = match (is_ready, is_killed || is_leaving || is_terminated_midway) {
                (_, true) => Step::Die { worker: number },
                (false, _) => Step::Ready { worker: 0 },
                (true, _) => Step::Complete { worker: number, micros: 10 },
            };
            self.take(&step);
        }
        self.run();
    }
}
