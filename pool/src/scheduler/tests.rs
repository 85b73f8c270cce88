//! The scheduler against random histories: a made-up world that obeys its actions, and checks each of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A step of a history. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    Open { chunk: usize },
    Submit { job: usize, count: usize, weight: usize },
    Release { job: usize },
    Ready { worker: usize },
    InitFailed { worker: usize },
    Answer { worker: usize, micros: u64 },
    AnswerWrongly { worker: usize },
    Die { worker: usize },
    LoseChunk { worker: usize },
    RefuseStarts { refuse: bool },
    Pass { millis: u64 },
    Close,
    Terminate,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..1000_usize;
    prop_oneof![
        2 => (0..6_usize).prop_map(|chunk| Step::Open { chunk }),
        6 => (which.clone(), 1..40_usize, prop_oneof![Just(8_usize), Just(1 << 19), Just(usize::MAX)])
            .prop_map(|(job, count, weight)| Step::Submit { job, count, weight }),
        1 => which.clone().prop_map(|job| Step::Release { job }),
        6 => which.clone().prop_map(|worker| Step::Ready { worker }),
        1 => which.clone().prop_map(|worker| Step::InitFailed { worker }),
        20 => (which.clone(), 0..5_000_u64).prop_map(|(worker, micros)| Step::Answer { worker, micros }),
        1 => which.clone().prop_map(|worker| Step::AnswerWrongly { worker }),
        4 => which.clone().prop_map(|worker| Step::Die { worker }),
        1 => which.prop_map(|worker| Step::LoseChunk { worker }),
        1 => any::<bool>().prop_map(|refuse| Step::RefuseStarts { refuse }),
        3 => (0..400_u64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Close).boxed(),
        1 => Just(Step::Terminate).boxed(),
    ]
}

/// A worker of the made-up world.
#[derive(Debug, Default)]
struct Peer {
    is_ready: bool,
    is_leaving: bool,
    is_killed: bool,
    inbox: VecDeque<TaskId>,
    last_chunk: Vec<TaskId>,
}

