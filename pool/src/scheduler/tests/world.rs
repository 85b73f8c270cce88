//! A made-up world around a scheduler, which obeys its actions and checks each of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::ids::{JobId, Span, TaskId, WorkerId};
use crate::scheduler::{Action, End, Event, Life, Refusal, Scheduler};
use crate::terms::{Staffing, Tenure, Terms};

/// A step of a history. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open { terms: usize },
    Submit { job: usize, count: u64, weight: usize },
    Pin { terms: usize },
    Release { job: usize },
    Cancel { job: usize },
    Ready { worker: usize },
    InitFailed { worker: usize },
    Begin { worker: usize, count: usize },
    Answer { worker: usize, micros: u64 },
    Fail { worker: usize, may_repeat: bool },
    AnswerTooMuch { worker: usize },
    Die { worker: usize },
    Outgrow { worker: usize },
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

/// Different terms by number.
pub(super) fn terms(number: usize) -> Terms {
    let millis = |millis| Some(Duration::from_millis(millis));
    Terms {
        chunk: NonZeroUsize::new(number % 4),
        retries: (number % 3) as u32,
        timeout: if number % 5 == 4 { millis(100) } else { None },
        patience: if number % 7 == 6 { millis(150) } else { None },
        on_failure: None,
        read_ahead: None,
        usual: None,
        wants_all: number % 2 == 1,
        tenure: [Tenure::Call, Tenure::Stream, Tenure::Entrusted][number % 3],
    }
}

/// A worker of the made-up world.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) is_ready: bool,
    is_leaving: bool,
    pub(super) is_killed: bool,
    pub(super) is_signalled: bool,
    /// Nothing can be taken back from it.
    is_clogged: bool,
    pub(super) inbox: VecDeque<TaskId>,
    /// So many of the first it has begun.
    pub(super) begun: usize,
    pub(super) since: Duration,
    last_chunk: Vec<TaskId>,
    done: u64,
}

