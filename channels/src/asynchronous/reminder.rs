//! [`Reminder`]: has tasks that wait look again from time to time.
//!
//! A process that is killed between taking a value and telling that there is room leaves senders that are not told. Threads
//! sleep in slices for that reason; tasks are woken by one thread of this process, which exists only while such tasks wait and
//! serves them all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// How often. So long a sender waits at the longest for room that was made by a process that died in the act.
const PERIOD: Duration = Duration::from_millis(400);

/// One waiting call.
#[derive(Debug)]
pub(super) struct Reminder {
    id: u64,
    /// The round in which it began to wait.
    round: u64,
}

#[derive(Debug)]
struct Waiting {
    wakers: Option<HashMap<u64, Waker>>,
    /// How many times all were woken.
    round: u64,
    is_served: bool,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { wakers: None, round: 0, is_served: false });
static EMPTY: Condvar = Condvar::new();

impl Reminder {
    pub(super) fn new() -> Reminder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Reminder { id: NEXT.fetch_add(1, Relaxed), round: waiting().round }
    }

    /// Ready once in each round; else the waker is woken at the end of this one.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let mut waiting = waiting();
        if self.round != waiting.round {
            self.round = waiting.round;
            return Poll::Ready(());
        }
        waiting.wakers.get_or_insert_default().insert(self.id, waker.clone());
        // Without a thread to be had, the kernel's word has to do.
        if !waiting.is_served {
            waiting.is_served = thread::Builder::new().name("procession-reminder".to_owned()).spawn(serve).is_ok();
        }
        Poll::Pending
    }
}

impl Drop for Reminder {
    fn drop(&mut self) {
        let mut waiting = waiting();
        if let Some(wakers) = &mut waiting.wakers {
            wakers.remove(&self.id);
            if wakers.is_empty() {
                EMPTY.notify_one();
            }
        }
    }
}

/// Wakes everybody once in a period, until nobody waits.
fn serve() {
    let mut waiting = waiting();
    loop {
        let is_needed = |waiting: &mut Waiting| waiting.wakers.as_ref().is_some_and(|wakers| !wakers.is_empty());
        let period = EMPTY.wait_timeout_while(waiting, PERIOD, is_needed);
        waiting = period.unwrap_or_else(PoisonError::into_inner).0;
        let wakers = waiting.wakers.take().unwrap_or_default();
        waiting.round += 1;
        if wakers.is_empty() {
            waiting.is_served = false;
            return;
        }
        drop(waiting);
        wakers.into_values().for_each(Waker::wake);
        waiting = self::waiting();
    }
}

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
