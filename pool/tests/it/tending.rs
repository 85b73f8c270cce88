//! How a pool keeps its workers: when it replaces them, where they run, and how many it has.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};
use std::thread;
use std::time::Duration;

use procession_pool::{Pool, WorkerState};
use procession_sync::Event;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{FOREVER, eventually, send_signal};

fn pid(_: u32) -> u32 {
    std::process::id()
}

/// Takes up so many MiB, and touches all of it, for good.
fn grow(megabytes: usize) -> (u32, usize) {
    let block = vec![1_u8; megabytes << 20];
    let sum = block.iter().step_by(4096).map(|byte| *byte as usize).sum();
    std::mem::forget(block);
    (std::process::id(), sum)
}

/// The process numbers of a pool's workers now.
fn pids(pool: &Pool) -> BTreeSet<u32> {
    pool.stats().workers.iter().map(|worker| worker.pid).collect()
}

#[test]
fn a_worker_that_has_grown_too_big_is_replaced_and_its_result_kept() {
    let pool = Pool::builder().workers(1).max_memory_per_worker(80 << 20).build().unwrap();
    let small = pool.apply(pid, 0).unwrap();
    assert_eq!(pool.apply(pid, 0).unwrap(), small, "one that is small stays");
    let (big, sum) = pool.apply(grow, 100).unwrap();
    assert_eq!((big, sum), (small, 100 << 8));
    eventually("a replacement", || pool.apply(pid, 0).unwrap() != big);
    assert_eq!((pool.stats().failed, pool.stats().restarts), (0, 1));
}

#[test]
fn workers_that_grow_with_each_task_lose_none() {
    let pool = Pool::builder().workers(2).max_memory_per_worker(60 << 20).build().unwrap();
    let results = pool.job(grow).chunk_size(NonZeroUsize::MIN).map([20; 30]).unwrap();
    assert!(results.iter().all(|(_, sum)| *sum == 20 << 8));
    // Of a worker of another host the pool knows what the last beat said, and before the first replacement that may be long past.
    eventually("the last that are too big", || {
        pool.apply(pid, 0).unwrap();
        let stats = pool.stats();
        let are_small = stats.workers.iter().all(|worker| worker.memory.is_none_or(|memory| memory < 60 << 20));
        are_small && stats.restarts >= 2
    });
    assert_eq!(pool.stats().failed, 0);
}

#[test]
fn a_worker_that_is_too_old_is_replaced_when_it_is_used_and_not_before() {
    let pool = Pool::builder().workers(1).max_age(Duration::from_millis(300)).build().unwrap();
    let first = pool.apply(pid, 0).unwrap();
    let born = pids(&pool);
    eventually("a younger worker", || pool.apply(pid, 0).unwrap() != first);
    assert!(born.contains(&first) && pool.stats().restarts >= 1);
    eventually("the older one to leave", || pids(&pool).len() == 1);
    // Nobody uses it, so it stays, however old.
    let last = pids(&pool);
    thread::sleep(Duration::from_millis(700));
    assert_eq!(pids(&pool), last);
}

#[test]
fn the_tasks_of_a_worker_are_counted_whatever_the_chunks() {
    for chunk in [1, 7, 100] {
        let most = NonZeroU64::new(10).unwrap();
        let pool = Pool::builder().workers(1).max_tasks_per_worker(most).build().unwrap();
        let chunk = NonZeroUsize::new(chunk).unwrap();
        let pids = pool.job(pid).chunk_size(chunk).map(0..95).unwrap();
        let mut counts = BTreeMap::new();
        pids.iter().for_each(|pid| *counts.entry(pid).or_insert(0) += 1);
        // Where its replacement is there, it may be relieved of some that it has not begun.
        assert!(counts.values().all(|count| *count <= 10) && counts.len() >= 10, "in chunks of {chunk}: {counts:?}");
    }
}

/// The niceness of the calling process, as the system tells it.
fn niceness(_: ()) -> i32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(") ").next().unwrap();
    // The 19th of all, of which two stand before the last parenthesis.
    fields.split(' ').nth(16).unwrap().parse().unwrap()
}

#[test]
fn workers_are_as_nice_as_they_were_asked_to_be() {
    let own = niceness(());
    let pool = Pool::builder().workers(2).niceness(own + 3).build().unwrap();
    assert_eq!(pool.map(niceness, [(); 20]).unwrap(), [own + 3; 20]);
    // Replacements too.
    pids(&pool).into_iter().for_each(|pid| send_signal(pid, "KILL"));
    eventually("replacements", || pool.stats().restarts >= 2);
    assert!(pool.imap(niceness, [(); 20]).flatten().all(|niceness| niceness == own + 3));
    assert_eq!(niceness(()), own);
}

