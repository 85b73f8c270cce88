//! Functions that run once in each worker.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use procession_pool::Pool;
use procession_sync::Event;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{FOREVER, die_by, eventually, pool};

fn pid(_: u32) -> u32 {
    std::process::id()
}

#[test]
fn each_worker_runs_it_once_and_in_their_order() {
    let pool = pool(4);
    eventually("four processes", || pool.stats().workers.len() == 4);
    let pids: Vec<u32> = pool.stats().workers.iter().map(|worker| worker.pid).collect();
    assert_eq!(pool.broadcast(pid, 0).unwrap(), pids);
    pool.resize(6).unwrap();
    let all: BTreeSet<u32> = pool.broadcast(pid, 0).unwrap().into_iter().collect();
    assert!(all.len() == 6 && pids.iter().all(|pid| all.contains(pid)));
}

#[test]
fn what_it_changes_is_there_for_tasks_that_come_later() {
    static LEVEL: AtomicU32 = AtomicU32::new(0);
    let pool = pool(3);
    assert_eq!(pool.broadcast(|level: u32| LEVEL.swap(level, Ordering::SeqCst), 7).unwrap(), [0, 0, 0]);
    assert!(pool.map(|_: u32| LEVEL.load(Ordering::SeqCst), 0..500).unwrap().into_iter().all(|level| level == 7));
}

#[test]
fn a_busy_worker_runs_it_when_it_has_done_what_it_had() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(2);
    let (begun, gate) = (Event::new().unwrap(), Event::new().unwrap());
    let task = |(begun, gate): (Event, Event)| {
        begun.set();
        gate.wait();
        std::process::id()
    };
    let busy = pool.apply_async(task, (begun.clone(), gate.clone()));
    assert!(begun.wait_timeout(FOREVER));
    thread::scope(|scope| {
        let all = scope.spawn(|| pool.broadcast(pid, 0));
        // The others go on meanwhile, on whichever worker.
        assert_eq!(pool.map(|n: u32| n, 0..200).unwrap().len(), 200);
        gate.set();
        assert!(all.join().unwrap().unwrap().contains(&busy.get().unwrap()));
    });
}

#[test]
fn errors_are_told_when_all_have_come_to_their_end() {
    let pool = pool(3);
    eventually("three processes", || pool.stats().workers.len() == 3);
    let second = pool.stats().workers[1].pid;
    let error = pool.broadcast(|pid: u32| assert_ne!(std::process::id(), pid), second).unwrap_err();
    assert!(error.is_panic() && error.index() == 1 && error.pid() == Some(second));
    let die = |pid: u32| {
        if std::process::id() == pid {
            die_by("KILL")
        }
    };
    let error = pool.broadcast(die, second).unwrap_err();
    assert!(error.is_death() && error.index() == 1);
    assert_eq!(pool.map(|n: u32| n, 0..10).unwrap().len(), 10);
    pool.terminate();
    assert!(pool.broadcast(pid, 0).unwrap_err().is_refused());
}

#[test]
fn workers_that_are_replaced_meanwhile_hang_nobody() {
    let pool = Pool::builder().workers(2).max_tasks_per_worker(3.try_into().unwrap()).build().unwrap();
    for _ in 0..30 {
        let ran = pool.broadcast(pid, 0).unwrap().len();
        assert!(ran <= 2);
        assert_eq!(pool.map(|n: u32| n, 0..5).unwrap().len(), 5);
    }
}
