//! A pool in a manager: cancelling, callbacks, and clients in other programs.

use std::fs;
use std::sync::mpsc;
use std::thread;

use procession_channels::Address;
use procession_manager::{CallError, Manager, PoolProxy, PoolProxyError, Registry, RemoteManager, RemotePool};
use procession_pool::Pool;
use procession_process::Process;

use crate::support::{Gate, LONG, until, until_held};

fn sleep_for_ever(began: std::path::PathBuf) {
    fs::write(began, "began").unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn a_task_that_runs_and_one_that_waits_are_cancelled_and_no_other() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(1).unwrap();
    let began = Gate::new("pool-cancel");
    let running = pool.apply_async(sleep_for_ever, began.path()).unwrap();
    until("the task runs", || began.path().exists());
    let waiting = pool.apply_async(|n: u8| n, 1).unwrap();
    let other = pool.apply_async(|n: u8| n, 2).unwrap();
    assert!(waiting.cancel().unwrap());
    let failure = waiting.wait().unwrap_err();
    assert!(failure.task().unwrap().is_cancelled() && !failure.task().unwrap().started(), "{failure}");
    assert!(!running.is_ready());
    assert!(running.cancel().unwrap());
    assert!(running.wait().unwrap_err().task().unwrap().is_cancelled());
    assert!(other.is_ready_timeout(LONG));
    assert!(!other.cancel().unwrap(), "it has ended");
    assert_eq!(other.wait().unwrap(), 2);
}

#[test]
fn tasks_of_one_client_begin_in_the_order_in_which_they_were_sent() {
    /// Takes long to arrive, so that another thread of the manager goes on with what comes after it.
    #[derive(serde::Serialize)]
    struct Slow(u64);
    impl<'de> serde::Deserialize<'de> for Slow {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Slow, D::Error> {
            let n = u64::deserialize(deserializer)?;
            if n.is_multiple_of(10) {
                thread::sleep(std::time::Duration::from_millis(20));
            }
            Ok(Slow(n))
        }
    }
    let manager = Manager::start().unwrap();
    let pool = manager.pool(1).unwrap();
    let (sender, begun) = procession_channels::unbounded::<u64>().unwrap();
    let task = pool.job(|(Slow(n), sender): (Slow, procession_channels::Sender<u64>)| sender.send(n).unwrap());
    let all: Vec<_> = (0..50).map(|n| task.apply_async((Slow(n), sender.clone())).unwrap()).collect();
    all.into_iter().for_each(|one| one.wait().unwrap());
    drop(sender);
    assert!(begun.iter().map(Result::unwrap).eq(0..50));
}

#[test]
fn a_map_is_cancelled_as_a_whole() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(2).unwrap();
    let began = Gate::new("pool-cancel-map");
    let all = pool.map_async(sleep_for_ever, vec![began.path(); 8]).unwrap();
    until("one runs", || began.path().exists());
    assert!(all.cancel().unwrap());
    assert!(all.wait().unwrap_err().task().unwrap().is_cancelled());
    assert_eq!(pool.map(|n: u8| n + 1, [1, 2, 3]).unwrap(), [2, 3, 4]);
}

#[test]
fn processes_cancel_only_what_is_their_own() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(2).unwrap();
    let mine = Gate::new("pool-mine");
    // The first task of each process, so both have the same number there.
    let held = pool.apply_async(sleep_for_ever, mine.path()).unwrap();
    until("it runs", || mine.path().exists());
    let theirs = Gate::new("pool-theirs");
    let client = |(pool, began): (PoolProxy, std::path::PathBuf)| {
        let task = pool.apply_async(sleep_for_ever, began.clone()).unwrap();
        until("it runs", || began.exists());
        assert!(task.cancel().unwrap());
        assert!(task.wait().unwrap_err().task().unwrap().is_cancelled());
    };
    Process::spawn(client, (pool, theirs.path())).unwrap().join().unwrap();
    assert!(!held.is_ready());
    assert!(held.cancel().unwrap());
}

#[test]
fn callbacks_are_told_values_failures_and_the_end() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(2).unwrap();
    let (told, tell) = mpsc::channel();
    for n in 0..100 {
        let told = told.clone();
        pool.apply_async(|n: u32| 100 / (n % 10), n).unwrap().on_done(move |result| told.send(result).unwrap());
    }
    let results: Vec<Result<u32, PoolProxyError>> = (0..100).map(|_| tell.recv_timeout(LONG).unwrap()).collect();
    let panics = results.iter().filter_map(|result| result.as_ref().err()?.task()?.panic());
    assert_eq!(panics.count(), 10);
    let began = Gate::new("pool-callback");
    pool.apply_async(sleep_for_ever, began.path()).unwrap().on_done(move |result| {
        told.send(result.map(|()| 0)).unwrap();
    });
    until("it runs", || began.path().exists());
    manager.shutdown().unwrap();
    let last = tell.recv_timeout(LONG).unwrap().unwrap_err();
    // The worker may end a moment before the manager does, and then it is the task that is told to be lost.
    let is_gone = matches!(&last, PoolProxyError::Call(error) if error.is_manager_gone());
    assert!(is_gone || last.task().is_some_and(|failure| failure.started()), "{last}");
}

