//! Cases that matter, one by one.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::world::{Step, World};
use crate::model::ids::{JobId, TaskId, TaskRange, WorkerId};
use crate::model::options::{JobOptions, PoolLimits};
use crate::model::tuning::{EXIT_TIMEOUT, SCHEDULER_TUNING as TUNING};
use crate::scheduler::event::{Action, Event, Outcome, Refusal};
use crate::scheduler::{Scheduler, steps};

/// A world with `wanted` workers that are ready, and a job of `count` tasks, of which `chunk` stay together.
fn at_work(wanted: usize, chunk: usize, count: u64) -> World {
    let mut world = World::new(wanted);
    (0..wanted).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.open(JobOptions { chunk_size: NonZeroUsize::new(chunk), ..JobOptions::default() });
    if count > 0 {
        world.take(&Step::Submit { job: 0, count, weight: 1 });
    }
    world
}

fn held_tasks(world: &World) -> Vec<Vec<u64>> {
    world.peers.values().map(|peer| peer.held.iter().map(|task| task.index).collect()).collect()
}

#[test]
fn a_death_costs_the_running_task_and_the_rest_comes_first_elsewhere() {
    let mut world = at_work(1, 5, 20);
    world.take(&Step::Start { worker: 0, count: 5 });
    world.complete(0, 100_000);
    world.run();
    world.take(&Step::Die { worker: 0 });
    let lost: Vec<u64> =
        world.ended.iter().filter(|(_, end)| matches!(end, Outcome::Died { .. })).map(|(task, _)| task.index).collect();
    assert_eq!(lost, [1]);
    world.take(&Step::Ready { worker: 0 });
    assert!(held_tasks(&world)[0].starts_with(&[2, 3, 4]));
}

#[test]
fn a_death_before_the_beginning_costs_nothing() {
    let mut world = at_work(1, 5, 5);
    world.take(&Step::Die { worker: 0 });
    assert!(world.ended.is_empty());
    world.take(&Step::Ready { worker: 0 });
    assert_eq!(held_tasks(&world), [[0, 1, 2, 3, 4]]);
}

#[test]
fn what_a_busy_worker_has_not_begun_goes_to_an_idle_one() {
    let mut world = at_work(2, 4, 8);
    world.take(&Step::Start { worker: 0, count: 1 });
    (0..4).for_each(|_| world.take(&Step::Complete { worker: 1, micros: 1 }));
    world.take(&Step::Pass { millis: 10 });
    let held = held_tasks(&world);
    assert_eq!((held[0].len(), held[1].len()), (2, 2), "{held:?}");
}

#[test]
fn a_task_that_runs_for_too_long_is_stopped_with_its_worker_alone() {
    let mut world = World::new(2);
    (0..2).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.open(JobOptions { timeout: Some(Duration::from_millis(100)), ..JobOptions::default() });
    world.take(&Step::Submit { job: 0, count: 2, weight: 1 });
    world.take(&Step::Pass { millis: 500 });
    assert!(world.peers.values().all(|peer| !peer.is_terminated_midway), "nothing has started");
    world.take(&Step::Start { worker: 0, count: 1 });
    world.take(&Step::Pass { millis: 99 });
    assert_eq!(world.scheduler.deadline(), Some(world.now + Duration::from_millis(1)));
    world.take(&Step::Pass { millis: 1 });
    assert_eq!(world.peers.values().filter(|peer| peer.is_terminated_midway).count(), 1);
    world.take(&Step::Pass { millis: 300 });
    assert_eq!(world.peers.values().filter(|peer| peer.is_killed).count(), 1);
    world.take(&Step::Die { worker: 0 });
    // The other one has still not started, and is replaced after a while; its task is not lost.
    world.take(&Step::Pass { millis: 2000 });
    assert!(world.peers.values().any(|peer| peer.is_killed && peer.held.is_empty()));
    assert!(
        world.ended.values().all(|end| matches!(end, Outcome::TimedOut { attempt: 1, .. })) && world.ended.len() == 1
    );
}

