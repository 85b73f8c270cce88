//! Initializers, start methods, and pools that cannot be.

use std::sync::atomic::{AtomicU64, Ordering};

use procession_pool::Pool;
use procession_process::StartMethod;

use crate::agents::{FORKS, skips};
use crate::support::{eventually, pool, send_signal};

static STATE: AtomicU64 = AtomicU64::new(0);

fn set_state(value: u64) {
    STATE.store(value, Ordering::Relaxed);
}

fn add_state(n: u64) -> u64 {
    n + STATE.load(Ordering::Relaxed)
}

#[test]
fn an_initializer_runs_in_each_worker_and_its_replacement() {
    let pool = Pool::builder().workers(2).initializer(set_state, 40).build().unwrap();
    assert_eq!(pool.map(add_state, [1, 2, 3]).unwrap(), [41, 42, 43]);
    let kill = |_: u64| -> u64 { crate::support::die_by("KILL") };
    assert!(pool.imap(kill, 0..6).all(|result| result.is_err()));
    assert_eq!(pool.map(add_state, 0..100).unwrap(), (40..140).collect::<Vec<_>>());
}

#[test]
fn an_initializer_s_error_comes_out_of_build() {
    let build = |value: u32| {
        let check = |value: u32| if value == 1 { Err(format!("{value} is bad")) } else { Ok(()) };
        Pool::builder().workers(2).initializer(check, value).build()
    };
    assert!(build(0).is_ok());
    let error = build(1).unwrap_err();
    assert!(error.is_initializer(), "{error}");
    assert!(error.to_string().ends_with("it returned an error: 1 is bad"), "{error}");
}

#[test]
fn an_initializer_s_panic_comes_out_of_build() {
    let error = Pool::builder().workers(2).initializer::<_, ()>(|()| panic!("no way"), ()).build().unwrap_err();
    assert_eq!(error.panic().unwrap().message(), "no way");
    assert!(error.to_string().contains("setup.rs"), "{error}");
}

#[test]
fn an_initializer_that_exits_or_dies_breaks_the_pool() {
    for (signal, expected) in [("", "exit code 3"), ("KILL", "signal 9 (SIGKILL)")] {
        let end = |signal: String| match signal.as_str() {
            "" => std::process::exit(3),
            signal => crate::support::die_by(signal),
        };
        let error = Pool::builder().workers(2).initializer::<_, ()>(end, signal.to_owned()).build().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_initializer_that_fails_later_breaks_the_pool_with_typed_errors() {
    // It succeeds as long as the file is there.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("licence");
    std::fs::write(&file, "").unwrap();
    let check = |path: String| std::fs::metadata(path).map(drop).map_err(|error| error.to_string());
    let pool = Pool::builder().workers(2).initializer(check, file.to_str().unwrap().to_owned()).build().unwrap();
    let mut pids = Vec::new();
    eventually("both workers", || {
        let task = |()| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            std::process::id()
        };
        pids = pool.map(task, [(); 8]).unwrap();
        pids.sort_unstable();
        pids.dedup();
        pids.len() == 2
    });
    std::fs::remove_file(&file).unwrap();
    pids.into_iter().for_each(|pid| send_signal(pid, "KILL"));
    eventually("the end of all hope", || pool.map(|n: u32| n, [1]).is_err_and(|error| error.is_refused()));
    let error = pool.map(|n: u32| n, [1]).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<procession_pool::PoolError>().unwrap().is_initializer());
}

#[test]
fn no_workers_are_refused() {
    assert!(Pool::new(0).unwrap_err().to_string().starts_with("a pool needs at least one worker"));
}

#[test]
fn spawned_workers_work_as_well() {
    let pool = Pool::builder().workers(2).start_method(StartMethod::Spawn).build().unwrap();
    assert_eq!(pool.map(|n: u32| n + 1, 0..10).unwrap(), (1..=10).collect::<Vec<_>>());
}

#[test]
fn forking_beside_other_threads_is_refused() {
    if skips(FORKS) {
        return;
    }
    // The test runner has threads.
    let error = Pool::builder().workers(1).start_method(StartMethod::Fork).build().unwrap_err();
    assert!(error.to_string().contains("threads"), "{error}");
}

#[test]
fn a_pool_shows_how_it_is() {
    let pool = pool(2);
    assert_eq!(format!("{pool:?}"), "Pool { workers: 2, chunk_size: None, broken: None }");
    let results = pool.imap(|n: u8| n, [1]);
    assert!(format!("{results:?}").starts_with("Imap { feed: Some(JobFeed { read: 0"), "{results:?}");
}
