//! A manager that is stopped, as by a debugger: calls with a limit end, and nothing of theirs is done when it goes on.

use std::process::Command;
use std::time::{Duration, Instant};

use procession_manager::{CallError, Manager};

use crate::support::until;

/// Longer than any call with a limit takes, on any machine.
const GUARD: Duration = Duration::from_secs(30);

/// The limit of most calls here.
const SHORT: Duration = Duration::from_millis(20);

/// A manager's process that does not run.
struct Stopped(String);

impl Stopped {
    fn new(manager: &Manager) -> Stopped {
        let id = manager.child().id().to_string();
        signal("-STOP", &id);
        let state = || std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        until("it stops", || state().rsplit_once(')').unwrap().1.trim_start().starts_with('T'));
        Stopped(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(which: &str, id: &str) {
    assert!(Command::new("kill").args([which, id]).status().unwrap().success());
}

/// Nothing was done, and it did not take long.
fn in_vain<T: std::fmt::Debug>(what: &str, call: impl FnOnce() -> Result<T, CallError>) {
    let start = Instant::now();
    let result = call();
    assert_eq!(result.unwrap_err(), CallError::Timeout { started: false }, "{what}");
    assert!(start.elapsed() < GUARD, "{what}");
}

/// As `in_vain`, where that is no error.
fn without<T>(what: &str, call: impl FnOnce() -> Result<Option<T>, CallError>) {
    let start = Instant::now();
    assert!(call().unwrap().is_none(), "{what}");
    assert!(start.elapsed() < GUARD, "{what}");
}

#[test]
fn calls_with_a_limit_end_and_leave_nothing_behind() {
    let manager = Manager::start().unwrap();
    let (lock, rlock, semaphore) = (manager.lock().unwrap(), manager.rlock().unwrap(), manager.semaphore(1).unwrap());
    let (condition, event, barrier) =
        (manager.condition().unwrap(), manager.event().unwrap(), manager.barrier(1).unwrap());
    let (queue, empty) = (manager.queue::<u64>(9).unwrap(), manager.queue::<u64>(9).unwrap());
    let number = manager.create(|n: u64| n, 0).unwrap();
    event.set().unwrap();
    queue.send(7).unwrap();
    for limit in [Duration::ZERO, SHORT] {
        let stopped = Stopped::new(&manager);
        without("lock", || lock.acquire_timeout(limit));
        without("rlock", || rlock.acquire_timeout(limit));
        without("semaphore", || semaphore.acquire_timeout(limit));
        without("condition", || condition.acquire_timeout(limit));
        in_vain("try lock", || lock.try_acquire());
        in_vain("try rlock", || rlock.try_acquire());
        in_vain("try semaphore", || semaphore.try_acquire());
        in_vain("try condition", || condition.try_acquire());
        in_vain("send", || empty.send_timeout(1, limit));
        in_vain("try send", || empty.try_send(1));
        in_vain("recv", || queue.recv_timeout(limit));
        in_vain("try recv", || queue.try_recv());
        in_vain("join", || queue.join_timeout(limit));
        in_vain("event", || event.wait_timeout(limit));
        in_vain("barrier", || barrier.wait_timeout(limit));
        in_vain("call", || number.call_timeout(|n, ()| *n += 1, (), limit));
        in_vain("read", || number.read_timeout(|n, ()| *n, (), limit));
        in_vain("get", || number.with_timeout(limit).get());
        in_vain("call_when", || number.call_when_timeout(|n, ()| n.checked_add(1), (), limit));
        in_vain("post", || number.post(|n, ()| *n += 1, ()).unwrap().wait_timeout(limit));
        drop(stopped);
        assert_eq!(number.get().unwrap(), 0, "nothing of that is done when it goes on");
        assert!(empty.is_empty().unwrap() && !barrier.is_broken().unwrap());
        assert!(!lock.is_locked().unwrap() && !rlock.is_locked().unwrap());
        assert_eq!((semaphore.available().unwrap(), queue.len().unwrap()), (1, 1));
        drop(condition.try_acquire().unwrap().expect("nobody holds it"));
    }
}

#[test]
fn many_calls_in_vain_are_no_trouble_to_those_after_them() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let stopped = Stopped::new(&manager);
    for _ in 0..300 {
        in_vain("call", || number.call_timeout(|n, ()| *n += 1, (), Duration::from_micros(100)));
    }
    let posted: Vec<_> = (0..2_000).map(|_| number.post(|n, ()| *n += 1, ()).unwrap()).collect();
    drop(stopped);
    for one in posted {
        one.wait().unwrap();
    }
    assert_eq!(number.get().unwrap(), 2_000);
}

#[test]
fn waiting_for_news_ends_when_the_manager_is_stopped() {
    let manager = Manager::start().unwrap();
    let condition = manager.condition().unwrap();
    let guard = condition.acquire().unwrap();
    let stopped = Stopped::new(&manager);
    assert!(!guard.wait_timeout(SHORT).unwrap(), "it was not notified, and has the lock");
    drop(stopped);
    assert!(condition.try_acquire().unwrap().is_none());
    drop(guard);
    assert!(condition.try_acquire().unwrap().is_some());
}

#[test]
fn a_stopped_manager_is_shut_down_without_waiting() {
    let manager = Manager::start().unwrap();
    let lock = manager.lock().unwrap();
    let stopped = Stopped::new(&manager);
    let start = Instant::now();
    manager.shutdown().unwrap();
    assert!(start.elapsed() < GUARD);
    assert!(matches!(lock.acquire(), Err(CallError::ManagerGone)));
    std::mem::forget(stopped);
}
