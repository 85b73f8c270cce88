//! How many workers a pool has: what a resize changes, what counts as a replacement, and how soon an idle worker gets tasks again.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::world::{Step, World};
use crate::model::options::{JobOptions, PoolLimits};

/// Resizes the pool, and has all its workers become ready or leave.
fn resize(world: &mut World, workers: usize) {
    world.take(&Step::Resize { workers });
    settle(world);
}

fn settle(world: &mut World) {
    for _ in 0..20 {
        world.take(&Step::Ready { worker: 0 });
        let leaving = world.peers.values().position(|peer| peer.is_leaving || peer.is_killed);
        leaving.into_iter().for_each(|worker| world.take(&Step::Die { worker }));
    }
}

#[test]
fn a_smaller_pool_that_becomes_large_again_keeps_as_many_idle_workers_as_before() {
    let idle_timeout = Some(Duration::from_millis(100));
    let mut world = World::with(PoolLimits { min_workers: 3, idle_timeout, ..PoolLimits::fixed(4) });
    settle(&mut world);
    resize(&mut world, 1);
    assert_eq!(world.peers.len(), 1);
    resize(&mut world, 4);
    assert_eq!(world.peers.len(), 3);
    world.take(&Step::Pass { millis: 1000 });
    settle(&mut world);
    assert_eq!(world.peers.len(), 3);
}

#[test]
fn only_workers_that_replace_others_count_as_restarts() {
    let mut world = World::new(2);
    settle(&mut world);
    resize(&mut world, 5);
    assert_eq!((world.peers.len(), world.scheduler.restarts()), (5, 0));
    resize(&mut world, 1);
    resize(&mut world, 3);
    assert_eq!((world.peers.len(), world.scheduler.restarts()), (3, 0));
    world.take(&Step::Die { worker: 0 });
    settle(&mut world);
    assert_eq!((world.peers.len(), world.scheduler.restarts()), (3, 1));
    // One that was lost while starts are put off is not missed any more in a smaller pool.
    world.take(&Step::RefuseStarts { refuse: true });
    (0..3).for_each(|_| world.take(&Step::Die { worker: 0 }));
    let restarts = world.scheduler.restarts();
    resize(&mut world, 1);
    world.take(&Step::RefuseStarts { refuse: false });
    world.take(&Step::Pass { millis: 500 });
    settle(&mut world);
    resize(&mut world, 3);
    assert_eq!((world.peers.len(), world.scheduler.restarts()), (3, restarts + 1));
}

#[test]
fn workers_that_come_and_go_with_the_work_are_no_restarts() {
    let idle_timeout = Some(Duration::from_millis(100));
    let mut world = World::with(PoolLimits { min_workers: 1, idle_timeout, ..PoolLimits::fixed(4) });
    settle(&mut world);
    for job in 0..3 {
        world.open(JobOptions { chunk_size: NonZeroUsize::new(1), ..JobOptions::default() });
        world.take(&Step::Submit { job, count: 4, weight: 1 });
        settle(&mut world);
        assert_eq!(world.peers.len(), 4);
        (0..4).for_each(|worker| world.take(&Step::Complete { worker, micros: 1 }));
        world.take(&Step::Pass { millis: 1000 });
        settle(&mut world);
        assert_eq!((world.peers.len(), world.scheduler.restarts()), (1, 0));
    }
}

#[test]
fn a_worker_that_has_done_its_share_gets_another_one_at_once() {
    let mut world = World::new(2);
    (0..2).for_each(|_| world.take(&Step::Ready { worker: 0 }));
    world.open(JobOptions { chunk_size: NonZeroUsize::new(16), ..JobOptions::default() });
    world.take(&Step::Submit { job: 0, count: 16, weight: 1 });
    // Nothing is known of these tasks, so each worker has a share.
    let held = |world: &World| world.peers.values().map(|peer| peer.held.len()).collect::<Vec<_>>();
    assert_eq!(held(&world), [8, 8]);
    world.take(&Step::Start { worker: 0, count: 1 });
    (0..8).for_each(|_| world.take(&Step::Complete { worker: 1, micros: 5000 }));
    assert_eq!(held(&world), [4, 4], "no time has passed");
}
