//! Copies of a pool's process, as a C library or `daemonize` makes them: they have the pool in their memory, and it is not theirs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procession_core::os::exit::leave;
use procession_pool::{Pool, TaskError};
use procession_sync::Event;

procession_process::init_at_load!();

const GUARD: Duration = Duration::from_secs(60);

/// Whether a copy of this process, made here and now, does this without a panic. It ends with it.
fn in_a_copy(what: impl FnOnce()) -> bool {
    // SAFETY: nothing here needs the other threads of the original, and what the copy calls is the very claim of these tests: that it
    // takes no lock which one of those may have held. Allocators and std's output are made whole by the C library, or not used.
    let copy = match unsafe { fork() }.expect("a fork") {
        ForkResult::Child => leave(i32::from(catch_unwind(AssertUnwindSafe(what)).is_err())),
        ForkResult::Parent { child } => child,
    };
    let begin = Instant::now();
    loop {
        match waitpid(copy, Some(WaitPidFlag::WNOHANG)).expect("a copy") {
            WaitStatus::StillAlive if begin.elapsed() > GUARD => {
                kill(copy, Signal::SIGKILL).expect("a copy");
                panic!("the copy hangs");
            }
            WaitStatus::StillAlive => std::thread::yield_now(),
            status => return status == WaitStatus::Exited(copy, 0),
        }
    }
}

/// One test at a time: what another thread was just doing with this library would stay half done in a copy.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_told(error: &TaskError) -> bool {
    error.is_refused() && !error.started() && error.to_string().contains("this one is a copy of")
}

fn pids(pool: &Pool) -> Vec<u32> {
    pool.stats().workers.iter().map(|worker| worker.pid).collect()
}

#[test]
fn a_copy_is_refused_and_its_original_goes_on() {
    let _alone = alone();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(|n: u32| n, 0..100).unwrap().len(), 100);
    let before = pids(&pool);
    assert!(in_a_copy(|| {
        assert!(is_told(&pool.map(|n: u32| n, 0..2).unwrap_err()));
        assert!(is_told(&pool.apply(|n: u32| n, 0).unwrap_err()));
        assert!(pool.imap(|n: u32| n, 0..3).all(|result| is_told(&result.unwrap_err())));
        assert!(is_told(&pool.apply_async(|n: u32| n, 0).get().unwrap_err()));
        assert!(is_told(&pool.map_async(|n: u32| n, 0..2).get().unwrap_err()));
        let (told, tell) = mpsc::channel();
        pool.apply_async(|n: u32| n, 0).on_done(move |result| told.send(result).unwrap());
        assert!(is_told(&tell.recv_timeout(GUARD).unwrap().unwrap_err()));
        assert!(pool.resize(5).is_err() && pool.stats().workers.is_empty());
    }));
    assert_eq!((pool.map(|n: u32| n, 0..100).unwrap().len(), pids(&pool)), (100, before));
}

#[test]
fn the_end_of_a_pool_in_a_copy_is_none_in_its_original() {
    let _alone = alone();
    let mut pool = Some(Pool::new(2).unwrap());
    assert_eq!(pool.as_ref().unwrap().map(|n: u32| n, 0..100).unwrap().len(), 100);
    let before = pids(pool.as_ref().unwrap());
    assert!(in_a_copy(|| drop(pool.take())));
    assert!(in_a_copy(|| {
        let pool = pool.take().unwrap();
        pool.terminate();
        pool.close();
        assert!(pool.join_timeout(Duration::ZERO));
        pool.join();
    }));
    let pool = pool.unwrap();
    assert_eq!((pool.map(|n: u32| n, 0..100).unwrap().len(), pids(&pool)), (100, before));
}

#[test]
fn results_that_a_copy_finds_have_come_or_never_will() {
    let _alone = alone();
    let pool = Pool::new(1).unwrap();
    let ready = pool.apply_async(|n: u32| n, 7);
    assert!(ready.wait_timeout(GUARD));
    let (mut begun, mut others) = (pool.imap(|n: u32| n, 0..10), pool.imap_unordered(|n: u32| n, 0..10));
    assert_eq!((begun.next().unwrap().unwrap(), others.next().unwrap().unwrap()), (0, 0));
    let gate = Event::new().unwrap();
    let open = pool.apply_async(|gate: Event| gate.wait(), gate.clone());
    let polled = in_a_copy(|| {
        assert_eq!(ready.get().unwrap(), 7);
        assert!(is_told(&open.get().unwrap_err()) && !open.cancel());
        for mut results in [begun.by_ref().collect::<Vec<_>>(), others.by_ref().collect()] {
            // What had arrived before is there; of the rest, one error tells.
            let last = results.pop().unwrap();
            assert!(results.iter().all(Result::is_ok) && (results.len() == 9 || is_told(&last.unwrap_err())));
        }
        drop((begun, others));
    });
    assert!(polled);
    gate.set();
    assert!(open.get().is_ok());
}

#[test]
fn a_copy_may_have_a_pool_of_its_own() {
    let _alone = alone();
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(|n: u32| n, 1).unwrap(), 1);
    let (told, tell) = mpsc::channel();
    pool.apply_async(|n: u32| n, 0).on_done(move |result| told.send(result).unwrap());
    tell.recv_timeout(GUARD).unwrap().unwrap();
    assert!(in_a_copy(|| {
        let own = Pool::new(2).unwrap();
        assert_eq!(own.map(|n: u32| n + 1, 0..3).unwrap(), [1, 2, 3]);
        let (told, tell) = mpsc::channel();
        own.apply_async(|n: u32| n, 5).on_done(move |result| told.send(result).unwrap());
        assert_eq!(tell.recv_timeout(GUARD).unwrap().unwrap(), 5);
    }));
    assert_eq!(pool.map(|n: u32| n, 0..3).unwrap(), [0, 1, 2]);
}

/// Forks, and returns from both processes, or panics in the copy. Returns the exit code of the copy.
fn both_return((number, panics): (i32, bool)) -> i32 {
    // SAFETY: a worker has one thread, so that no lock is held by another one.
    match unsafe { fork() }.expect("a fork") {
        ForkResult::Child if panics => panic!("in the copy of a worker"),
        ForkResult::Child => -number,
        ForkResult::Parent { child } => match waitpid(child, None).expect("a copy") {
            WaitStatus::Exited(_, code) => code,
            status => panic!("the copy ended with {status:?}"),
        },
    }
}

#[test]
fn the_copy_of_a_worker_ends_where_its_function_does() {
    let _alone = alone();
    for (panics, code) in [(false, 0), (true, 101)] {
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map(both_return, (1..40).map(|n| (n, panics))).unwrap(), [code; 39], "in batches");
        assert_eq!(pool.apply(both_return, (1, panics)).unwrap(), code);
        assert_eq!(pool.map(|n: u32| n, 0..100).unwrap().len(), 100, "nobody else reads the tasks, or writes results");
        let first = Pool::new(1).unwrap();
        assert_eq!(first.apply(both_return, (1, panics)).unwrap(), code, "the first result of a worker");
        assert_eq!(procession_process::Process::spawn(both_return, (1, panics)).unwrap().join().unwrap(), code);
    }
}
