//! Workers that were stopped, by a debugger or job control, and not killed.

use std::time::Duration;

use procession_pool::Pool;

use crate::support::{FOREVER, pool, send_signal, stop};

/// The numbers of the workers, when all are ready.
fn pids(pool: &Pool) -> Vec<u32> {
    pool.broadcast(|()| std::process::id(), ()).unwrap()
}

#[test]
fn a_task_that_was_sent_to_a_stopped_worker_expires() {
    let pool = pool(1);
    let worker = pids(&pool)[0];
    stop(worker);
    let late = pool.job(|n: u32| n).queue_timeout(Duration::from_millis(20)).apply_async(1);
    assert!(late.wait_timeout(FOREVER));
    let error = late.get().unwrap_err();
    assert!(error.is_expired() && !error.started(), "{error}");
    let open = pool.apply_async(|n: u32| n, 2);
    assert!(pool.stats().workers[0].task.is_none(), "it is said to run though it has not begun");
    send_signal(worker, "CONT");
    assert_eq!(open.get().unwrap(), 2);
}

#[test]
fn a_task_that_must_not_take_long_is_not_left_with_a_stopped_worker() {
    let pool = pool(1);
    let worker = pids(&pool)[0];
    stop(worker);
    let pid = pool.job(|()| std::process::id()).timeout(Duration::from_millis(20)).apply_async(());
    assert!(pid.wait_timeout(FOREVER));
    // It has not begun in the one, so nothing is lost.
    assert_ne!(pid.get().unwrap(), worker);
}

#[test]
fn what_a_stopped_worker_was_sent_goes_to_one_that_has_nothing_to_do() {
    let pool = pool(2);
    let all = pids(&pool);
    stop(all[0]);
    let results: Vec<_> = (0..20).map(|_| pool.apply_async(|()| std::process::id(), ())).collect();
    assert!(results.iter().all(|result| result.get().unwrap() == all[1]));
    send_signal(all[0], "CONT");
}

#[test]
fn a_stopped_worker_keeps_no_pool_from_its_end() {
    let pool = pool(2);
    pids(&pool).into_iter().for_each(stop);
    let running = pool.map_async(|n: u32| n, 0..10);
    drop(pool);
    assert!(running.get().unwrap_err().is_refused());
}
