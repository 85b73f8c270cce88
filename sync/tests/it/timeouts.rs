//! Zero, short, very long and overflowing timeouts, on every wait (S02, S09, S12, S14).

use std::thread;
use std::time::{Duration, Instant};

use procession_sync::{Barrier, Condvar, Event, Mutex, ReentrantLock, RwLock, Semaphore};

const SHORT: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(5)];
const LONG: [Duration; 3] = [Duration::from_secs(u64::MAX / 4), Duration::from_secs(i64::MAX as u64), Duration::MAX];

/// Runs in another thread, which holds nothing.
fn elsewhere<R: Send>(action: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(action).join().unwrap())
}

#[test]
fn short_ones_end_and_not_too_early() {
    let (mutex, reentrant, rwlock) = (Mutex::new(0).unwrap(), ReentrantLock::new(0).unwrap(), RwLock::new(0).unwrap());
    let (semaphore, event) = (Semaphore::new(0).unwrap(), Event::new().unwrap());
    let (condvar, other) = (Condvar::new().unwrap(), Mutex::new(0).unwrap());
    let _held = (mutex.lock().unwrap(), reentrant.lock().unwrap(), rwlock.write().unwrap());
    for timeout in SHORT {
        let ends = |what: &str, wait: &(dyn Fn() -> bool + Sync)| {
            let began = Instant::now();
            assert!(elsewhere(wait), "{what}");
            assert!(began.elapsed() >= timeout, "{what}: too early");
        };
        ends("mutex", &|| mutex.lock_timeout(timeout).is_err());
        ends("reentrant", &|| reentrant.lock_timeout(timeout).is_err());
        ends("read", &|| rwlock.read_timeout(timeout).is_err());
        ends("write", &|| rwlock.write_timeout(timeout).is_err());
        ends("semaphore", &|| semaphore.acquire_timeout(timeout).is_none());
        ends("event", &|| !event.wait_timeout(timeout));
        ends("barrier", &|| Barrier::new(2).unwrap().wait_timeout(timeout).unwrap_err().is_timeout());
        ends("condvar", &|| {
            condvar.wait_timeout_while(other.lock().unwrap(), timeout, |_| true).unwrap().1.timed_out()
        });
    }
}

#[test]
fn long_ones_wait_as_long_as_it_takes() {
    for timeout in LONG {
        let (mutex, semaphore, event) = (Mutex::new(0).unwrap(), Semaphore::new(0).unwrap(), Event::new().unwrap());
        let (rwlock, barrier) = (RwLock::new(0).unwrap(), Barrier::new(2).unwrap());
        thread::scope(|scope| {
            let held = (mutex.lock().unwrap(), rwlock.write().unwrap());
            let waiters = [
                scope.spawn(|| mutex.lock_timeout(timeout).is_ok()),
                scope.spawn(|| rwlock.read_timeout(timeout).is_ok()),
                scope.spawn(|| rwlock.write_timeout(timeout).is_ok()),
                scope.spawn(|| semaphore.acquire_timeout(timeout).is_some()),
                scope.spawn(|| event.wait_timeout(timeout)),
                scope.spawn(|| barrier.wait_timeout(timeout).is_ok()),
            ];
            while barrier.waiting() == 0 {
                thread::yield_now();
            }
            drop(held);
            semaphore.release(1).unwrap();
            event.set();
            barrier.wait_timeout(timeout).unwrap();
            assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
        });
    }
}

#[test]
fn a_reader_that_ran_out_of_time_leaves_no_trace() {
    let lock = RwLock::new(0).unwrap();
    let reader = lock.read().unwrap();
    elsewhere(|| assert!(lock.write_timeout(Duration::from_millis(2)).is_err()));
    // A writer that gave up does not keep readers out.
    elsewhere(|| assert!(lock.try_read().is_ok()));
    drop(reader);
    assert!(lock.try_write().is_ok());
}

#[test]
fn as_many_readers_as_there_are_places() {
    let lock = RwLock::new(0).unwrap();
    let mut readers: Vec<_> = std::iter::from_fn(|| lock.try_read().ok()).collect();
    assert_eq!(readers.len(), 480);
    assert!(lock.read_timeout(Duration::from_millis(2)).is_err());
    readers.pop();
    assert!(lock.read_timeout(Duration::MAX).is_ok());
}

/// A sleeper looks around twice a second, which is nobody's business.
#[test]
fn a_condition_that_nobody_notifies_is_waited_for_to_the_end() {
    const LONGER_THAN_A_NAP: Duration = Duration::from_millis(1200);
    let (changed, lock) = (Condvar::new().unwrap(), Mutex::new(0).unwrap());
    let began = Instant::now();
    let (_guard, result) = changed.wait_timeout(lock.lock().unwrap(), LONGER_THAN_A_NAP).unwrap();
    assert!(result.timed_out());
    assert!(began.elapsed() >= LONGER_THAN_A_NAP);
}