/// The made-up world around a scheduler.
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    staffing: Staffing,
    pub(super) now: Duration,
    pub(super) peers: BTreeMap<WorkerId, Peer>,
    open_jobs: BTreeMap<JobId, Terms>,
    jobs: u64,
    submitted: BTreeMap<JobId, u64>,
    /// Tasks that have not ended.
    pub(super) pending: BTreeSet<TaskId>,
    pub(super) ended: BTreeMap<TaskId, End>,
    /// How often each task has failed.
    failures: BTreeMap<TaskId, u32>,
    /// The task that was answered, or has failed, in the step at hand.
    answered: Option<TaskId>,
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
        World::with(Staffing::fixed(wanted))
    }

    pub(super) fn with(staffing: Staffing) -> World {
        let mut world = World {
            scheduler: Scheduler::new(staffing),
            staffing,
            now: Duration::ZERO,
            peers: BTreeMap::new(),
            open_jobs: BTreeMap::new(),
            jobs: 0,
            submitted: BTreeMap::new(),
            pending: BTreeSet::new(),
            ended: BTreeMap::new(),
            failures: BTreeMap::new(),
            answered: None,
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
        world.settle();
        world
    }

    fn tell(&mut self, event: Event) {
        self.scheduler.handle(event, self.now);
    }

    /// Lets the scheduler decide, and obeys, as the dispatcher does.
    pub(super) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "the scheduler does not come to rest: {:?}", self.scheduler);
            self.observe();
            self.tell(Event::Tick);
            let mut restless = false;
            while let Some(action) = self.scheduler.next_action() {
                restless |= self.obey(action);
            }
            if !restless {
                break;
            }
        }
        self.answered = None;
        self.dead.clear();
        self.unsent.clear();
    }

    fn observe(&mut self) {
        for worker in self.scheduler.watched() {
            let Some(peer) = self.peers.get(&worker).filter(|peer| peer.begun > 0) else { continue };
            let since = peer.since;
            self.tell(Event::Running { worker, since });
        }
    }

    /// Answers whether something has happened by it.
    fn obey(&mut self, action: Action) -> bool {
        match action {
            Action::Start { worker } => return self.start(worker),
            Action::Send { worker, tasks, unit } => {
                assert!(unit > 0);
                self.receive(worker, tasks);
            }
            Action::Recall { worker, count } => {
                let Some(peer) = self.peers.get_mut(&worker) else { return false };
                let open = peer.inbox.len() - peer.begun;
                let back = if peer.is_clogged { 0 } else { open.min(count as usize) };
                peer.inbox.truncate(peer.inbox.len() - back);
                peer.last_chunk.clear();
                self.tell(Event::GaveBack { worker, count: back as u64, unbegun: (open - back) as u64 });
                return true;
            }
            Action::Finish { tasks, end } => {
                assert!(tasks.count > 0);
                (tasks.first..tasks.first + tasks.count)
                    .for_each(|index| self.finish(TaskId { job: tasks.job, index }, end));
            }
            Action::Retry { task } => {
                let terms = self.open_jobs[&task.job];
                let failures = self.failures.entry(task).or_default();
                *failures += 1;
                assert!(*failures <= terms.retries, "tried too often");
                assert!(self.pending.contains(&task));
                return true;
            }
            Action::Forget { job } => assert!(!self.open_jobs.contains_key(&job)),
            Action::Leave { worker } => self.peers.get_mut(&worker).expect("a living worker").is_leaving = true,
            Action::Signal { worker } => {
                let peer = self.peers.get_mut(&worker).expect("a living worker");
                let running = *peer.inbox.iter().take(peer.begun).next_back().expect("only who works is signalled");
                let is_guilty = self.open_jobs.get(&running.job).is_none_or(|terms| terms.timeout.is_some());
                assert!(is_guilty, "{worker:?} is stopped while it runs {running:?}, which nobody wants stopped");
                assert!(!std::mem::replace(&mut peer.is_signalled, true), "signalled once");
            }
            Action::Kill { worker } => {
                if let Some(peer) = self.peers.get_mut(&worker) {
                    assert!(!std::mem::replace(&mut peer.is_killed, true), "killed once");
                }
            }
            Action::GiveUp { worker } => {
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

    fn start(&mut self, worker: WorkerId) -> bool {
        assert!(!self.is_terminated && !self.is_dropped && !self.is_broken, "no start after the end");
        if self.refuses_starts {
            self.dead.insert(worker, None);
            self.tell(Event::StartFailed { worker });
            return true;
        }
        assert!(self.peers.insert(worker, Peer::default()).is_none(), "workers have numbers of their own");
        // Those who are on their way out do not count: they finish what they have begun.
        let useful = self.scheduler.roll().filter(|(_, life, ..)| matches!(life, Life::Starting | Life::Ready));
        assert!(useful.count() <= self.staffing.most, "no more workers than wanted");
        false
    }

    fn receive(&mut self, worker: WorkerId, tasks: Span) {
        let tasks: Vec<TaskId> =
            (tasks.first..tasks.first + tasks.count).map(|index| TaskId { job: tasks.job, index }).collect();
        let peer = self.peers.get_mut(&worker).expect("sent to a living worker");
        assert!(
            peer.is_ready && !peer.is_leaving && !peer.is_killed && !peer.is_signalled,
            "sent to one that is ready"
        );
        assert!(!tasks.is_empty());
        assert!(tasks.iter().all(|task| self.pending.contains(task)), "sent before its end");
        let is_for = |task: &TaskId| self.pins.get(task).is_none_or(|pinned| *pinned == worker);
        assert!(tasks.iter().all(is_for), "sent to the worker that it is pinned to");
        peer.inbox.extend(&tasks);
        assert!(self.staffing.max_tasks.is_none_or(|most| peer.done + peer.inbox.len() as u64 <= most));
        peer.last_chunk = tasks.clone();
        let holders = |task: &TaskId| self.peers.values().filter(|peer| peer.inbox.contains(task)).count();
        assert!(tasks.iter().all(|task| holders(task) == 1), "one worker has a task");
    }

    fn finish(&mut self, task: TaskId, end: End) {
        assert!(self.pending.remove(&task), "{task:?} ended twice, or was never submitted");
        let attempts = self.failures.get(&task).copied().unwrap_or(0) + 1;
        match end {
            End::Answered => assert_eq!(self.answered, Some(task)),
            End::Failed { attempt } => assert_eq!((self.answered, attempt), (Some(task), attempts)),
            End::Died { worker, attempt } | End::TimedOut { worker, attempt } => {
                assert_eq!(self.dead.get(&worker), Some(&Some(task)), "the first of a dead worker");
                assert_eq!(attempt, attempts);
            }
            End::Unsendable => assert!(self.unsent.contains(&task)),
            End::Expired => {
                assert!(self.open_jobs[&task.job].patience.is_some());
                let has_begun = |peer: &Peer| peer.inbox.iter().take(peer.begun).any(|begun| *begun == task);
                assert!(!self.peers.values().any(has_begun), "what has begun does not expire");
            }
            // Its worker has gone.
            End::Cancelled if self.pins.contains_key(&task) => {}
            End::Cancelled | End::Stopped(_) => assert!(!self.open_jobs.contains_key(&task.job)),
            End::Refused(refusal) | End::Cut(_, refusal) => match refusal {
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
            Step::Open { terms: number } => self.open(terms(number)),
            Step::Submit { job, count, weight } => self.submit(job, count, weight),
            Step::Pin { terms: number } => self.pin(Terms { retries: 0, ..terms(number) }),
            Step::Release { job } => self.end_job(job, |job| Event::Release { job }),
            Step::Cancel { job } => self.end_job(job, |job| Event::Cancel { job }),
            Step::Ready { worker } => self.come(worker, |peer, worker| {
                peer.is_ready = true;
                Event::Ready { worker }
            }),
            Step::InitFailed { worker } => self.come(worker, |_, worker| Event::InitFailed { worker }),
            Step::Begin { worker, count } => self.begin(worker, count),
            Step::Answer { worker, micros } => self.answer(worker, micros),
            Step::Fail { worker, may_repeat } => self.fail(worker, may_repeat),
            Step::AnswerTooMuch { worker } => self.answer_too_much(worker),
            Step::Die { worker } => self.die(worker),
            Step::Outgrow { worker } => {
                if let Some(worker) = self.nth(worker, |_| true) {
                    self.tell(Event::Outgrown { worker });
                }
            }
            Step::LoseChunk { worker } => self.lose_chunk(worker),
            Step::Clog { worker } => {
                if let Some(peer) = self.nth(worker, |_| true).and_then(|worker| self.peers.get_mut(&worker)) {
                    peer.is_clogged = !peer.is_clogged;
                }
            }
            Step::RefuseStarts { refuse } => self.refuses_starts = refuse,
            Step::Resize { workers } => {
                self.staffing.most = self.staffing.most.max(workers);
                self.tell(Event::Resize { workers });
            }
            Step::Pass { millis } => self.now += Duration::from_millis(millis),
            Step::Close => {
                self.is_closed = true;
                self.tell(Event::Close);
            }
            Step::Join => {
                self.is_closed = true;
                self.tell(Event::Join);
            }
            Step::Drop => {
                self.is_dropped = true;
                self.open_jobs.clear();
                self.tell(Event::Drop);
            }
            Step::Terminate => {
                self.is_terminated = true;
                self.open_jobs.clear();
                self.tell(Event::Terminate);
            }
        }
        self.settle();
    }

    pub(super) fn open(&mut self, terms: Terms) {
        let job = JobId(self.jobs);
        self.jobs += 1;
        self.submitted.insert(job, 0);
        self.tell(Event::Open { job, terms });
        if !self.is_closed && !self.is_terminated && !self.is_dropped && !self.is_broken {
            self.open_jobs.insert(job, terms);
        }
    }

    /// Of any job that was not released, open or refused.
    fn submit(&mut self, job: usize, count: u64, weight: usize) {
        let Some(job) = self.submitted.keys().nth(job % self.submitted.len().max(1)).copied() else { return };
        let next = self.submitted.get_mut(&job).expect("known");
        let tasks = Span { job, first: *next, count };
        *next += count;
        self.pending.extend((tasks.first..tasks.first + count).map(|index| TaskId { job, index }));
        self.tell(Event::Submit { tasks, weight });
    }

    /// A job with a task for each worker that nobody has asked to go, and one that is too much.
    fn pin(&mut self, terms: Terms) {
        let job = JobId(self.jobs);
        self.open(terms);
        let useful = self.scheduler.roll().filter(|(_, life, ..)| matches!(life, Life::Starting | Life::Ready));
        let useful: Vec<WorkerId> = useful.map(|(worker, ..)| worker).collect();
        let tasks = (0..=useful.len() as u64).map(|index| TaskId { job, index });
        self.pending.extend(tasks.clone());
        // There is no worker of the last one's.
        self.pins.extend(tasks.zip(useful.iter().copied().chain([WorkerId(0)])));
        self.submitted.insert(job, useful.len() as u64 + 1);
        self.tell(Event::Pin { tasks: Span { job, first: 0, count: useful.len() as u64 + 1 } });
    }

    fn end_job(&mut self, job: usize, event: impl Fn(JobId) -> Event) {
        let Some(job) = self.submitted.keys().nth(job % self.submitted.len().max(1)).copied() else { return };
        self.submitted.remove(&job);
        self.open_jobs.remove(&job);
        self.tell(event(job));
    }

    fn nth(&self, number: usize, filter: impl Fn(&Peer) -> bool) -> Option<WorkerId> {
        let fitting: Vec<WorkerId> = self.peers.iter().filter(|(_, peer)| filter(peer)).map(|(id, _)| *id).collect();
        fitting.get(number % fitting.len().max(1)).copied()
    }

    fn come(&mut self, number: usize, event: impl Fn(&mut Peer, WorkerId) -> Event) {
        let Some(id) = self.nth(number, |peer| !peer.is_ready) else { return };
        let event = event(self.peers.get_mut(&id).expect("found"), id);
        self.tell(event);
    }

    fn begin(&mut self, number: usize, count: usize) {
        let Some(worker) = self.nth(number, |peer| peer.begun < peer.inbox.len()) else { return };
        let peer = self.peers.get_mut(&worker).expect("found");
        if peer.begun == 0 {
            peer.since = self.now;
        }
        peer.begun = (peer.begun + count).min(peer.inbox.len());
        peer.last_chunk.clear();
    }

    /// The next task of a worker, which it takes to an end.
    fn next_done(&mut self, number: usize) -> Option<(WorkerId, TaskId)> {
        // A worker that was killed may have answered before.
        let worker = self.nth(number, |peer| !peer.inbox.is_empty())?;
        let peer = self.peers.get_mut(&worker)?;
        let task = peer.inbox.pop_front()?;
        peer.begun = peer.begun.saturating_sub(1);
        peer.since = self.now;
        peer.done += 1;
        peer.last_chunk.clear();
        self.answered = Some(task);
        Some((worker, task))
    }

    pub(super) fn answer(&mut self, number: usize, micros: u64) {
        let Some((worker, _)) = self.next_done(number) else { return };
        self.tell(Event::Answered { worker, count: 1 });
        self.tell(Event::Paced { worker, count: 1, took: Duration::from_micros(micros) });
    }

    fn fail(&mut self, number: usize, may_repeat: bool) {
        let Some((worker, _)) = self.next_done(number) else { return };
        self.tell(Event::Failed { worker, may_repeat });
    }

    fn answer_too_much(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| peer.is_ready) else { return };
        let count = self.peers[&worker].inbox.len() as u64 + 1;
        self.tell(Event::Answered { worker, count });
        self.settle();
        assert!(self.peers[&worker].is_killed, "a worker that makes things up is killed");
    }

    fn die(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |_| true) else { return };
        let peer = self.peers.remove(&worker).expect("found");
        let running = (peer.begun > 0).then(|| peer.inbox[0]);
        self.dead.insert(worker, running);
        self.tell(Event::Recalled { worker, count: (peer.inbox.len() - peer.begun) as u64 });
        self.tell(Event::Died { worker });
    }

    fn lose_chunk(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| !peer.last_chunk.is_empty()) else { return };
        let peer = self.peers.get_mut(&worker).expect("found");
        let tasks = std::mem::take(&mut peer.last_chunk);
        peer.inbox.truncate(peer.inbox.len() - tasks.len());
        self.unsent.extend(&tasks);
        self.tell(Event::Unsendable { worker, count: tasks.len() as u64 });
    }

    /// From here on everybody behaves, and all jobs come to an end.
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
        if self.open_jobs.values().any(|terms| terms.tenure == Tenure::Call) {
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
            let Peer { is_ready, is_leaving, is_killed, is_signalled, .. } = self.peers[&id];
            let step = match (is_ready, is_killed || is_leaving || is_signalled) {
                (_, true) => Step::Die { worker: number },
                (false, _) => Step::Ready { worker: 0 },
                (true, _) => Step::Answer { worker: number, micros: 10 },
            };
            self.take(&step);
        }
        self.settle();
    }
}
