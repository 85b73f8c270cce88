//! Operations of locks and of what else processes meet at.

use std::time::Duration;

use procession_sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore};

use crate::stepper::{HANG, Operation};

/// The limit of a call that may have to wait for the stopped process.
const SHORT: Duration = Duration::from_millis(2);

pub(crate) struct Locking;

impl Operation for Locking {
    type Ends = Mutex<u64>;

    fn make() -> Mutex<u64> {
        Mutex::new(0).expect("a lock")
    }

    fn run(lock: &Mutex<u64>) {
        *lock.lock().expect("no holder died") += 1;
    }

    fn look(lock: &Mutex<u64>) {
        drop(lock.try_lock());
        drop(lock.lock_timeout(SHORT));
        let _text = (lock.is_locked(), lock.locked_by(), format!("{lock:?}"));
    }

    fn after(lock: &Mutex<u64>) {
        *lock.lock_timeout(HANG).expect("it is free") += 1;
    }
}

pub(crate) struct Reading;

impl Operation for Reading {
    type Ends = RwLock<u64>;

    fn make() -> RwLock<u64> {
        RwLock::new(0).expect("a lock")
    }

    fn run(lock: &RwLock<u64>) {
        let _value = *lock.read().expect("no holder died");
    }

    fn look(lock: &RwLock<u64>) {
        drop(lock.try_read());
        drop(lock.read_timeout(SHORT));
        drop(lock.try_write());
        drop(lock.write_timeout(SHORT));
        let _text = (lock.is_locked(), lock.locked_by(), format!("{lock:?}"));
    }

    fn after(lock: &RwLock<u64>) {
        *lock.write_timeout(HANG).expect("it is free") += 1;
        drop(lock.read_timeout(HANG).expect("it is free"));
    }
}

pub(crate) struct Writing;

impl Operation for Writing {
    type Ends = RwLock<u64>;

    fn make() -> RwLock<u64> {
        RwLock::new(0).expect("a lock")
    }

    fn run(lock: &RwLock<u64>) {
        *lock.write().expect("no holder died") += 1;
    }

    fn look(lock: &RwLock<u64>) {
        Reading::look(lock);
    }

    fn after(lock: &RwLock<u64>) {
        Reading::after(lock);
    }
}

pub(crate) struct Permit;

impl Operation for Permit {
    type Ends = Semaphore;

    fn make() -> Semaphore {
        Semaphore::new(1).expect("a semaphore")
    }

    fn run(semaphore: &Semaphore) {
        drop(semaphore.acquire());
    }

    fn look(semaphore: &Semaphore) {
        drop(semaphore.try_acquire());
        drop(semaphore.acquire_timeout(SHORT));
        let _text = (semaphore.available(), format!("{semaphore:?}"));
    }

    fn after(semaphore: &Semaphore) {
        drop(semaphore.acquire_timeout(HANG).expect("it is free"));
    }
}

pub(crate) struct Setting;

impl Operation for Setting {
    type Ends = Event;

    fn make() -> Event {
        Event::new().expect("an event")
    }

    fn run(event: &Event) {
        event.clear();
        event.set();
    }

    fn look(event: &Event) {
        let _is_set = event.wait_timeout(SHORT);
        let _text = (event.is_set(), format!("{event:?}"));
    }

    fn after(event: &Event) {
        assert!(event.wait_timeout(HANG), "it was set");
    }
}

pub(crate) struct Notifying;

impl Operation for Notifying {
    type Ends = (Mutex<u64>, Condvar);

    fn make() -> Self::Ends {
        (Mutex::new(0).expect("a lock"), Condvar::new().expect("a condition"))
    }

    fn run((lock, condition): &Self::Ends) {
        *lock.lock().expect("no holder died") += 1;
        condition.notify_one();
    }

    fn look((lock, condition): &Self::Ends) {
        if let Ok(guard) = lock.lock_timeout(SHORT) {
            // Notified or not, the lock must come back once nobody has it.
            drop(condition.wait_timeout(guard, SHORT));
        }
        condition.notify_all();
    }

    fn after((lock, _): &Self::Ends) {
        *lock.lock_timeout(HANG).expect("it is free") += 1;
    }
}

/// Meets at a barrier for two.
pub(crate) struct Meeting;

impl Operation for Meeting {
    type Ends = Barrier;

    fn make() -> Barrier {
        Barrier::new(2).expect("a barrier")
    }

    fn run(barrier: &Barrier) {
        let _met_or_broken = barrier.wait();
    }

    fn look(barrier: &Barrier) {
        let _text = (barrier.waiting(), barrier.is_broken(), format!("{barrier:?}"));
        let _met_or_broken = barrier.wait_timeout(SHORT);
        barrier.reset();
        let _text = (barrier.waiting(), barrier.is_broken());
    }

    fn release(barrier: &Barrier) {
        // Until it was met: the stopped process may have come before the reset, or after it.
        barrier.abort();
    }

    fn after(barrier: &Barrier) {
        barrier.reset();
        assert!(!barrier.is_broken());
    }
}
