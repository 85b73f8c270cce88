//! A pool that lives in a manager: shared by processes, beside other objects, while workers and managers die.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use procession::Process;
use procession::manager::{Dict, Manager, PoolProxy, PoolProxyError, TaskFailure};
use procession::sync::Event;

/// Longer than anything takes: a test that waits so long hangs.
const LONG: Duration = Duration::from_secs(60);

type Pids = Dict<u32, u64>;

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Says in which process it runs, and waits.
fn hold((pids, go): (Pids, Event)) -> u32 {
    pids.insert(std::process::id(), 0).unwrap();
    go.wait();
    std::process::id()
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Whether a process runs: one that nobody has waited for yet does not.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn three_processes_share_it_while_another_uses_a_dict() {
    fn client((pool, first): (PoolProxy, u64)) -> u64 {
        let items = first..first + 100;
        let sum: u64 = pool.map(|n: u64| n * n, items.clone()).unwrap().into_iter().sum();
        let lazily: u64 = pool.imap(|n: u64| n * n, items.clone()).unwrap().map(Result::unwrap).sum();
        let alone: u64 = items.clone().map(|n| pool.apply(|n: u64| n * n, n).unwrap()).sum();
        assert_eq!((sum, sum), (lazily, alone));
        let mut places: Vec<u64> = Vec::new();
        for (place, square) in pool.imap_unordered(|n: u64| n * n, items).unwrap() {
            assert_eq!(square.unwrap(), (first + place).pow(2));
            places.push(place);
        }
        places.sort_unstable();
        assert!(places.into_iter().eq(0..100));
        sum
    }
    let manager = Manager::start().unwrap();
    let (pool, dict) = (manager.pool(2).unwrap(), manager.dict::<u64, u64>().unwrap());
    let clients = [0, 100, 200].map(|first| Process::spawn(client, (pool.clone(), first)).unwrap());
    for n in 0..20_000 {
        dict.insert(n % 100, n).unwrap();
    }
    let sum: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(sum, (0..300).map(|n| n * n).sum::<u64>());
    assert_eq!(dict.len().unwrap(), 100);
}

#[test]
fn who_waits_for_a_task_occupies_nobody() {
    let manager = Manager::start().unwrap();
    let (pool, pids, go) = (manager.pool(2).unwrap(), manager.dict().unwrap(), Event::new().unwrap());
    let held: Vec<_> = (0..64).map(|_| pool.apply_async(hold, (pids.clone(), go.clone())).unwrap()).collect();
    until("both workers are held", || pids.len().unwrap() == 2);
    let tasks = format!("/proc/{}/task", manager.child().id());
    let threads = fs::read_dir(tasks).unwrap().count();
    assert!(threads < 20, "{threads} threads in the manager for 64 calls that wait");
    for n in 0..1000 {
        pids.proxy().read(|pids, n: usize| pids.len() + n, n).unwrap();
    }
    assert!(held.iter().all(|one| !one.is_ready()));
    go.set();
    held.into_iter().for_each(|one| assert!(pids.contains_key(&one.wait().unwrap()).unwrap()));
}

#[test]
fn a_worker_that_is_killed_costs_its_task() {
    let manager = Manager::start().unwrap();
    let (pool, pids, go) = (manager.pool(2).unwrap(), manager.dict().unwrap(), Event::new().unwrap());
    let held = pool.apply_async(hold, (pids.clone(), go)).unwrap();
    until("the task runs", || pids.len().unwrap() == 1);
    let pid = pids.keys().unwrap()[0];
    kill(pid);
    let error = held.wait_timeout(LONG).unwrap_err();
    let failure = error.task().expect("the task was lost");
    assert_eq!((failure.exit_status().unwrap().signal(), failure.pid()), (Some(9), Some(pid)), "{error}");
    assert!(failure.started() && failure.is_death());
    assert_eq!(pool.map(|n: u32| n + 1, 0..100).unwrap(), (1..101).collect::<Vec<_>>());
    let panicked = pool.apply(|n: u32| assert_eq!(n, 1, "on purpose"), 0).unwrap_err();
    assert!(panicked.task().unwrap().panic().unwrap().message().contains("on purpose"));
    assert!(manager.is_alive());
}

#[test]
fn workers_end_with_their_manager() {
    let ends: [fn(&Manager); 2] = [|manager| manager.shutdown().unwrap(), |manager| kill(manager.child().id())];
    for end in ends {
        let manager = Manager::start().unwrap();
        let (pool, pids, go) = (manager.pool(2).unwrap(), manager.dict().unwrap(), Event::new().unwrap());
        let held: Vec<_> = (0..4).map(|_| pool.apply_async(hold, (pids.clone(), go.clone())).unwrap()).collect();
        until("both workers are held", || pids.len().unwrap() == 2);
        let workers = pids.keys().unwrap();
        assert!(workers.iter().all(|pid| runs(*pid)));
        end(&manager);
        for one in held {
            let error = one.wait_timeout(LONG).unwrap_err();
            // A worker may end a moment before the manager does, and then it is its task that is told to be lost.
            let is_gone = matches!(&error, PoolProxyError::Call(error) if error.is_manager_gone());
            assert!(is_gone || error.task().is_some_and(TaskFailure::started), "{error}");
        }
        until("the workers have gone", || !workers.iter().any(|pid| runs(*pid)));
    }
}

#[test]
fn workers_end_with_the_last_proxy() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(1).unwrap();
    let worker = pool.apply(|(): ()| std::process::id(), ()).unwrap();
    let process = Process::spawn(|pool: PoolProxy| pool.apply(|(): ()| std::process::id(), ()).unwrap(), pool).unwrap();
    assert_eq!(process.join().unwrap(), worker);
    until("the pool has gone", || manager.stats().unwrap().objects == 0 && !runs(worker));
}

#[test]
fn it_is_closed_joined_and_terminated_by_anybody() {
    let manager = Manager::start().unwrap();
    let (pool, pids, go) = (manager.pool(1).unwrap(), manager.dict().unwrap(), Event::new().unwrap());
    let held = pool.apply_async(hold, (pids.clone(), go)).unwrap();
    until("the task runs", || pids.len().unwrap() == 1);
    let joiner = Process::spawn(|pool: PoolProxy| (pool.close().unwrap(), pool.join().unwrap()), pool.clone()).unwrap();
    until("it is closed", || {
        let tried = pool.apply_timeout(|n: u8| n, 1, Duration::from_millis(5));
        tried.unwrap_err().task().is_some_and(TaskFailure::is_refused)
    });
    assert!(!pool.join_timeout(Duration::from_millis(1)).unwrap());
    pool.terminate().unwrap();
    joiner.join().unwrap();
    assert!(held.wait().unwrap_err().task().is_some());
}

#[test]
fn what_cannot_be_made_says_why() {
    let manager = Manager::start().unwrap();
    let error = manager.pool(0).unwrap_err();
    assert!(error.to_string().starts_with("a pool needs at least one worker"), "{error}");
    assert_eq!(manager.stats().unwrap().objects, 0);
}

#[test]
fn a_stream_is_read_as_its_results_are_taken_and_no_further() {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(1).unwrap();
    let read = AtomicU64::new(0);
    let mut squares = pool
        .imap(
            |n: u64| n * n,
            (0..).inspect(|_| {
                read.fetch_add(1, Ordering::Relaxed);
            }),
        )
        .unwrap();
    assert!((0..50).all(|n| squares.next().unwrap().unwrap() == n * n));
    assert!(read.into_inner() <= 50 + 16);
    assert_eq!(pool.apply(|n: u8| n, 3).unwrap(), 3);
}
