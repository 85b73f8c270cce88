//! [`PeriodicWaker`]: has waiting tasks look again from time to time.
//!
//! A receiver that is killed between taking a value and sending the wake-up leaves senders asleep beside free space. Threads sleep in
//! slices for that reason; tasks are woken by one thread of this process, which serves all of them and exists only while some wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::thread;

use procession_core::os::mutex::{ignore_poison, lock};

use crate::tuning::TASK_WAKE_INTERVAL;

/// One waiting call.
#[derive(Debug)]
pub(super) struct PeriodicWaker {
    id: u64,
    /// The round in which it began to wait.
    round: u64,
}

#[derive(Debug)]
struct Registry {
    wakers: Option<HashMap<u64, Waker>>,
    /// Number of times that all were woken.
    round: u64,
    has_thread: bool,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { wakers: None, round: 0, has_thread: false });
static EMPTIED: Condvar = Condvar::new();

impl PeriodicWaker {
    pub(super) fn new() -> PeriodicWaker {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        PeriodicWaker { id: NEXT.fetch_add(1, Relaxed), round: registry().round }
    }

    /// Is ready once in each round. Otherwise the waker is woken at the end of this one.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let mut registry = registry();
        if self.round != registry.round {
            self.round = registry.round;
            return Poll::Ready(());
        }
        registry.wakers.get_or_insert_default().insert(self.id, waker.clone());
        // Where no thread can be started, the task waits for its descriptor alone.
        if !registry.has_thread {
            registry.has_thread = thread::Builder::new().name("procession-waker".to_owned()).spawn(serve).is_ok();
        }
        Poll::Pending
    }
}

impl Drop for PeriodicWaker {
    fn drop(&mut self) {
        let mut registry = registry();
        if let Some(wakers) = &mut registry.wakers {
            wakers.remove(&self.id);
            if wakers.is_empty() {
                // The thread ends at once rather than at the end of its interval.
                EMPTIED.notify_one();
            }
        }
    }
}

/// Wakes all once in an interval, until none waits.
fn serve() {
    let mut registry = registry();
    loop {
        let is_needed = |registry: &mut Registry| registry.wakers.as_ref().is_some_and(|wakers| !wakers.is_empty());
        let waited = EMPTIED.wait_timeout_while(registry, TASK_WAKE_INTERVAL, is_needed);
        registry = ignore_poison(waited).0;
        let wakers = registry.wakers.take().unwrap_or_default();
        // A task that comes from now on waits for the next round, or it would be woken at once.
        registry.round += 1;
        if wakers.is_empty() {
            registry.has_thread = false;
            return;
        }
        // Wakers are code of the runtime, which may drop a future and come back here.
        drop(registry);
        wakers.into_values().for_each(Waker::wake);
        registry = self::registry();
    }
}

fn registry() -> MutexGuard<'static, Registry> {
    lock(&REGISTRY)
}