#[test]
fn jobs_take_turns() {
    let mut world = at_work(1, 1, 1000);
    world.open(JobOptions::default());
    world.take(&Step::Submit { job: 1, count: 1, weight: 1 });
    (0..5).for_each(|_| world.take(&Step::Complete { worker: 0, micros: 5000 }));
    let second = TaskId { job: JobId(1), index: 0 };
    assert!(world.peers.values().next().unwrap().held.contains(&second) || world.ended.contains_key(&second));
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
    assert!(world.ended.values().any(|end| matches!(end, Outcome::Refused(Refusal::Broken))));
}

#[test]
fn an_initializer_that_fails_at_first_breaks_the_pool_at_once() {
    let mut world = World::new(3);
    world.take(&Step::InitFailed { worker: 0 });
    assert!(world.is_broken);
}

#[test]
fn a_worker_that_never_becomes_ready_breaks_the_pool_unless_another_one_has() {
    let late = |others: bool| {
        let start_timeout = Some(Duration::from_millis(100));
        let mut world = World::with(PoolLimits { start_timeout, ..PoolLimits::fixed(2) });
        if others {
            world.take(&Step::Ready { worker: 0 });
        }
        world.take(&Step::Pass { millis: 99 });
        assert!(world.peers.values().all(|peer| !peer.is_killed));
        world.take(&Step::Pass { millis: 1 });
        world
    };
    assert!(late(false).is_broken);
    let mut world = late(true);
    assert!(!world.is_broken && world.peers.values().filter(|peer| peer.is_killed).count() == 1);
    assert_eq!(world.peers.len(), 3, "another one is on its way");
    // One that never comes for good leaves the pool to the one that works.
    (0..100).for_each(|_| {
        world.take(&Step::Die { worker: 1 });
        world.take(&Step::Pass { millis: 500 });
    });
    assert!(!world.is_broken);
}

#[test]
fn what_has_no_limit_has_none_however_that_is_said() {
    let limit = Duration::MAX;
    let (idle_timeout, max_age, start_timeout) = (Some(limit), Some(limit), Some(limit));
    let limits = PoolLimits {
        min_workers: 1,
        idle_timeout,
        max_age,
        start_timeout,
        kill_timeout: limit,
        ..PoolLimits::fixed(2)
    };
    let mut world = World::with(limits);
    world.take(&Step::Pass { millis: 1 });
    world.take(&Step::Ready { worker: 0 });
    world.open(JobOptions { timeout: Some(limit), queue_timeout: Some(limit), ..JobOptions::default() });
    world.take(&Step::Submit { job: 0, count: 5, weight: 1 });
    world.take(&Step::Start { worker: 0, count: 1 });
    world.take(&Step::Pass { millis: 400 });
    world.take(&Step::Cancel { job: 0 });
    world.run_out();
}

#[test]
fn a_worker_that_is_starting_does_not_keep_an_idle_one() {
    let idle_timeout = Some(Duration::from_millis(100));
    let mut world = World::with(PoolLimits { min_workers: 1, idle_timeout, ..PoolLimits::fixed(2) });
    world.take(&Step::Ready { worker: 0 });
    world.open(JobOptions { chunk_size: NonZeroUsize::new(1), ..JobOptions::default() });
    world.take(&Step::Submit { job: 0, count: 8, weight: 1 });
    world.take(&Step::Pass { millis: 50 });
    assert!(world.peers.values().any(|peer| !peer.is_ready), "a second one is starting");
    world.take(&Step::Start { worker: 0, count: 8 });
    (0..8).for_each(|_| world.take(&Step::Complete { worker: 0, micros: 1 }));
    // `run` finds a deadline that has passed and for which nothing was done.
    world.take(&Step::Pass { millis: 500 });
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
    world.take(&Step::Start { worker: 0, count: 1 });
    world.take(&Step::Release { job: 0 });
    world.take(&Step::Close);
    assert!(!world.peers.values().next().unwrap().is_killed);
    assert_eq!(world.scheduler.deadline(), Some(world.now + TUNING.busy_exit_timeout));
    world.take(&Step::Pass { millis: 100 });
    assert!(world.peers.values().next().unwrap().is_killed);
}

