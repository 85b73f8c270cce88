//! What a worker holds and has not begun, when it is cut off from it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use procession_pool::Pool;

use crate::agents::{STARTS, skips};
use crate::support::{eventually, pool, stop};

/// Says that it has begun and goes on when it may, if it is one of those that wait.
fn task((gates, number): (PathBuf, u32)) -> u32 {
    if gates.join(format!("wait-{number}")).exists() {
        File::create(gates.join(format!("begun-{number}"))).unwrap();
        eventually("its go", || {
            thread::sleep(Duration::from_millis(1));
            gates.join(format!("go-{number}")).exists()
        });
    }
    number
}

/// The same, another function.
fn gate(pair: (PathBuf, u32)) -> u32 {
    task(pair)
}

fn touch(gates: &Path, name: &str) {
    File::create(gates.join(name)).unwrap();
}

fn has_begun(gates: &Path, number: u32) {
    eventually("its begin", || gates.join(format!("begun-{number}")).exists());
}

/// A pool of one worker that knows how short such tasks are, and so is sent several ahead.
fn experienced(gates: &Path) -> Pool {
    let pool = pool(1);
    pool.map(task, (0..200).map(|_| (gates.to_path_buf(), 1000))).unwrap();
    pool
}

/// What becomes of tasks of which the first runs and the others are held by the same worker, when the pool ends in this way.
fn cut_off(end: fn(&Pool, u32)) {
    let gates = tempfile::tempdir().unwrap();
    let gates = gates.path();
    let pool = experienced(gates);
    touch(gates, "wait-0");
    let results = thread::scope(|scope| {
        let results = scope.spawn(|| pool.job(task).collect_all((0..6).map(|number| (gates.to_path_buf(), number))));
        has_begun(gates, 0);
        let worker = &pool.stats().workers[0];
        assert!(worker.load > 1, "nothing was sent ahead");
        end(&pool, worker.pid);
        results.join().unwrap()
    });
    for (place, result) in results.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(error.is_refused() && error.started() == (place == 0), "{place}: {error}");
    }
}

#[test]
fn a_pool_that_is_terminated_tells_which_tasks_had_begun() {
    if skips(STARTS) {
        return;
    }
    cut_off(|pool, _| pool.terminate());
}

#[test]
fn a_pool_that_is_terminated_tells_which_tasks_a_stopped_worker_had_begun() {
    if skips(STARTS) {
        return;
    }
    cut_off(|pool, worker| {
        stop(worker);
        pool.terminate();
    });
}

#[test]
fn a_task_that_is_cancelled_before_its_worker_begins_it_has_not_started_and_stops_nobody() {
    if skips(STARTS) {
        return;
    }
    let gates = tempfile::tempdir().unwrap();
    let gates = gates.path();
    let pool = experienced(gates);
    let of = |number| (gates.to_path_buf(), number);
    ["wait-1", "wait-2"].into_iter().for_each(|name| touch(gates, name));
    let first = pool.apply_async(gate, of(1));
    has_begun(gates, 1);
    // While it runs, these wait; then the worker is sent several of them.
    let runs = pool.apply_async(task, of(2));
    let held: Vec<_> = (3..9).map(|number| pool.apply_async(task, of(number))).collect();
    touch(gates, "go-1");
    has_begun(gates, 2);
    assert_eq!(first.get().unwrap(), 1);
    assert!(pool.stats().workers[0].load > 1, "nothing was sent ahead");
    for held in held {
        assert!(held.cancel());
        let error = held.get().unwrap_err();
        assert!(error.is_cancelled() && !error.started(), "{error}");
    }
    touch(gates, "go-2");
    assert_eq!(runs.get().unwrap(), 2);
    assert_eq!(pool.stats().restarts, 0);
}
