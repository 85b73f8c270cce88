//! A made-up world around a scheduler, which obeys its actions and checks each of them.
//!
//! Each worker is there twice: a [`Peer`] is the worker as it is, a [`Mirror`] is the worker as the scheduler knows it. Between the two
//! lie the queues of its [`Host`]. Those of the host [`LOCAL`] are always empty; what lies in the others is moved by steps of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use super::host::{Answer, Host, LOCAL, Mirror, Peer, TaskEnd};
use crate::model::ids::{JobId, TaskId, TaskRange, WorkerId};
use crate::model::options::{JobLifetime, JobOptions, PoolLimits};
use crate::model::tuning::SCHEDULER_TUNING as TUNING;
use crate::scheduler::Scheduler;
use crate::scheduler::event::{Action, Event, Outcome, Refusal};
use crate::scheduler::worker::WorkerPhase;

/// A step of a history. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open {
        options: usize,
    },
    Submit {
        job: usize,
        count: u64,
        weight: usize,
    },
    Pin {
        options: usize,
    },
    Release {
        job: usize,
    },
    Cancel {
        job: usize,
    },
    Ready {
        worker: usize,
    },
    InitFailed {
        worker: usize,
    },
    Start {
        worker: usize,
        count: usize,
    },
    Complete {
        worker: usize,
        micros: u64,
    },
    Fail {
        worker: usize,
        may_repeat: bool,
    },
    CompleteTooMuch {
        worker: usize,
    },
    Die {
        worker: usize,
    },
    ExceedMemory {
        worker: usize,
    },
    LoseChunk {
        worker: usize,
    },
    Clog {
        worker: usize,
    },
    RefuseStarts {
        refuse: bool,
    },
    Resize {
        workers: usize,
    },
    Pass {
        millis: u64,
    },
    /// A host gets the next orders.
    Deliver {
        host: u64,
        count: usize,
    },
    /// The scheduler hears the next answers of a host.
    Hear {
        host: u64,
        count: usize,
    },
    /// A host is lost, with all that was on its way, and the scheduler learns that.
    LoseHost {
        host: u64,
    },
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