#[test]
fn a_worker_that_takes_its_leave_is_killed_when_its_pool_is_dropped_and_not_before() {
    let mut world = World::with(PoolLimits { exit_timeout: None, ..PoolLimits::fixed(1) });
    world.take(&Step::Ready { worker: 0 });
    world.take(&Step::Join);
    world.take(&Step::Pass { millis: 3_600_000 });
    assert!(!world.peers.values().next().unwrap().is_killed);
    world.take(&Step::Drop);
    assert!(!world.peers.values().next().unwrap().is_killed);
    world.take(&Step::Pass { millis: EXIT_TIMEOUT.as_millis() as u64 });
    assert!(world.peers.values().next().unwrap().is_killed);
}

#[test]
fn nothing_is_due_while_nothing_happens() {
    assert_eq!(at_work(2, 0, 2).scheduler.deadline(), None);
}

/// A world with a worker that holds a task of one job and then one of another.
fn with_two_jobs() -> World {
    let mut world = World::new(1);
    world.take(&Step::Ready { worker: 0 });
    (0..2)
        .for_each(|_| world.open(JobOptions { avg_duration: Some(Duration::from_micros(1)), ..JobOptions::default() }));
    world.take(&Step::Submit { job: 0, count: 2, weight: 1 });
    world.take(&Step::Complete { worker: 0, micros: 1 });
    world.take(&Step::Submit { job: 1, count: 2, weight: 1 });
    let held: Vec<u64> = world.peers.values().flat_map(|peer| peer.held.iter().map(|task| task.job.0)).collect();
    assert_eq!(held, [0, 1], "the case is not what it was meant to be");
    world
}

/// How many workers were asked to end in the middle of what they do.
fn stopped(world: &World) -> usize {
    world.peers.values().filter(|peer| peer.is_terminated_midway).count()
}

#[test]
fn a_cancelled_job_s_worker_that_is_on_to_another_job_s_task_is_not_stopped() {
    let mut world = with_two_jobs();
    // It has done the first by then, which was not heard.
    world.take(&Step::Start { worker: 0, count: 2 });
    world.take(&Step::Cancel { job: 0 });
    assert_eq!(stopped(&world), 0);
    world.take(&Step::Complete { worker: 0, micros: 1 });
    world.run_out();
    assert!(world.ended.iter().all(|(task, end)| task.job == JobId(0) || *end == Outcome::Completed));
}

#[test]
fn a_cancelled_task_is_stopped_even_where_the_end_of_the_one_before_was_not_heard() {
    let mut world = with_two_jobs();
    world.take(&Step::Start { worker: 0, count: 2 });
    world.take(&Step::Cancel { job: 1 });
    assert_eq!(stopped(&world), 1);
}

#[test]
fn a_task_that_could_not_be_taken_back_when_it_was_cancelled_is_taken_back_later() {
    let mut world = with_two_jobs();
    world.take(&Step::Start { worker: 0, count: 1 });
    world.take(&Step::Clog { worker: 0 });
    world.take(&Step::Cancel { job: 1 });
    assert_eq!((stopped(&world), held_tasks(&world)[0].len()), (0, 2));
    world.take(&Step::Clog { worker: 0 });
    world.take(&Step::Complete { worker: 0, micros: 1 });
    assert_eq!((stopped(&world), held_tasks(&world)[0].len()), (0, 0));
    world.take(&Step::Submit { job: 0, count: 1, weight: 1 });
    assert_eq!(held_tasks(&world)[0].len(), 1, "it is free again");
}

