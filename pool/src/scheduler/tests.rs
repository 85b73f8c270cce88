//! The scheduler against random histories: a made-up world that obeys its actions, and checks each of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A step of a history. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    Open { terms: usize },
    Submit { job: usize, count: u64, weight: usize },
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
    RefuseStarts { refuse: bool },
    Resize { workers: usize },
    Pass { millis: u64 },
    Close,
    Terminate,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..1000_usize;
    prop_oneof![
        2 => (0..12_usize).prop_map(|terms| Step::Open { terms }),
        6 => (which.clone(), 1..40_u64, prop_oneof![Just(8_usize), Just(1 << 19), Just(usize::MAX)])
            .prop_map(|(job, count, weight)| Step::Submit { job, count, weight }),
        1 => which.clone().prop_map(|job| Step::Release { job }),
        1 => which.clone().prop_map(|job| Step::Cancel { job }),
        6 => which.clone().prop_map(|worker| Step::Ready { worker }),
        1 => which.clone().prop_map(|worker| Step::InitFailed { worker }),
        8 => (which.clone(), 1..4_usize).prop_map(|(worker, count)| Step::Begin { worker, count }),
        20 => (which.clone(), 0..5_000_u64).prop_map(|(worker, micros)| Step::Answer { worker, micros }),
        4 => (which.clone(), any::<bool>()).prop_map(|(worker, may_repeat)| Step::Fail { worker, may_repeat }),
        1 => which.clone().prop_map(|worker| Step::AnswerTooMuch { worker }),
        4 => which.clone().prop_map(|worker| Step::Die { worker }),
        1 => which.clone().prop_map(|worker| Step::Outgrow { worker }),
        1 => which.prop_map(|worker| Step::LoseChunk { worker }),
        1 => any::<bool>().prop_map(|refuse| Step::RefuseStarts { refuse }),
        1 => (1..5_usize).prop_map(|workers| Step::Resize { workers }),
        4 => (0..400_u64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Close).boxed(),
        1 => Just(Step::Terminate).boxed(),
    ]
}

/// Different terms by number.
fn terms(number: usize) -> Terms {
    let millis = |millis| Some(Duration::from_millis(millis));
    Terms {
        chunk: NonZeroUsize::new(number % 4),
        retries: (number % 3) as u32,
        timeout: if number % 5 == 4 { millis(100) } else { None },
        patience: if number % 7 == 6 { millis(150) } else { None },
        usual: None,
    }
}

/// A worker of the made-up world.
#[derive(Debug, Default)]
struct Peer {
    is_ready: bool,
    is_leaving: bool,
    is_killed: bool,
    is_signalled: bool,
    inbox: VecDeque<TaskId>,
    /// So many of the first it has begun.
    begun: usize,
    since: Duration,
    last_chunk: Vec<TaskId>,
    done: u64,
}

/// The made-up world around a scheduler.
struct World {
    scheduler: Scheduler,
    staffing: Staffing,
    now: Duration,
    peers: BTreeMap<WorkerId, Peer>,
    open_jobs: BTreeMap<JobId, Terms>,
    jobs: u64,
    submitted: BTreeMap<JobId, u64>,
    /// Tasks that have not ended.
    pending: BTreeSet<TaskId>,
    ended: BTreeMap<TaskId, End>,
    /// How often each task has failed.
    failures: BTreeMap<TaskId, u32>,
    /// The task that was answered, or has failed, in the step at hand.
    answered: Option<TaskId>,
    dead: BTreeMap<WorkerId, Option<TaskId>>,
    unsent: BTreeSet<TaskId>,
    refuses_starts: bool,
    is_closed: bool,
    is_terminated: bool,
    is_broken: bool,
    has_ended: bool,
}

impl World {
    fn new(wanted: usize) -> World {
        World::with(Staffing::fixed(wanted))
    }