/// The made-up world around a scheduler.
struct World {
    scheduler: Scheduler,
    wanted: usize,
    now: Duration,
    peers: BTreeMap<WorkerId, Peer>,
    open_jobs: BTreeSet<JobId>,
    jobs: u64,
    submitted: BTreeMap<JobId, u64>,
    /// Tasks that have not ended.
    pending: BTreeSet<TaskId>,
    ended: BTreeMap<TaskId, End>,
    /// The task that was answered, or whose worker died, in the step at hand.
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
        let mut world = World {
            scheduler: Scheduler::new(wanted),
            wanted,
            now: Duration::ZERO,
            peers: BTreeMap::new(),
            open_jobs: BTreeSet::new(),
            jobs: 0,
            submitted: BTreeMap::new(),
            pending: BTreeSet::new(),
            ended: BTreeMap::new(),
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
        loop {
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

    /// Answers whether something has happened by it.
    fn obey(&mut self, action: Action) -> bool {
        match action {
            Action::Start { worker } => {
                assert!(!self.is_terminated && !self.is_broken, "no start after the end");
                if self.refuses_starts {
                    self.dead.insert(worker, None);
                    self.tell(Event::StartFailed { worker });
                    return true;
                }
                assert!(self.peers.insert(worker, Peer::default()).is_none(), "workers have numbers of their own");
                let useful = self.peers.values().filter(|peer| !peer.is_leaving && !peer.is_killed).count();
                assert!(useful <= self.wanted, "no more workers than wanted");
            }
            Action::Send { worker, tasks } => self.receive(worker, tasks),
            Action::Finish { task, end } => self.finish(task, end),
            Action::Forget { job } => assert!(!self.open_jobs.contains(&job)),
            Action::Leave { worker } => self.peers.get_mut(&worker).expect("a living worker").is_leaving = true,
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

    fn receive(&mut self, worker: WorkerId, tasks: Vec<TaskId>) {
        let peer = self.peers.get_mut(&worker).expect("sent to a living worker");
        assert!(peer.is_ready && !peer.is_leaving && !peer.is_killed, "sent to a worker that is ready");
        assert!(!tasks.is_empty() && tasks.iter().all(|task| task.job == tasks[0].job), "a chunk is of one job");
        assert!(tasks.iter().all(|task| self.pending.contains(task)), "sent before its end");
        peer.inbox.extend(&tasks);
        peer.last_chunk = tasks.clone();
        let holders = |task: &TaskId| self.peers.values().filter(|peer| peer.inbox.contains(task)).count();
        assert!(tasks.iter().all(|task| holders(task) == 1), "one worker has a task");
    }

    fn finish(&mut self, task: TaskId, end: End) {
        assert!(self.pending.remove(&task), "{task:?} ended twice, or was never submitted");
        match end {
            End::Answered => assert_eq!(self.answered, Some(task)),
            End::Died(worker) => assert_eq!(self.dead.get(&worker), Some(&Some(task)), "the first of a dead worker"),
            End::Unsendable => assert!(self.unsent.contains(&task)),
            End::Cancelled => assert!(!self.open_jobs.contains(&task.job)),
            End::Refused(refusal) | End::Stopped(_, refusal) => match refusal {
                Refusal::Closed => assert!(self.is_closed),
                Refusal::Terminated => assert!(self.is_terminated),
                Refusal::Broken => assert!(self.is_broken),
            },
        }
        self.ended.insert(task, end);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Open { chunk } => self.open(chunk),
            Step::Submit { job, count, weight } => self.submit(job, count, weight),
            Step::Release { job } => self.release(job),
            Step::Ready { worker } => self.come(worker, |peer, worker| {
                peer.is_ready = true;
                Event::Ready { worker }
            }),
            Step::InitFailed { worker } => self.come(worker, |_, worker| Event::InitFailed { worker }),
            Step::Answer { worker, micros } => self.answer(worker, micros),
            Step::AnswerWrongly { worker } => self.answer_wrongly(worker),
            Step::Die { worker } => self.die(worker),
            Step::LoseChunk { worker } => self.lose_chunk(worker),
            Step::RefuseStarts { refuse } => self.refuses_starts = refuse,
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

    fn open(&mut self, chunk: usize) {
        let job = JobId(self.jobs);
        self.jobs += 1;
        self.submitted.insert(job, 0);
        self.tell(Event::Open { job, chunk: NonZeroUsize::new(chunk) });
        if !self.is_closed && !self.is_terminated && !self.is_broken {
            self.open_jobs.insert(job);
        }
    }

    /// Of any job that was not released, open or refused.
    fn submit(&mut self, job: usize, count: usize, weight: usize) {
        let Some(job) = self.submitted.keys().nth(job % self.submitted.len().max(1)).copied() else { return };
        for _ in 0..count {
            let next = self.submitted.get_mut(&job).expect("known");
            let task = TaskId { job, index: *next };
            *next += 1;
            self.pending.insert(task);
            self.tell(Event::Submit { task, weight });
        }
    }

    fn release(&mut self, job: usize) {
        let Some(job) = self.submitted.keys().nth(job % self.submitted.len().max(1)).copied() else { return };
        self.submitted.remove(&job);
        self.open_jobs.remove(&job);
        self.tell(Event::Release { job });
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

    fn answer(&mut self, number: usize, micros: u64) {
        // A worker that was killed may have answered before.
        let Some(worker) = self.nth(number, |peer| !peer.inbox.is_empty()) else { return };
        let task = self.peers.get_mut(&worker).and_then(|peer| peer.inbox.pop_front()).expect("not empty");
        self.answered = Some(task);
        self.tell(Event::Answered { worker, task, took: Duration::from_micros(micros) });
    }

    fn answer_wrongly(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| peer.is_ready) else { return };
        let task = TaskId { job: JobId(u64::MAX), index: 0 };
        self.tell(Event::Answered { worker, task, took: Duration::ZERO });
        self.settle();
        assert!(self.peers[&worker].is_killed, "a worker that makes things up is killed");
    }

    fn die(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |_| true) else { return };
        let peer = self.peers.remove(&worker).expect("found");
        self.dead.insert(worker, peer.inbox.front().copied());
        self.tell(Event::Died { worker });
    }

    fn lose_chunk(&mut self, number: usize) {
        let Some(worker) = self.nth(number, |peer| !peer.last_chunk.is_empty()) else { return };
        let peer = self.peers.get_mut(&worker).expect("found");
        let tasks = std::mem::take(&mut peer.last_chunk);
        let is_untouched = tasks.iter().all(|task| peer.inbox.contains(task));
        if is_untouched {
            peer.inbox.retain(|task| !tasks.contains(task));
            self.unsent.extend(&tasks);
            self.tell(Event::Unsendable { worker, tasks });
        }
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
        while let Some(job) = self.submitted.keys().next().copied() {
            self.submitted.remove(&job);
            self.open_jobs.remove(&job);
            self.tell(Event::Release { job });
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
            let Peer { is_ready, is_leaving, is_killed, .. } = self.peers[&id];
            let step = match (is_ready, is_killed || is_leaving) {
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
    fn every_task_ends_exactly_once(wanted in 1..5_usize, steps in prop::collection::vec(step(), 0..150)) {
        let mut world = World::new(wanted);
        for step in &steps {
            world.take(step);
        }
        world.run_out();
    }
}

/// A world with `wanted` workers that are ready, and a job of `count` tasks.
fn at_work(wanted: usize, chunk: usize, count: usize) -> World {
    let mut world = World::new(wanted);
    (0..wanted).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.take(&Step::Open { chunk });
    world.take(&Step::Submit { job: 0, count, weight: 1 });
    world
}

#[test]
fn a_death_costs_the_running_task_and_the_rest_comes_first_elsewhere() {
    let mut world = at_work(1, 5, 20);
    world.take(&Step::Answer { worker: 0, micros: 1 });
    world.take(&Step::Die { worker: 0 });
    let lost: Vec<u64> =
        world.ended.iter().filter(|(_, end)| matches!(end, End::Died(_))).map(|(task, _)| task.index).collect();
    assert_eq!(lost, [1]);
    world.take(&Step::Ready { worker: 0 });
    let held: Vec<u64> = world.peers.values().next().unwrap().inbox.iter().map(|task| task.index).collect();
    assert_eq!(held, [2, 3, 4, 5, 6]);
}

#[test]
fn jobs_take_turns() {
    let mut world = at_work(1, 1, 1000);
    world.take(&Step::Open { chunk: 1 });
    world.take(&Step::Submit { job: 1, count: 1, weight: 1 });
    (0..2).for_each(|_| world.take(&Step::Answer { worker: 0, micros: 1 }));
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
    world.take(&Step::Release { job: 0 });
    world.take(&Step::Close);
    assert!(!world.peers.values().next().unwrap().is_killed);
    assert_eq!(world.scheduler.deadline(), Some(world.now + BUSY_GRACE));
    world.take(&Step::Pass { millis: 100 });
    assert!(world.peers.values().next().unwrap().is_killed);
}

#[test]
fn nothing_is_due_while_nothing_happens() {
    assert_eq!(at_work(2, 0, 2).scheduler.deadline(), None);
}