#[test]
fn a_task_is_not_timed_from_the_start_of_the_one_before() {
    let mut world = World::new(1);
    world.take(&Step::Ready { worker: 0 });
    world.take(&Step::Pass { millis: 5000 });
    world.open(JobOptions { timeout: Some(Duration::from_millis(100)), ..JobOptions::default() });
    world.take(&Step::Submit { job: 0, count: 1, weight: 1 });
    let peer = world.peers.values_mut().next().unwrap();
    // It has started and did not get to say when.
    (peer.started, peer.since) = (1, Duration::ZERO);
    world.take(&Step::Pass { millis: 99 });
    assert_eq!(stopped(&world), 0);
    world.take(&Step::Pass { millis: 1 });
    assert_eq!(stopped(&world), 1);
}

#[test]
fn a_task_that_was_in_time_after_all_is_not_stopped_nor_is_the_next_one() {
    let mut world = World::new(1);
    world.take(&Step::Ready { worker: 0 });
    world.open(JobOptions { timeout: Some(Duration::from_millis(100)), ..JobOptions::default() });
    world.take(&Step::Submit { job: 0, count: 5, weight: 1 });
    (0..2).for_each(|_| world.complete(0, 1));
    world.run();
    assert!(held_tasks(&world)[0].len() > 1);
    world.take(&Step::Start { worker: 0, count: 1 });
    // Known to run since then, and, unheard, done at the last moment.
    world.take(&Step::Start { worker: 0, count: 1 });
    world.take(&Step::Pass { millis: 150 });
    assert_eq!(stopped(&world), 0);
    world.take(&Step::Pass { millis: 99 });
    assert_eq!(stopped(&world), 0);
    world.take(&Step::Complete { worker: 0, micros: 1 });
    world.run_out();
    assert!(world.ended.values().all(|end| *end == Outcome::Completed));
}

/// Returns the number of visits that it takes to open `jobs` jobs of one task, to complete a tenth of them, and to end the others.
fn looks(jobs: u64, ending: impl Fn(JobId) -> Event, queue_timeout: Option<Duration>) -> u64 {
    steps::COUNT.set(0);
    let mut scheduler = Scheduler::new(PoolLimits::fixed(1), &TUNING);
    let mut now = Duration::ZERO;
    let mut answers = 0;
    let mut tell = |event: Event| {
        now += Duration::from_micros(10);
        let worker = WorkerId(1);
        scheduler.handle(event, now);
        scheduler.handle(Event::Tick, now);
        while let Some(action) = scheduler.next_action() {
            match action {
                Action::Revoke { count, .. } => scheduler.handle(Event::Revoked { worker, count, unstarted: 0 }, now),
                Action::Send { tasks, .. } if answers < jobs / 10 => {
                    answers += tasks.count;
                    scheduler.handle(Event::Completed { worker, count: tasks.count }, now);
                }
                _ => {}
            }
        }
        let _due = scheduler.deadline();
    };
    tell(Event::Tick);
    tell(Event::Ready { worker: WorkerId(1) });
    for job in (0..jobs).map(JobId) {
        tell(Event::Open { job, options: JobOptions { queue_timeout, ..JobOptions::default() } });
        tell(Event::Submit { tasks: TaskRange { job, first: 0, count: 1 }, weight: 1 });
    }
    (0..jobs).rev().map(JobId).for_each(|job| tell(ending(job)));
    assert!(answers >= jobs / 10, "a tenth of them was done");
    steps::COUNT.get()
}

#[test]
fn a_job_costs_the_same_however_many_others_are_open() {
    for queue_timeout in [None, Some(Duration::from_secs(600)), Some(Duration::from_millis(1))] {
        for ending in [|job| Event::Cancel { job }, |job| Event::Release { job }] {
            let (few, many) = (looks(100, ending, queue_timeout), looks(10_000, ending, queue_timeout));
            assert!(many <= 300 * (few + 10), "{few} looks for a hundred jobs, and {many} for ten thousand");
        }
    }
}

