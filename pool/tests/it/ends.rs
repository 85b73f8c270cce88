//! How a pool ends: closed, joined, terminated, dropped; and that nobody waits for ever.

use std::sync::mpsc;
use std::time::Duration;

use crate::support::{FOREVER, eventually, is_alive, pool};

fn sleep_long(_: u32) -> u32 {
    std::thread::sleep(Duration::from_secs(3600));
    0
}

#[test]
fn a_closed_pool_finishes_what_has_begun_and_takes_nothing_new() {
    let pool = pool(2);
    let begun = pool.imap(|n: u32| n, 0..500);
    pool.close();
    pool.close();
    let late = pool.imap(|n: u32| n, 0..3);
    assert_eq!(late.len(), 3);
    let late: Vec<String> = late.map(|result| result.unwrap_err().to_string()).collect();
    assert_eq!(late[2], "task 2 did not run: the pool is closed");
    assert_eq!(begun.map(Result::unwrap).count(), 500);
    pool.join();
    pool.join();
    assert!(pool.join_timeout(Duration::ZERO));
    let error = pool.map(|n: u32| n, [1]).unwrap_err();
    assert!(error.is_refused() && !error.started());
}

#[test]
fn terminate_ends_what_runs_and_says_what_may_have_begun() {
    let pool = pool(2);
    let (begun, has_begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let pool = &pool;
        let sleeper = scope.spawn(move || {
            let input = (0..50).inspect(|n| {
                if *n == 4 {
                    begun.send(()).unwrap()
                }
            });
            pool.imap_unordered(sleep_long, input).map(Result::unwrap_err).collect::<Vec<_>>()
        });
        has_begun.recv_timeout(FOREVER).unwrap();
        pool.terminate();
        let errors = sleeper.join().unwrap();
        assert_eq!(errors.len(), 50);
        assert!(errors.iter().all(|error| error.is_refused() && error.to_string().contains("terminated")));
        assert!(errors.iter().filter(|error| error.started()).count() <= 2);
    });
}

#[test]
fn dropping_an_iterator_cancels_the_rest() {
    let pool = pool(2);
    let mut results = pool.imap(|n: u32| if n < 2 { n } else { sleep_long(n) }, 0..1000);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    drop(results);
    // Both workers may be asleep in tasks that nobody waits for. The pool ends all the same.
    drop(pool);
}

#[test]
fn dropping_a_pool_ends_its_workers() {
    let pool = pool(3);
    let mut pids = pool.map(|()| std::process::id(), [(); 50]).unwrap();
    pids.dedup();
    drop(pool);
    assert!(pids.into_iter().all(|pid| !is_alive(pid)));
}

#[test]
fn a_fast_failure_leaves_no_task_running_for_long() {
    let pool = pool(2);
    let error = pool.map(|n: u32| if n == 0 { panic!("first") } else { sleep_long(n) }, 0..100).unwrap_err();
    assert_eq!(error.index(), 0);
    drop(pool);
}

#[test]
fn join_timeout_gives_up_and_can_be_asked_again() {
    let pool = pool(1);
    // A task that nobody waits for keeps the worker busy; it is not waited for either, but killed after a grace.
    let mut results = pool.imap(|n: u32| if n == 0 { n } else { sleep_long(n) }, 0..2);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    drop(results);
    eventually("the end of the pool", || pool.join_timeout(Duration::from_millis(1)));
}

#[test]
fn an_input_that_panics_leaves_the_pool_usable() {
    let pool = pool(2);
    let input = (0..100_u32).map(|n| if n == 50 { panic!("no more") } else { n });
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.map(|n: u32| n, input)));
    assert!(unwound.is_err());
    assert_eq!(pool.map(|n: u32| n, 0..10).unwrap().len(), 10);
}

#[test]
fn workers_die_with_a_killed_parent() {
    // The task is the parent of a pool of its own.
    let outer = pool(1);
    let task = |()| -> Vec<u32> {
        let inner = pool(2);
        let pids = inner.map(|()| std::process::id(), [(); 20]).unwrap();
        // Its destructor does not run when it is killed either.
        std::mem::forget(inner);
        pids
    };
    let pids = outer.map(task, [()]).unwrap().remove(0);
    assert!(pids.iter().any(|pid| is_alive(*pid)));
    outer.terminate();
    eventually("the death of the workers' workers", || pids.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn workers_sleep_through_an_interrupt() {
    let pool = pool(1);
    let interrupt = |n: u32| {
        crate::support::send_signal(std::process::id(), "INT");
        n
    };
    assert_eq!(pool.map(interrupt, [1, 2]).unwrap(), [1, 2]);
}

#[test]
fn a_join_waits_for_tasks_and_for_no_reader() {
    let pool = pool(2);
    let one = pool.apply_async(|n: u32| n * n, 7);
    let many = pool.map_async(|n: u32| n + 1, 0..50);
    let panicked = pool.apply_async(|_: u32| -> u32 { panic!("as expected") }, 1);
    let lost = pool.apply_async(|_: u32| -> u32 { std::process::abort() }, 1);
    let forgotten = pool.imap(|n: u32| n, 0..10);
    std::mem::forget(forgotten);
    let unread = pool.imap(|n: u32| n, 0..3);
    pool.close();
    pool.join();
    assert_eq!(one.get().unwrap(), 49);
    assert_eq!(many.get().unwrap().len(), 50);
    assert!(panicked.get().unwrap_err().is_panic() && lost.get().unwrap_err().is_death());
    assert!(unread.map(Result::unwrap_err).all(|error| error.is_refused() && !error.started()));
}

#[test]
fn a_join_lets_a_call_of_another_thread_come_to_its_end() {
    let pool = pool(1);
    let (begun, has_begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let input = (0..2000).inspect(|n| {
                if *n == 100 {
                    begun.send(()).unwrap()
                }
            });
            pool.map(|n: u32| n, input)
        });
        has_begun.recv_timeout(FOREVER).unwrap();
        pool.join();
        assert_eq!(caller.join().unwrap().unwrap().len(), 2000);
    });
}

#[test]
fn dropping_a_pool_ends_what_runs_and_what_waits() {
    let pool = pool(1);
    let done = pool.apply_async(|n: u32| n, 5);
    assert!(done.wait_timeout(FOREVER));
    let (running, waiting) = (pool.apply_async(sleep_long, 1), pool.map_async(sleep_long, 0..10));
    let (told, tell) = mpsc::channel();
    pool.apply_async(sleep_long, 2).on_done(move |result| told.send(result).unwrap());
    drop(pool.apply_async(sleep_long, 3));
    drop(pool);
    assert_eq!(done.get().unwrap(), 5);
    for error in [running.get().unwrap_err(), waiting.get().unwrap_err(), tell.recv().unwrap().unwrap_err()] {
        assert!(error.is_refused() && error.to_string().ends_with("the pool was dropped"), "{error}");
    }
}