#[test]
fn its_errors_travel() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(1).unwrap();
    let client = |pool: PoolProxy| pool.apply(|n: u32| 1 / n, 0);
    let error = Process::spawn(client, pool.clone()).unwrap().join().unwrap().unwrap_err();
    assert!(error.task().unwrap().panic().unwrap().message().contains("divide by zero"));
    assert_eq!(error.task().map(|failure| failure.is_out_of_memory()), Some(false));
}

fn registry() -> Registry {
    Registry::new()
        .pool("numbers", |workers: usize| Pool::builder().workers(workers))
        .task("numbers", "divide", |n: u32| 100 / n)
        .task("numbers", "die", |(): ()| -> () { std::process::abort() })
        .task("numbers", "worker", |(): ()| std::process::id())
        .task("numbers", "sleep", sleep_for_ever)
        .object("count", |n: u64| n)
}

fn served() -> (Manager, RemoteManager) {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>().unwrap(), b"key").unwrap();
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    (manager, remote)
}

#[test]
fn another_program_uses_it_by_name() {
    let (manager, remote) = served();
    let pool: RemotePool = remote.pool("numbers", 2_usize).unwrap();
    assert_eq!(pool.map::<u32, u32>("divide", 1..=4).unwrap(), [100, 50, 33, 25]);
    let failure = pool.apply::<u32, u32>("divide", 0).unwrap_err();
    assert!(failure.task().unwrap().panic().unwrap().message().contains("divide by zero"), "{failure}");
    let failure = pool.apply::<(), ()>("die", ()).unwrap_err();
    assert_eq!(failure.task().unwrap().exit_status().unwrap().signal(), Some(6), "{failure}");
    let began = Gate::new("pool-remote");
    let sleeping = pool.apply_async::<_, ()>("sleep", began.path()).unwrap();
    until("it runs", || began.path().exists());
    assert_eq!(pool.apply::<u32, u32>("divide", 4).unwrap(), 25, "the other worker is free");
    assert!(sleeping.cancel().unwrap());
    assert!(sleeping.wait().unwrap_err().task().unwrap().is_cancelled());
    let (told, tell) = mpsc::channel();
    pool.apply_async::<u32, u32>("divide", 5).unwrap().on_done(move |n| told.send(n.unwrap()).unwrap());
    assert_eq!(tell.recv_timeout(LONG), Ok(20));
    drop((pool, remote));
    until_held(&manager, 0, 0);
}

#[test]
fn what_the_registry_does_not_say_is_refused() {
    let (_manager, remote) = served();
    let pool = remote.pool("numbers", 1_usize).unwrap();
    let refused = |error: PoolProxyError| matches!(error, PoolProxyError::Call(CallError::Unknown(_)));
    let mistyped = |error: PoolProxyError| matches!(error, PoolProxyError::Call(CallError::WrongType(_)));
    assert!(refused(pool.apply::<u32, u32>("multiply", 1).unwrap_err()));
    assert!(mistyped(pool.apply::<u64, u32>("divide", 1).unwrap_err()));
    assert!(mistyped(pool.apply::<u32, u64>("divide", 1).unwrap_err()));
    assert!(mistyped(pool.apply::<(), ()>("(close)", ()).unwrap_err()));
    assert!(refused(remote.pool("letters", 1_usize).unwrap_err()));
    assert!(mistyped(remote.pool("numbers", 1_u8).unwrap_err()));
    assert!(mistyped(remote.pool("count", 1_u64).unwrap_err()));
    let none = remote.pool("numbers", 0_usize).unwrap_err();
    assert!(none.to_string().starts_with("a pool needs at least one worker"), "{none}");
    assert_eq!(pool.apply::<u32, u32>("divide", 1).unwrap(), 100);
    let twice = registry().task("numbers", "divide", |n: u32| n);
    assert!(Manager::connect(&twice, "127.0.0.1:1".parse::<Address>().unwrap(), b"key").is_err());
}

#[test]
fn one_pool_is_shared_by_all_who_open_it() {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>().unwrap(), b"key").unwrap();
    let open = |address: &Address| {
        let remote = Manager::connect(&registry(), address, b"key").unwrap();
        remote.open_pool("numbers", 1_usize).unwrap().apply::<(), u32>("worker", ()).unwrap()
    };
    let workers: Vec<u32> = thread::scope(|scope| {
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&address))).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    assert!(workers.iter().all(|worker| *worker == workers[0]), "{workers:?}");
}
