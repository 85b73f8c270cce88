//! Workers that die: each costs one item, whatever ended it and whenever.

use std::time::Duration;

use procession_pool::{Pool, TaskError};

use crate::support::{die_by, eventually, pool, send_signal};

/// Splits results into values and errors.
fn sorted<T>(results: impl Iterator<Item = Result<T, TaskError>>) -> (Vec<T>, Vec<TaskError>) {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    results.for_each(|result| match result {
        Ok(value) => values.push(value),
        Err(error) => errors.push(error),
    });
    (values, errors)
}

/// The process numbers of all workers of a pool.
fn workers(pool: &Pool) -> Vec<u32> {
    let mut pids = Vec::new();
    eventually("an answer from each worker", || {
        // A task that takes a moment, so that one worker does not take all of them.
        let task = |()| {
            std::thread::sleep(Duration::from_millis(5));
            std::process::id()
        };
        pids = pool.map(task, vec![(); 4 * pool.workers()]).unwrap();
        pids.sort_unstable();
        pids.dedup();
        pids.len() == pool.workers()
    });
    pids
}

#[test]
fn each_signal_is_named_and_costs_one_item() {
    let pool = pool(2);
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("ABRT", 6), ("USR1", 10), ("XCPU", 24)] {
        let task = |(n, signal): (u32, String)| if n == 11 { die_by(&signal) } else { n };
        let (values, errors) = sorted(pool.imap(task, (0..40).map(|n| (n, signal.to_owned()))));
        assert_eq!(values, (0..40).filter(|n| *n != 11).collect::<Vec<_>>(), "SIG{signal}");
        assert_eq!(errors.len(), 1);
        let status = errors[0].exit_status().unwrap();
        assert_eq!((errors[0].index(), status.signal()), (11, Some(number)));
        assert!(errors[0].to_string().contains(&format!("signal {number} (SIG{signal})")), "{}", errors[0]);
        assert!(errors[0].started() && errors[0].is_death() && errors[0].pid().is_some());
    }
}

#[test]
fn exit_and_abort_in_a_task_are_deaths_of_that_task() {
    let pool = pool(2);
    let task = |n: i32| match n {
        3 => std::process::exit(0),
        5 => std::process::exit(7),
        8 => std::process::abort(),
        _ => n,
    };
    let (values, errors) = sorted(pool.imap(task, 0..12));
    assert_eq!(values, [0, 1, 2, 4, 6, 7, 9, 10, 11]);
    let ends: Vec<_> = errors.iter().map(|error| (error.index(), error.exit_status().unwrap().exit_code())).collect();
    assert_eq!(ends, [(3, 0), (5, 7), (8, -6)]);
    assert!(errors[0].to_string().contains("exit code 0"), "{}", errors[0]);
}

#[test]
fn panics_come_with_all_that_is_known() {
    let (values, errors) = sorted(pool(2).imap(|n: u32| if n == 2 { panic!("not {n}") } else { n }, 0..4));
    assert_eq!(values, [0, 1, 3]);
    let panic = errors[0].panic().unwrap();
    assert_eq!((errors[0].index(), panic.message()), (2, "not 2"));
    assert!(panic.location().unwrap().contains("deaths.rs") && !panic.backtrace().is_empty());
    assert!(errors[0].is_panic() && errors[0].started() && !errors[0].is_death());
}

#[test]
fn a_long_run_of_short_items_loses_only_the_running_ones() {
    // Short items travel in large chunks; what a dead worker had not begun goes to others.
    let task = |n: u32| if n % 1000 == 999 { die_by("KILL") } else { n };
    let (values, errors) = sorted(pool(2).imap(task, 0..5000));
    assert_eq!(errors.iter().map(TaskError::index).collect::<Vec<_>>(), [999, 1999, 2999, 3999, 4999]);
    assert_eq!(values.len(), 4995);
}

#[test]
fn killed_while_idle_nothing_is_lost() {
    let pool = pool(2);
    for _ in 0..10 {
        workers(&pool).into_iter().for_each(|pid| send_signal(pid, "KILL"));
        // What comes next may meet a worker that is already dead; then it is an error that says so.
        let (values, errors) = sorted(pool.imap(|n: u32| n, 0..50));
        assert_eq!(values.len() + errors.len(), 50);
        assert!(errors.len() <= 2 && errors.iter().all(|error| error.exit_status().unwrap().signal() == Some(9)));
    }
    assert_eq!(workers(&pool).len(), 2);
}

#[test]
fn killed_while_stopped_it_costs_one_item() {
    let pool = pool(1);
    let pid = workers(&pool)[0];
    send_signal(pid, "STOP");
    std::thread::scope(|scope| {
        let results = scope.spawn(|| sorted(pool.imap(|n: u32| n, 0..100)));
        send_signal(pid, "KILL");
        let (values, errors) = results.join().unwrap();
        assert!(errors.len() <= 1);
        assert_eq!(values.len() + errors.len(), 100);
    });
}

#[test]
fn every_item_may_kill_its_worker() {
    let (values, errors) = sorted(pool(2).imap_unordered(|_: u32| -> u32 { die_by("KILL") }, 0..40));
    assert_eq!((values.len(), errors.len()), (0, 40));
    assert!(errors.iter().all(|error| error.exit_status().unwrap().signal() == Some(9)));
}

#[test]
fn map_ends_at_a_death_and_says_whose() {
    let pool = pool(2);
    let error = pool.map(|n: u64| if n == 70 { die_by("KILL") } else { n }, 0..).unwrap_err();
    assert_eq!((error.index(), error.exit_status().unwrap().signal()), (70, Some(9)));
    assert_eq!(pool.map(|n: u64| n, 0..10).unwrap().len(), 10);
}

#[test]
fn twenty_tasks_and_a_death_among_them() {
    let task = |n: u32| {
        if n == 5 {
            die_by("KILL");
        }
        std::thread::sleep(Duration::from_millis(20));
        n
    };
    let pool = pool(4);
    let (values, errors) = sorted(pool.imap(task, 0..20));
    assert_eq!((values.len(), errors.len(), errors[0].index()), (19, 1, 5));
    assert_eq!(pool.map(|n: u32| n, [1]).unwrap(), [1]);
}