/// The made-up world around a scheduler.
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    limits: PoolLimits,
    pub(super) now: Duration,
    hosts: Vec<Host>,
    pub(super) peers: BTreeMap<WorkerId, Peer>,
    pub(super) mirrors: BTreeMap<WorkerId, Mirror>,
    open_jobs: BTreeMap<JobId, JobOptions>,
    retries: BTreeMap<JobId, u32>,
    jobs: u64,
    submitted: BTreeMap<JobId, u64>,
    /// Tasks that have not ended.
    pub(super) pending: BTreeSet<TaskId>,
    pub(super) ended: BTreeMap<TaskId, Outcome>,
    /// How often each task has failed.
    failures: BTreeMap<TaskId, u32>,
    /// The tasks that have ever run. Of a chunk that has started, only the first is running.
    begun: BTreeSet<TaskId>,
    /// The tasks that were answered, or have failed, in the step at hand.
    ended_now: BTreeSet<TaskId>,
    dead: BTreeMap<WorkerId, Option<TaskId>>,
    /// The workers whose host was lost, with the tasks that they may have started.
    lost: BTreeMap<WorkerId, Vec<TaskId>>,
    /// How many hosts were lost while each task was running there, as far as known.
    losses: BTreeMap<TaskId, u32>,
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
        World::on_hosts(limits, 1)
    }

    /// A world of `hosts` hosts, the local one included, on which workers are started in turn.
    pub(super) fn on_hosts(limits: PoolLimits, hosts: usize) -> World {
        let mut world = World {
            scheduler: Scheduler::new(limits, &TUNING),
            limits,
            now: Duration::ZERO,
            hosts: (0..hosts).map(|_| Host::default()).collect(),
            peers: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            open_jobs: BTreeMap::new(),
            retries: BTreeMap::new(),
            jobs: 0,
            submitted: BTreeMap::new(),
            pending: BTreeSet::new(),
            ended: BTreeMap::new(),
            failures: BTreeMap::new(),
            begun: BTreeSet::new(),
            ended_now: BTreeSet::new(),
            dead: BTreeMap::new(),
            lost: BTreeMap::new(),
            losses: BTreeMap::new(),
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
            if !self.execute_all() {
                break;
            }
        }
        // A deadline that has passed and for which a tick does nothing would keep the pool's own thread awake.
        for round in 0.. {
            let Some(due) = self.scheduler.deadline().filter(|at| *at <= self.now) else { break };
            assert!(round < 1000, "the scheduler is due for ever: {:?}", self.scheduler);
            // A tick asks one worker for tasks back, and where that answers later, the next tick asks another one.
            self.emit(Event::Tick);
            let action = self.scheduler.next_action();
            let action =
                action.unwrap_or_else(|| panic!("it is due at {due:?} and does nothing: {:?}", self.scheduler));
            self.execute(action);
            self.execute_all();
        }
        self.ended_now.clear();
        self.dead.clear();
        self.lost.clear();
        self.unsent.clear();
    }

    fn observe(&mut self) {
        for worker in self.scheduler.needs_start_time() {
            let since = match self.peers.get(&worker).filter(|peer| peer.host == LOCAL) {
                // The start is in shared memory.
                Some(peer) => (peer.started > 0).then_some(peer.since),
                None => self.mirrors.get(&worker).and_then(|mirror| mirror.since),
            };
            if let Some(since) = since {
                self.emit(Event::Running { worker, since });
            }
        }
    }

    /// Executes actions until there are none. Returns whether they have caused events.
    fn execute_all(&mut self) -> bool {
        let mut has_events = false;
        while let Some(action) = self.scheduler.next_action() {
            has_events |= self.execute(action);
        }
        has_events
    }

    /// Returns whether the action has caused an event.
    fn execute(&mut self, action: Action) -> bool {
        match action {
            Action::Start { worker } => self.start(worker),
            Action::Send { worker, tasks, chunk_size } => {
                assert!(chunk_size > 0);
                self.send(worker, tasks);
            }
            Action::Grant { worker, upto } => {
                let mirror = self.mirrors.get_mut(&worker).expect("a living worker");
                assert!(mirror.host != LOCAL && mirror.revokes == 0, "what is being revoked is not granted");
                assert!(upto > mirror.granted && upto <= mirror.done + mirror.held.len() as u64, "what it holds");
                mirror.granted = upto;
            }
            Action::Revoke { worker, .. } => {
                if let Some(mirror) = self.mirrors.get_mut(&worker) {
                    mirror.revokes += 1;
                }
            }
            Action::Finish { tasks, outcome } => {
                assert!(tasks.count > 0);
                tasks_of(tasks).for_each(|task| self.finish(task, outcome));
            }
            Action::Retry { task } => {
                self.retry(task);
                return true;
            }
            Action::Leave { worker } => self.mirrors.get_mut(&worker).expect("a living worker").is_leaving = true,
            Action::Terminate { worker } => {
                let mirror = self.mirrors.get_mut(&worker).expect("a living worker");
                assert!(!mirror.held.is_empty(), "only a worker with a task is stopped");
                assert!(!std::mem::replace(&mut mirror.is_terminated_midway, true), "stopped once");
            }
            Action::Kill { worker } => {
                if let Some(mirror) = self.mirrors.get_mut(&worker) {
                    assert!(!std::mem::replace(&mut mirror.is_killed, true), "killed once");
                }
            }
            Action::KillLate { worker } => {
                let mirror = self.mirrors.get_mut(&worker).expect("a living worker");
                assert!(!mirror.is_ready && !std::mem::replace(&mut mirror.is_killed, true), "given up once");
            }
            Action::Break => {
                assert!(!std::mem::replace(&mut self.is_broken, true), "broken once");
                self.open_jobs.clear();
            }
            Action::End => {
                assert!(self.mirrors.is_empty() && self.pending.is_empty(), "ended with something left");
                self.has_ended = true;
            }
        }
        self.post(action)
    }

    /// Sends an order to its worker. Returns whether that has answered.
    fn post(&mut self, action: Action) -> bool {
        let (Action::Start { worker }
        | Action::Send { worker, .. }
        | Action::Grant { worker, .. }
        | Action::Revoke { worker, .. }
        | Action::Leave { worker }
        | Action::Terminate { worker }
        | Action::Kill { worker }
        | Action::KillLate { worker }) = action
        else {
            return false;
        };
        let Some(host) = self.mirrors.get(&worker).map(|mirror| mirror.host) else { return false };
        self.hosts[host as usize].orders.push_back(action);
        host == LOCAL && {
            self.deliver(LOCAL, usize::MAX);
            self.hear(LOCAL, usize::MAX) > 0
        }
    }

    fn start(&mut self, worker: WorkerId) {
        assert!(!self.is_terminated && !self.is_dropped && !self.is_broken, "no start after the end");
        let host = worker.0 % self.hosts.len() as u64;
        let mirror = Mirror { host, ..Mirror::default() };
        assert!(self.mirrors.insert(worker, mirror).is_none(), "workers have numbers of their own");
        // Those who are on their way out do not count: they finish what they have started.
        let active = self
            .scheduler
            .worker_loads()
            .filter(|(_, phase, ..)| matches!(phase, WorkerPhase::Starting | WorkerPhase::Ready));
        assert!(active.count() <= self.limits.max_workers, "no more workers than wanted");
    }

    fn send(&mut self, worker: WorkerId, tasks: TaskRange) {
        let tasks: Vec<TaskId> = tasks_of(tasks).collect();
        assert!(!tasks.is_empty());
        assert!(tasks.iter().all(|task| self.pending.contains(task)), "sent before its end");
        let is_for = |task: &TaskId| self.pins.get(task).is_none_or(|pinned| *pinned == worker);
        assert!(tasks.iter().all(is_for), "sent to the worker that it is pinned to");
        let mirror = self.mirrors.get_mut(&worker).expect("sent to a living worker");
        let is_going = mirror.is_leaving || mirror.is_killed || mirror.is_terminated_midway;
        assert!(mirror.is_ready && !is_going && mirror.revokes == 0, "sent to one that is ready");
        mirror.held.extend(&tasks);
        assert!(self.limits.max_tasks.is_none_or(|most| mirror.done + mirror.held.len() as u64 <= most));
        let holders = |task: &TaskId| self.mirrors.values().filter(|mirror| mirror.held.contains(task)).count();
        assert!(tasks.iter().all(|task| holders(task) == 1), "one worker has a task");
        let is_held = |task: &TaskId| self.peers.values().any(|peer| peer.held.contains(task));
        assert!(!tasks.iter().any(is_held), "no worker has a task that is sent");
    }

    fn retry(&mut self, task: TaskId) {
        let options = self.open_jobs[&task.job];
        let failures = self.failures.entry(task).or_default();
        *failures += 1;
        assert!(*failures <= options.retries, "tried too often");
        assert!(self.pending.contains(&task));
    }

    fn finish(&mut self, task: TaskId, end: Outcome) {
        assert!(self.pending.remove(&task), "{task:?} ended twice, or was never submitted");
        let attempts = self.failures.get(&task).copied().unwrap_or(0) + 1;
        match end {
            Outcome::Completed => assert!(self.ended_now.contains(&task)),
            Outcome::Failed { attempt } => assert!(self.ended_now.contains(&task) && attempt == attempts),
            Outcome::Died { worker, attempt } | Outcome::TimedOut { worker, attempt } => {
                assert_eq!(self.dead.get(&worker), Some(&Some(task)), "the first of a dead worker");
                assert_eq!(attempt, attempts);
            }
            Outcome::HostLost { worker, attempt } => {
                assert!(self.lost[&worker].contains(&task), "it may have started there");
                let may_run_twice = self.retries[&task.job] > 0 && !self.pins.contains_key(&task);
                assert!(
                    !may_run_twice || self.losses.get(&task) == Some(&TUNING.max_host_losses),
                    "{task:?} may run again"
                );
                assert_eq!(attempt, attempts);
            }
            Outcome::Unsendable => assert!(self.unsent.contains(&task)),
            Outcome::Expired => {
                assert!(self.open_jobs[&task.job].queue_timeout.is_some());
                assert!(!self.begun.contains(&task), "what has started does not expire");
                assert!(
                    self.mirrors.values().all(|mirror| !mirror.held.contains(&task)),
                    "what may start does not expire"
                );
            }
            // Its worker has gone.
            Outcome::Cancelled if self.pins.contains_key(&task) => {}
            Outcome::Cancelled | Outcome::Stopped(_) => assert!(!self.open_jobs.contains_key(&task.job)),
            Outcome::Refused(_) if self.peers.values().any(|peer| peer.running == Some(task)) => {
                panic!("{task:?} runs")
            }
            Outcome::Refused(refusal) | Outcome::Interrupted(_, refusal) => match refusal {
                Refusal::Closed => assert!(self.is_closed),
                Refusal::Terminated => assert!(self.is_terminated),
                Refusal::Dropped => assert!(self.is_dropped),
                Refusal::Broken => assert!(self.is_broken),
            },
        }
        self.ended.insert(task, end);
    }

    /// A host gets its next orders.
    fn deliver(&mut self, host: u64, count: usize) {
        for _ in 0..count {
            let Some(order) = self.hosts[host as usize].orders.pop_front() else { break };
            match order {
                Action::Start { worker } if self.refuses_starts => {
                    self.answer_from(host, worker, Answer::StartFailed);
                }
                Action::Start { worker } => {
                    self.peers.insert(worker, Peer { host, ..Peer::default() });
                }
                Action::Send { worker, tasks, .. } => self.peer(worker, |peer| {
                    peer.last_chunk = tasks_of(tasks).collect();
                    peer.held.extend(tasks_of(tasks));
                }),
                Action::Grant { worker, upto } => self.peer(worker, |peer| peer.granted = (upto - peer.done) as usize),
                Action::Revoke { worker, count } => self.revoke(worker, count),
                Action::Leave { worker } => self.peer(worker, |peer| peer.is_leaving = true),
                Action::Terminate { worker } => self.terminate(worker),
                Action::Kill { worker } | Action::KillLate { worker } => {
                    self.peer(worker, |peer| peer.is_killed = true)
                }
                _ => unreachable!("no order for a worker"),
            }
        }
    }

    /// Does something to a worker, unless that has ended.
    fn peer(&mut self, worker: WorkerId, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&worker) {
            change(peer);
        }
    }

    fn revoke(&mut self, worker: WorkerId, count: u64) {
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        let open = peer.held.len() - peer.started;
        let back = if peer.is_clogged { 0 } else { open.min(count as usize) };
        peer.held.truncate(peer.held.len() - back);
        peer.granted = peer.granted.min(peer.held.len());
        peer.last_chunk.clear();
        self.answer(worker, Answer::Revoked { count: back as u64, unstarted: (open - back) as u64 });
    }

    fn terminate(&mut self, worker: WorkerId) {
        let Some(peer) = self.peers.get_mut(&worker) else { return };
        peer.is_terminated_midway = true;
        // It may have come to its end by then.
        let running = peer.held.iter().take(peer.started).next_back();
        assert!(running.is_some() || peer.host != LOCAL, "only a worker with a task is stopped");
        // What could not be revoked may have come next.
        let may_be_another = peer.host != LOCAL && peer.is_clogged;
        if let Some(running) = running.filter(|_| !may_be_another) {
            let is_guilty = self.open_jobs.get(&running.job).is_none_or(|options| options.timeout.is_some());
            assert!(is_guilty, "{worker:?} is stopped while it runs {running:?}, which is wanted");
        }
    }

    /// A worker that is there says something.
    fn answer(&mut self, worker: WorkerId, answer: Answer) {
        let host = self.peers[&worker].host;
        self.answer_from(host, worker, answer);
    }

    fn answer_from(&mut self, host: u64, worker: WorkerId, answer: Answer) {
        self.hosts[host as usize].answers.push_back((worker, answer));
    }

    /// The scheduler hears the next answers of a host, and what follows from each is done before the next. Returns their number.
    fn hear(&mut self, host: u64, count: usize) -> usize {
        for heard in 0..count {
            let Some((worker, answer)) = self.hosts[host as usize].answers.pop_front() else { return heard };
            self.learn(worker, answer);
            self.execute_all();
        }
        count
    }

    fn learn(&mut self, worker: WorkerId, answer: Answer) {
        let mirror = self.mirrors.get_mut(&worker).expect("a worker that has not ended");
        match answer {
            Answer::Ready => {
                mirror.is_ready = true;
                if mirror.host != LOCAL {
                    let rtt = Duration::from_micros(mirror.host * mirror.host * 2000);
                    self.emit(Event::RoundTrip { worker, rtt });
                }
                self.emit(Event::Ready { worker });
            }
            Answer::InitFailed => self.emit(Event::InitFailed { worker }),
            Answer::StartFailed => {
                self.mirrors.remove(&worker);
                self.dead.insert(worker, None);
                self.emit(Event::StartFailed { worker });
            }
            Answer::Started { since, upto } => {
                mirror.since = Some(since);
                if mirror.host != LOCAL {
                    self.emit(Event::Started { worker, upto });
                }
            }
            Answer::Ended { task, end, next } => {
                assert_eq!(mirror.held.pop_front(), Some(task), "in order");
                mirror.since = next;
                mirror.done += 1;
                self.ended_now.insert(task);
                self.learn_end(worker, end);
            }
            Answer::CompletedTooMuch { count } => self.emit(Event::Completed { worker, count }),
            Answer::MemoryExceeded => self.emit(Event::MemoryExceeded { worker }),
            Answer::Revoked { count, unstarted } => {
                mirror.revokes -= 1;
                mirror.held.truncate(mirror.held.len() - count as usize);
                mirror.granted = mirror.granted.min(mirror.done + mirror.held.len() as u64);
                self.emit(Event::Revoked { worker, count, unstarted });
            }
            Answer::Exited { started, running } => {
                // Those that were on the way to it are among the others.
                let unstarted = mirror.held.len() as u64 - started;
                self.mirrors.remove(&worker);
                self.dead.insert(worker, running);
                self.emit(Event::Unstarted { worker, count: unstarted });
                self.emit(Event::Exited { worker });
            }
        }
    }

    fn learn_end(&mut self, worker: WorkerId, end: TaskEnd) {
        match end {
            TaskEnd::Completed { micros } => {
                self.emit(Event::Completed { worker, count: 1 });
                self.emit(Event::Timed { worker, count: 1, took: Duration::from_micros(micros) });
            }
            TaskEnd::Failed { may_repeat } => self.emit(Event::Failed { worker, may_repeat }),
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Open { options: number } => self.open(options(number)),
            Step::Submit { job, count, weight } => self.submit(job, count, weight),
            Step::Pin { options: number } => self.pin(JobOptions { retries: 0, ..options(number) }),
            Step::Release { job } => self.end_job(job, |job| Event::Release { job }),
            Step::Cancel { job } => self.end_job(job, |job| Event::Cancel { job }),
            Step::Ready { worker } => {
                if let Some(worker) = self.nth(worker, |peer| !peer.is_ready) {
                    self.peer(worker, |peer| peer.is_ready = true);
                    self.answer(worker, Answer::Ready);
                }
            }
            Step::InitFailed { worker } => self.say(worker, |peer| !peer.is_ready, Answer::InitFailed),
            Step::Start { worker, count } => self.start_tasks(worker, count),
            Step::Complete { worker, micros } => self.complete(worker, micros),
            Step::Fail { worker, may_repeat } => self.end_task(worker, TaskEnd::Failed { may_repeat }),
            Step::CompleteTooMuch { worker } => self.complete_too_much(worker),
            Step::Die { worker } => self.die(worker),
            Step::ExceedMemory { worker } => self.say(worker, |_| true, Answer::MemoryExceeded),
            Step::LoseChunk { worker } => self.lose_chunk(worker),
            Step::Clog { worker } => {
                if let Some(worker) = self.nth(worker, |_| true) {
                    self.peer(worker, |peer| peer.is_clogged = !peer.is_clogged);
                }
            }
            Step::RefuseStarts { refuse } => self.refuses_starts = refuse,
            Step::Resize { workers } => {
                self.limits.max_workers = self.limits.max_workers.max(workers);
                self.emit(Event::Resize { workers });
            }
            Step::Pass { millis } => self.now += Duration::from_millis(millis),
            Step::Deliver { host, count } => self.deliver(host % self.hosts.len() as u64, count),
            Step::Hear { host, count } => {
                self.hear(host % self.hosts.len() as u64, count);
            }
            Step::LoseHost { host } => self.lose_host(host % self.hosts.len() as u64),
            Step::Close => self.end(Event::Close),
            Step::Join => self.end(Event::Join),
            Step::Drop => self.end(Event::Drop),
            Step::Terminate => self.end(Event::Terminate),
        }
        self.hear(LOCAL, usize::MAX);
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
        self.retries.insert(job, options.retries);
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
        self.pending.extend(tasks_of(tasks));
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
        let tasks = TaskRange { job, first: 0, count: active.len() as u64 + 1 };
        self.pending.extend(tasks_of(tasks));
        // There is no worker of the last one's.
        self.pins.extend(tasks_of(tasks).zip(active.iter().copied().chain([WorkerId(0)])));
        self.submitted.insert(job, tasks.count);
        self.emit(Event::Pin { tasks });
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

    /// A worker for which a condition holds says something.
    fn say(&mut self, number: usize, filter: impl Fn(&Peer) -> bool, answer: Answer) {
        if let Some(worker) = self.nth(number, filter) {
            self.answer(worker, answer);
        }
    }

    fn start_tasks(&mut self, number: usize, count: usize) {
        let Some(worker) = self.nth(number, |peer| peer.started < peer.may_start()) else { return };
        let peer = self.peers.get_mut(&worker).expect("found");
        if peer.started == 0 {
            peer.since = self.now;
        }
        peer.started = (peer.started + count).min(peer.may_start());
        peer.last_chunk.clear();
        let (since, upto) = (peer.since, peer.done + peer.started as u64);
        self.begin(worker);
        self.answer(worker, Answer::Started { since, upto });
    }

    /// The first task that a worker has started runs.
    fn begin(&mut self, worker: WorkerId) {
        let peer = self.peers.get_mut(&worker).expect("a worker that has not ended");
        let next = peer.held.front().copied().filter(|_| peer.started > 0);
        if let Some(task) = next.filter(|_| std::mem::replace(&mut peer.running, next) != next) {
            let is_first = self.begun.insert(task);
            assert!(is_first || self.retries[&task.job] > 0, "{task:?} runs twice");
        }
    }

    /// A worker takes its next task to an end.
    fn end_task(&mut self, number: usize, end: TaskEnd) {
        // A worker that was killed may have answered before.
        let Some(worker) = self.nth(number, |peer| peer.may_start() > 0) else { return };
        self.peer(worker, |peer| peer.started = peer.started.max(1));
        self.begin(worker);
        let peer = self.peers.get_mut(&worker).expect("found");
        let task = peer.held.pop_front().expect("found");
        peer.started -= 1;
        peer.done += 1;
        peer.granted = peer.granted.saturating_sub(1);
        peer.running = None;
        peer.since = self.now;
        peer.last_chunk.clear();
        let next = (peer.started > 0).then_some(self.now);
        self.begin(worker);
        self.answer(worker, Answer::Ended { task, end, next });
    }

    pub(super) fn complete(&mut self, number: usize, micros: u64) {
        self.end_task(number, TaskEnd::Completed { micros });
        self.hear(LOCAL, usize::MAX);
    }

    fn complete_too_much(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| peer.is_ready) else { return };
        let host = self.peers[&worker].host;
        // What was said before counts.
        self.hear(host, usize::MAX);
        let count = self.mirrors[&worker].held.len() as u64 + 1;
        self.answer(worker, Answer::CompletedTooMuch { count });
        self.hear(host, usize::MAX);
        self.run();
        assert!(self.mirrors[&worker].is_killed, "a worker that makes things up is killed");
    }

    fn die(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |_| true) else { return };
        let peer = &self.peers[&worker];
        let running = (peer.started > 0).then(|| peer.held[0]);
        let started = peer.started as u64;
        self.answer(worker, Answer::Exited { started, running });
        self.peers.remove(&worker);
    }

    fn lose_host(&mut self, host: u64) {
        if host == LOCAL {
            return;
        }
        self.hosts[host as usize] = Host::default();
        self.peers.retain(|_, peer| peer.host != host);
        let lost: Vec<WorkerId> =
            self.mirrors.iter().filter(|(_, mirror)| mirror.host == host).map(|(worker, _)| *worker).collect();
        for worker in lost {
            let mirror = self.mirrors.remove(&worker).expect("found");
            let running = mirror.held.front().filter(|_| mirror.granted > mirror.done);
            running.into_iter().for_each(|task| *self.losses.entry(*task).or_default() += 1);
            let granted = mirror.granted.saturating_sub(mirror.done) as usize;
            self.lost.insert(worker, mirror.held.into_iter().take(granted).collect());
            self.emit(Event::Lost { worker });
            self.execute_all();
        }
    }

    fn lose_chunk(&mut self, number: usize) {
        let is_just_sent = |peer: &Peer| peer.host == LOCAL && !peer.last_chunk.is_empty();
        let Some(worker) = self.nth(number, is_just_sent) else { return };
        let (peer, mirror) =
            (self.peers.get_mut(&worker).expect("found"), self.mirrors.get_mut(&worker).expect("found"));
        let tasks = std::mem::take(&mut peer.last_chunk);
        peer.held.truncate(peer.held.len() - tasks.len());
        mirror.held.truncate(peer.held.len());
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
        for host in 0..self.hosts.len() as u64 {
            self.deliver(host, usize::MAX);
        }
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
        for host in 0..self.hosts.len() as u64 {
            self.hear(host, usize::MAX);
        }
        self.run();
    }
}

/// Returns the tasks of a range one by one.
fn tasks_of(tasks: TaskRange) -> impl Iterator<Item = TaskId> {
    (tasks.first..tasks.first + tasks.count).map(move |index| TaskId { job: tasks.job, index })
}