/// The processors on which the calling process may run.
fn processors(_: ()) -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse().unwrap()..=last.parse().unwrap()
    };
    list.trim().split(',').flat_map(range).collect()
}

#[test]
fn workers_are_spread_over_processors() {
    if skips(DESCRIPTORS) {
        return;
    }
    let own = processors(());
    let pool = Pool::builder().workers(2 * own.len()).processors(own.iter().copied()).build().unwrap();
    // Each waits until all are there, so each has one task.
    let barrier = procession_sync::Barrier::new(2 * own.len() as u32).unwrap();
    let task = |barrier: procession_sync::Barrier| {
        barrier.wait().unwrap();
        processors(())
    };
    let job = pool.job(task).chunk_size(NonZeroUsize::MIN);
    let mut pinned = job.map(vec![barrier; 2 * own.len()]).unwrap();
    pinned.sort();
    let expected: Vec<Vec<usize>> = own.iter().flat_map(|number| [vec![*number], vec![*number]]).collect();
    assert_eq!(pinned, expected);
    assert_eq!(processors(()), own);
}

#[test]
fn a_processor_that_is_not_there_is_refused_by_its_number() {
    let missing = processors(()).into_iter().max().unwrap() + 900;
    let error = Pool::builder().workers(1).processors([missing]).build().unwrap_err().to_string();
    assert!(error.starts_with(&format!("workers cannot run on processor {missing}")), "{error}");
}

#[test]
fn a_worker_that_was_killed_by_hand_is_not_said_to_have_run_out_of_memory() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = Pool::builder().workers(1).build().unwrap();
    let begun = Event::new().unwrap();
    let task = |begun: Event| {
        begun.set();
        thread::sleep(FOREVER * 100);
    };
    let result = pool.apply_async(task, begun.clone());
    assert!(begun.wait_timeout(FOREVER));
    pids(&pool).into_iter().for_each(|pid| send_signal(pid, "KILL"));
    let error = result.get().unwrap_err();
    assert_eq!(error.exit_status().unwrap().signal(), Some(9));
    assert!(!error.is_out_of_memory() && !error.to_string().contains("memory"), "{error}");
}

#[test]
fn workers_come_as_they_are_needed_and_leave_when_they_have_rested() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = Pool::builder().workers(4).idle_timeout(Duration::from_millis(100)).build().unwrap();
    let gate = Event::new().unwrap();
    let busy: Vec<_> = (0..4).map(|_| pool.apply_async(|gate: Event| gate.wait(), gate.clone())).collect();
    let ready = |pool: &Pool| pool.stats().workers.iter().filter(|one| one.state == WorkerState::Ready).count();
    eventually("four workers for four tasks", || ready(&pool) == 4);
    gate.set();
    busy.iter().for_each(|result| result.get().unwrap());
    eventually("three that leave", || pool.stats().workers.len() == 1);
    // The last one stays, and is still good for something.
    assert_eq!(pool.map(|n: u32| n + 1, 0..10).unwrap().len(), 10);
}

#[test]
fn the_fewest_workers_stay_however_long_they_rest() {
    let pool = Pool::builder().workers(4).min_workers(2).idle_timeout(Duration::from_millis(20)).build().unwrap();
    eventually("the fewest", || pool.stats().workers.len() == 2);
    let first = pids(&pool);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(pids(&pool), first);
}

/// Says that a worker comes, and keeps it from being ready until the gate opens.
fn come_through((gate, coming): (Event, Event)) {
    coming.set();
    gate.wait();
}

#[test]
fn a_replacement_is_ready_before_the_old_one_leaves() {
    if skips(DESCRIPTORS) {
        return;
    }
    let (gate, coming) = (Event::new().unwrap(), Event::new().unwrap());
    gate.set();
    let most = NonZeroU64::new(1).unwrap();
    let builder = Pool::builder().workers(1).max_tasks_per_worker(most);
    let pool = builder.initializer(come_through, (gate.clone(), coming.clone())).build().unwrap();
    gate.clear();
    coming.clear();
    let old = pool.apply(pid, 0).unwrap();
    // Its replacement is being prepared, and cannot get on.
    assert!(coming.wait_timeout(FOREVER));
    let now = pids(&pool);
    assert!(now.contains(&old) && now.len() == 2, "the old worker has left before the new one was ready");
    assert!(crate::support::is_alive(old));
    gate.set();
    assert_ne!(pool.apply(pid, 0).unwrap(), old);
    eventually("the end of the old one", || !crate::support::is_alive(old));
}