/// Returns the number of visits that it takes to complete `jobs` jobs of one short task, each of which is released at its end.
fn looks_of_done(jobs: u64) -> u64 {
    steps::COUNT.set(0);
    let (worker, now) = (WorkerId(1), Duration::from_secs(1));
    let mut scheduler = Scheduler::new(PoolLimits::fixed(1), &TUNING);
    let avg_duration = Some(Duration::from_micros(1));
    scheduler.handle(Event::Tick, now);
    scheduler.handle(Event::Ready { worker }, now);
    for job in (0..jobs).map(JobId) {
        scheduler.handle(Event::Open { job, options: JobOptions { avg_duration, ..JobOptions::default() } }, now);
        scheduler.handle(Event::Submit { tasks: TaskRange { job, first: 0, count: 1 }, weight: 1 }, now);
    }
    let (mut sent, mut most, mut done) = (VecDeque::new(), 0, 0);
    while done < jobs {
        scheduler.handle(Event::Tick, now);
        while let Some(action) = scheduler.next_action() {
            if let Action::Send { tasks, .. } = action {
                sent.push_back(tasks.job);
            }
        }
        most = most.max(sent.len());
        let job = sent.pop_front().expect("a worker with something to do");
        done += 1;
        scheduler.handle(Event::Completed { worker, count: 1 }, now);
        scheduler.handle(Event::Release { job }, now);
    }
    assert!(most >= 30, "short tasks are sent ahead, whatever their jobs: {most}");
    steps::COUNT.get()
}

#[test]
fn the_end_of_a_job_costs_the_same_however_many_others_a_worker_holds() {
    let (few, many) = (looks_of_done(100), looks_of_done(10_000));
    assert!(many <= 300 * (few + 10), "{few} looks for a hundred jobs, and {many} for ten thousand");
}

#[test]
fn time_on_the_way_is_what_was_not_spent_running_since_a_worker_was_heard_of() {
    let (worker, job, at) = (WorkerId(1), JobId(0), Duration::from_millis);
    let mut scheduler = Scheduler::new(PoolLimits::fixed(1), &TUNING);
    scheduler.handle(Event::Tick, at(0));
    scheduler.handle(Event::Ready { worker }, at(5));
    scheduler.handle(
        Event::Open { job, options: JobOptions { chunk_size: NonZeroUsize::new(8), ..JobOptions::default() } },
        at(50),
    );
    scheduler.handle(Event::Submit { tasks: TaskRange { job, first: 0, count: 8 }, weight: 1 }, at(50));
    scheduler.handle(Event::Tick, at(100));
    // Four of them are heard of after 30 ms, of which they ran for 10.
    scheduler.handle(Event::Completed { worker, count: 4 }, at(130));
    scheduler.handle(Event::Timed { worker, count: 4, took: at(10) }, at(130));
    let transfer = scheduler.times.transfer.clone();
    assert_eq!(transfer.count(), 4);
    assert!(transfer.quantile(1.0) >= at(5) && transfer.quantile(1.0) < at(10), "{transfer:?}");
    // The others have waited for those, and that wait is not in transit.
    scheduler.handle(Event::Completed { worker, count: 4 }, at(140));
    scheduler.handle(Event::Timed { worker, count: 4, took: at(10) }, at(140));
    let transfer = scheduler.times.transfer.clone();
    assert_eq!((transfer.count(), transfer.quantile(0.5)), (8, Duration::from_nanos(2)), "{transfer:?}");
}

/// A world with two ready workers on another host, where orders and answers wait.
fn on_another_host() -> World {
    let mut world = World::on_hosts(PoolLimits::fixed(2), 2);
    // The first two workers are on the two hosts, so the local one makes way for another.
    world.take(&Step::Die { worker: 0 });
    world.take(&Step::Deliver { host: 1, count: 9 });
    (0..2).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.take(&Step::Hear { host: 1, count: 9 });
    world.open(JobOptions { chunk_size: NonZeroUsize::new(4), ..JobOptions::default() });
    world
}