    fn with(staffing: Staffing) -> World {
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
            refuses_starts: false,
            is_closed: false,
            is_terminated: false,
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
    fn settle(&mut self) {
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
                let back = open.min(count as usize);
                peer.inbox.truncate(peer.inbox.len() - back);
                peer.last_chunk.clear();
                self.tell(Event::Recalled { worker, count: back as u64 });
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
                assert!(peer.begun > 0, "only who works is signalled");
                assert!(!std::mem::replace(&mut peer.is_signalled, true), "signalled once");
            }
            Action::Kill { worker } => {
                if let Some(peer) = self.peers.get_mut(&worker) {
                    assert!(!std::mem::replace(&mut peer.is_killed, true), "killed once");
                }
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
        assert!(!self.is_terminated && !self.is_broken, "no start after the end");
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
            End::Cancelled | End::Stopped(_) => assert!(!self.open_jobs.contains_key(&task.job)),
            End::Refused(refusal) | End::Cut(_, refusal) => match refusal {
                Refusal::Closed => assert!(self.is_closed),
                Refusal::Terminated => assert!(self.is_terminated),
                Refusal::Broken => assert!(self.is_broken),
            },
        }
        self.ended.insert(task, end);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Open { terms: number } => self.open(terms(number)),
            Step::Submit { job, count, weight } => self.submit(job, count, weight),
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
            Step::Terminate => {
                self.is_terminated = true;
                self.open_jobs.clear();
                self.tell(Event::Terminate);
            }
        }
        self.settle();
    }

    fn open(&mut self, terms: Terms) {
        let job = JobId(self.jobs);
        self.jobs += 1;
        self.submitted.insert(job, 0);
        self.tell(Event::Open { job, terms });
        if !self.is_closed && !self.is_terminated && !self.is_broken {
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

    fn answer(&mut self, number: usize, micros: u64) {
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
    fn run_out(&mut self) {
        self.refuses_starts = false;
        for _ in 0..100_000 {
            if self.pending.is_empty() {
                break;
            }
            self.behave();
        }
        assert!(self.pending.is_empty(), "tasks without an end: {:?}", self.pending);
        while !self.submitted.is_empty() {
            self.take(&Step::Release { job: 0 });
        }
        self.take(&Step::Close);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_task_ends_exactly_once(
        most in 1..5_usize, max_tasks in prop::option::of(1..20_u64), idle in prop::option::of(0..500_u64),
        steps in prop::collection::vec(step(), 0..150)
    ) {
        let idle_timeout = idle.map(Duration::from_millis);
        let least = if idle.is_some() { 1 } else { most };
        let max_age = max_tasks.filter(|most| most % 2 == 0).map(Duration::from_secs);
        let mut world = World::with(Staffing { least, max_tasks, idle_timeout, max_age, ..Staffing::fixed(most) });
        for step in &steps {
            world.take(step);
        }
        world.run_out();
    }
}

/// A world with `wanted` workers that are ready, and a job of `count` tasks, of which `chunk` stay together.
fn at_work(wanted: usize, chunk: usize, count: u64) -> World {
    let mut world = World::new(wanted);
    (0..wanted).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.open(Terms { chunk: NonZeroUsize::new(chunk), ..Terms::default() });
    if count > 0 {
        world.take(&Step::Submit { job: 0, count, weight: 1 });
    }
    world
}

fn held(world: &World) -> Vec<Vec<u64>> {
    world.peers.values().map(|peer| peer.inbox.iter().map(|task| task.index).collect()).collect()
}

#[test]
fn a_death_costs_the_running_task_and_the_rest_comes_first_elsewhere() {
    let mut world = at_work(1, 5, 20);
    world.take(&Step::Begin { worker: 0, count: 5 });
    world.answer(0, 100_000);
    world.settle();
    world.take(&Step::Die { worker: 0 });
    let lost: Vec<u64> =
        world.ended.iter().filter(|(_, end)| matches!(end, End::Died { .. })).map(|(task, _)| task.index).collect();
    assert_eq!(lost, [1]);
    world.take(&Step::Ready { worker: 0 });
    assert!(held(&world)[0].starts_with(&[2, 3, 4]));
}

#[test]
fn a_death_before_the_beginning_costs_nothing() {
    let mut world = at_work(1, 5, 5);
    world.take(&Step::Die { worker: 0 });
    assert!(world.ended.is_empty());
    world.take(&Step::Ready { worker: 0 });
    assert_eq!(held(&world), [[0, 1, 2, 3, 4]]);
}

#[test]
fn what_a_busy_worker_has_not_begun_goes_to_an_idle_one() {
    let mut world = at_work(2, 4, 8);
    world.take(&Step::Begin { worker: 0, count: 1 });
    (0..4).for_each(|_| world.take(&Step::Answer { worker: 1, micros: 1 }));
    world.take(&Step::Pass { millis: 10 });
    let held = held(&world);
    assert_eq!((held[0].len(), held[1].len()), (2, 2), "{held:?}");
}

#[test]
fn a_task_that_runs_for_too_long_is_stopped_with_its_worker_alone() {
    let mut world = World::new(2);
    (0..2).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.open(Terms { timeout: Some(Duration::from_millis(100)), ..Terms::default() });
    world.take(&Step::Submit { job: 0, count: 2, weight: 1 });
    world.take(&Step::Pass { millis: 500 });
    assert!(world.peers.values().all(|peer| !peer.is_signalled), "nothing has begun");
    world.take(&Step::Begin { worker: 0, count: 1 });
    world.take(&Step::Pass { millis: 99 });
    assert_eq!(world.scheduler.deadline(), Some(world.now + Duration::from_millis(1)));
    world.take(&Step::Pass { millis: 1 });
    assert_eq!(world.peers.values().filter(|peer| peer.is_signalled).count(), 1);
    world.take(&Step::Pass { millis: 1000 });
    assert_eq!(world.peers.values().filter(|peer| peer.is_killed).count(), 1);
    world.take(&Step::Die { worker: 0 });
    assert!(world.ended.values().all(|end| matches!(end, End::TimedOut { attempt: 1, .. })) && world.ended.len() == 1);
}

#[test]
fn jobs_take_turns() {
    let mut world = at_work(1, 1, 1000);
    world.open(Terms::default());
    world.take(&Step::Submit { job: 1, count: 1, weight: 1 });
    (0..5).for_each(|_| world.take(&Step::Answer { worker: 0, micros: 5000 }));
    let second = TaskId { job: JobId(1), index: 0 };
    assert!(world.peers.values().next().unwrap().inbox.contains(&second) || world.ended.contains_key(&second));
}

#[test]
fn workers_that_never_come_break_the_pool_after_a_bounded_number_of_starts() {
    let mut world = at_work(2, 1, 0);
    world.take(&Step::Submit { job: 0, count: 5, weight: 1 });
    let mut deaths = 0;
    while !world.is_broken {
        world.take(&Step::Die { worker: 0 });
        world.take(&Step::Pass { millis: 300 });
        deaths += 1;
        assert!(deaths < 100, "restarts without end");
    }
    assert!(world.pending.is_empty());
    assert!(world.ended.values().any(|end| matches!(end, End::Refused(Refusal::Broken))));
}

#[test]
fn an_initializer_that_fails_at_first_breaks_the_pool_at_once() {
    let mut world = World::new(3);
    world.take(&Step::InitFailed { worker: 0 });
    assert!(world.is_broken);
}

#[test]
fn one_worker_that_works_keeps_the_pool_whole() {
    let mut world = World::new(2);
    world.take(&Step::Ready { worker: 0 });
    for _ in 0..100 {
        let starting = world.peers.iter().position(|(_, peer)| !peer.is_ready);
        if let Some(worker) = starting {
            world.take(&Step::Die { worker });
        }
        world.take(&Step::Pass { millis: 300 });
    }
    assert!(!world.is_broken);
}

#[test]
fn a_worker_that_does_not_leave_is_killed() {
    let mut world = at_work(1, 1, 1);
    world.take(&Step::Begin { worker: 0, count: 1 });
    world.take(&Step::Release { job: 0 });
    world.take(&Step::Close);
    assert!(!world.peers.values().next().unwrap().is_killed);
    assert_eq!(world.scheduler.deadline(), Some(world.now + super::balance::BUSY_GRACE));
    world.take(&Step::Pass { millis: 100 });
    assert!(world.peers.values().next().unwrap().is_killed);
}

#[test]
fn nothing_is_due_while_nothing_happens() {
    assert_eq!(at_work(2, 0, 2).scheduler.deadline(), None);
}
