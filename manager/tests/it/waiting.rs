//! Calls that wait: none holds up another, and all end when time is up or somebody is gone.

use std::path::PathBuf;
use std::time::Duration;

use procession_manager::{CallError, Lock, Manager, Proxy};
use procession_process::Process;

use crate::support::{Gate, LONG, until};

#[test]
fn a_client_that_waits_for_a_lock_holds_up_nobody() {
    let manager = Manager::start().unwrap();
    let (lock, list) = (manager.lock().unwrap(), manager.list::<u32>().unwrap());
    let guard = lock.acquire().unwrap();
    let waiters: Vec<_> =
        (0..5).map(|_| Process::spawn(|lock: Lock| lock.acquire().map(drop), lock.clone()).unwrap()).collect();
    for n in 0..100 {
        list.push(n).unwrap();
    }
    assert!(waiters.iter().all(Process::is_alive));
    drop(guard);
    waiters.into_iter().for_each(|one| one.join().unwrap().unwrap());
}

/// Runs in the manager until a file is there, so that no time is measured.
fn wait_for_file(n: &mut u32, path: PathBuf) {
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    *n += 1;
}

#[test]
fn a_call_that_takes_long_holds_up_nobody() {
    let manager = Manager::start().unwrap();
    let (slow, quick) = (manager.create(|n: u32| n, 0).unwrap(), manager.create(|n: u32| n, 0).unwrap());
    let gate = Gate::new("slow");
    let running = slow.post(wait_for_file, gate.path()).unwrap();
    let queued = slow.post(|n, ()| *n += 1, ()).unwrap();
    for _ in 0..100 {
        quick.call(|n, ()| *n += 1, ()).unwrap();
    }
    assert_eq!(quick.get().unwrap(), 100);
    gate.open();
    running.wait().unwrap();
    queued.wait().unwrap();
}

#[test]
fn time_that_runs_out_before_a_call_begins_means_that_it_never_will() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u32| n, 0).unwrap();
    let gate = Gate::new("queued");
    let running = number.post(wait_for_file, gate.path()).unwrap();
    let queued = number.call_timeout(|n, ()| *n += 100, (), Duration::from_millis(10));
    assert!(matches!(queued, Err(CallError::Timeout { started: false })));
    gate.open();
    running.wait().unwrap();
    assert_eq!(number.get().unwrap(), 1);
}

#[test]
fn time_that_runs_out_after_a_call_has_begun_lets_it_go_on() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u32| n, 0).unwrap();
    let gate = Gate::new("begun");
    let begun = number.call_timeout(wait_for_file, gate.path(), Duration::from_millis(100));
    let Err(CallError::Timeout { started }) = begun else { panic!("{begun:?}") };
    gate.open();
    assert_eq!(number.get().unwrap(), u32::from(started));
}

#[test]
fn an_acquisition_that_timed_out_does_not_take_the_lock_later() {
    let manager = Manager::start().unwrap();
    let lock = manager.lock().unwrap();
    for _ in 0..50 {
        let guard = lock.acquire().unwrap();
        assert!(lock.acquire_timeout(Duration::from_millis(1)).unwrap().is_none());
        drop(guard);
        assert!(lock.acquire_timeout(LONG).unwrap().is_some());
    }
    until("the lock is free", || !lock.is_locked().unwrap());
}

#[test]
fn who_waits_learns_that_the_manager_is_gone() {
    let manager = Manager::start().unwrap();
    let lock = manager.lock().unwrap();
    let _guard = lock.acquire().unwrap();
    let waiter = Process::spawn(|lock: Lock| lock.acquire().map(drop).unwrap_err(), lock.clone()).unwrap();
    std::thread::scope(|scope| {
        let here = scope.spawn(|| lock.acquire().map(drop).unwrap_err());
        std::thread::sleep(Duration::from_millis(20));
        manager.child().kill();
        assert!(here.join().unwrap().is_manager_gone());
    });
    // The other process may have come too late to receive the proxy at all: then it says so, and panics.
    match waiter.join() {
        Ok(error) => assert!(error.is_manager_gone(), "{error}"),
        Err(error) => assert!(error.to_string().contains("gone"), "{error}"),
    }
}

#[test]
fn whoever_waits_for_a_condition_on_a_value_is_tried_after_each_change() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u32| n, 0).unwrap();
    let wait = |number: Proxy<u32>| number.call_when(|n, ()| (*n % 10 == 7).then(|| std::mem::replace(n, 0)), ());
    let waiters: Vec<_> = (0..3).map(|_| Process::spawn(wait, number.clone()).unwrap()).collect();
    let mut served = 0;
    until("all have been served", || {
        served += u32::from(number.call(|n, ()| *n += 1, ()).is_ok());
        waiters.iter().all(|one| !one.is_alive())
    });
    assert!(served >= 21);
    waiters.into_iter().for_each(|one| assert_eq!(one.join().unwrap().unwrap(), 7));
}