#[test]
fn a_worker_is_sent_nothing_until_each_revoke_is_answered() {
    let mut world = on_another_host();
    let revokes = |world: &World| world.mirrors.values().map(|mirror| mirror.revokes).max();
    world.take(&Step::Submit { job: 0, count: 8, weight: 1 });
    world.take(&Step::Deliver { host: 1, count: 9 });
    // One worker is done, which lets it have a part of what the other holds. Then the job is released, which asks for all of it.
    for _ in 0..4 {
        world.take(&Step::Complete { worker: 1, micros: 500 });
        world.take(&Step::Hear { host: 1, count: 9 });
        world.take(&Step::Deliver { host: 1, count: 9 });
    }
    world.take(&Step::Pass { millis: 10 });
    assert_eq!(revokes(&world), Some(1));
    world.take(&Step::Release { job: 0 });
    assert_eq!(revokes(&world), Some(2));
    world.open(JobOptions::default());
    world.take(&Step::Submit { job: 1, count: 9, weight: 1 });
    world.take(&Step::Deliver { host: 1, count: 1 });
    world.take(&Step::Hear { host: 1, count: 1 });
    // `World::send` finds a worker that is sent something all the same.
    assert_eq!(revokes(&world), Some(1));
    world.run_out();
}

#[test]
fn a_task_that_ends_while_its_stop_is_on_the_way_costs_no_other_one() {
    let mut world = on_another_host();
    world.take(&Step::Submit { job: 0, count: 4, weight: 1 });
    world.take(&Step::Deliver { host: 1, count: 9 });
    world.take(&Step::Start { worker: 0, count: 1 });
    world.take(&Step::Cancel { job: 0 });
    world.open(JobOptions::default());
    world.take(&Step::Submit { job: 1, count: 9, weight: 1 });
    world.take(&Step::Complete { worker: 0, micros: 1 });
    world.take(&Step::Deliver { host: 1, count: 9 });
    world.take(&Step::Hear { host: 1, count: 9 });
    assert_eq!(stopped(&world), 0, "it has nothing to be stopped in");
    world.run_out();
    let (others, cancelled): (Vec<_>, Vec<_>) = world.ended.iter().partition(|(task, _)| task.job == JobId(1));
    assert!(others.iter().all(|(_, end)| **end == Outcome::Completed));
    assert!(cancelled.iter().all(|(_, end)| matches!(end, Outcome::Stopped(_) | Outcome::Cancelled)));
}

#[test]
fn a_lost_host_loses_its_tasks_unless_they_may_run_twice() {
    for retries in [0, 1] {
        let mut world = on_another_host();
        world.open(JobOptions { chunk_size: NonZeroUsize::new(4), retries, ..JobOptions::default() });
        world.take(&Step::Submit { job: 1, count: 8, weight: 1 });
        world.take(&Step::Deliver { host: 1, count: 9 });
        world.take(&Step::Complete { worker: 0, micros: 10_000 });
        world.take(&Step::Hear { host: 1, count: 9 });
        world.take(&Step::LoseHost { host: 1 });
        let is_lost = |end: &&Outcome| matches!(end, Outcome::HostLost { attempt: 1, .. });
        assert_eq!(
            world.ended.values().filter(is_lost).count(),
            if retries == 0 { 4 } else { 0 },
            "two of each worker"
        );
        assert!(!world.is_broken, "it says nothing of the workers");
        world.run_out();
        assert_eq!(world.ended.len(), 8);
    }
}

#[test]
fn a_task_that_was_running_on_three_lost_hosts_is_not_tried_again() {
    let mut world = on_another_host();
    world.take(&Step::Resize { workers: 1 });
    world.open(JobOptions { chunk_size: NonZeroUsize::new(2), retries: 1, ..JobOptions::default() });
    world.take(&Step::Submit { job: 1, count: 2, weight: 1 });
    for _ in 0..TUNING.max_host_losses {
        assert!(world.ended.is_empty());
        while world.mirrors.values().all(|mirror| mirror.held.is_empty()) {
            world.take(&Step::Die { worker: 0 });
            world.take(&Step::Deliver { host: 1, count: 9 });
            world.take(&Step::Ready { worker: 0 });
            world.take(&Step::Hear { host: 1, count: 9 });
        }
        world.take(&Step::LoseHost { host: 1 });
    }
    world.run_out();
    let ends: Vec<&Outcome> = world.ended.values().collect();
    assert!(matches!(ends[..], [Outcome::HostLost { attempt: 1, .. }, Outcome::Completed]), "{ends:?}");
}

#[test]
fn what_may_run_twice_is_granted_at_once_and_other_tasks_for_two_round_trips() {
    let granted = |retries, avg| {
        let mut world = on_another_host();
        let avg_duration = Some(Duration::from_micros(avg));
        world.open(JobOptions { chunk_size: NonZeroUsize::new(50), retries, avg_duration, ..JobOptions::default() });
        world.take(&Step::Submit { job: 1, count: 100, weight: 1 });
        world.mirrors.values().map(|mirror| (mirror.held.len(), mirror.granted)).collect::<Vec<_>>()
    };
    // The round trip takes 2 ms.
    assert_eq!(granted(0, 100), [(50, 40); 2]);
    assert_eq!(granted(0, 10_000), [(50, 2); 2]);
    assert_eq!(granted(1, 10_000), [(50, 50); 2]);
}

#[test]
fn a_task_that_is_for_one_worker_of_another_host_is_granted() {
    let mut world = on_another_host();
    world.take(&Step::Pin { options: 0 });
    let granted = world.mirrors.values().map(|mirror| mirror.granted);
    assert_eq!(granted.collect::<Vec<u64>>(), [1; 2]);
}

#[test]
fn a_task_is_not_late_because_the_one_before_it_was() {
    let mut world = World::on_hosts(PoolLimits::fixed(2), 2);
    // Found by random histories: all that a late worker has not started comes back, and its late task has ended meanwhile.
    let steps = [
        Step::Open { options: 0 },
        Step::LoseHost { host: 1 },
        Step::Open { options: 0 },
        Step::Ready { worker: 0 },
        Step::Pin { options: 4 },
        Step::Complete { worker: 0, micros: 1 },
        Step::Deliver { host: 1, count: 1 },
        Step::Die { worker: 499 },
        Step::Release { job: 0 },
        Step::ExceedMemory { worker: 0 },
        Step::Release { job: 578 },
        Step::Die { worker: 103 },
        Step::Deliver { host: 1, count: 1 },
        Step::Ready { worker: 0 },
        Step::Ready { worker: 0 },
        Step::Hear { host: 1, count: 2 },
        Step::Submit { job: 0, count: 13, weight: 8 },
        Step::Deliver { host: 1, count: 2 },
        Step::Start { worker: 0, count: 1 },
        Step::Hear { host: 1, count: 1 },
    ];
    steps.iter().for_each(|step| world.take(step));
    world.run_out();
}

#[test]
fn a_job_that_ends_says_which_of_its_tasks_cannot_have_started_elsewhere() {
    let mut world = on_another_host();
    world.open(JobOptions { chunk_size: NonZeroUsize::new(4), ..JobOptions::default() });
    world.take(&Step::Submit { job: 1, count: 8, weight: 1 });
    world.take(&Step::Cancel { job: 1 });
    let stopped: Vec<u64> =
        world.ended.iter().filter(|(_, end)| matches!(end, Outcome::Stopped(_))).map(|(task, _)| task.index).collect();
    assert_eq!(stopped, [0, 1, 4, 5]);
    assert_eq!(world.ended.values().filter(|end| **end == Outcome::Cancelled).count(), 4);
}
