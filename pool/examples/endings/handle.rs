//! [`Handle`]: what one has of a job, whatever kind of call it was.

use std::ops::Range;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use procession_pool::{AsyncResult, Imap, ImapUnordered, Pool, TaskError};

use crate::expected::Outcome;
use crate::scene::act;
use crate::table::How;

pub(crate) enum Handle<'pool> {
    One(AsyncResult<u32>),
    Many(AsyncResult<Vec<u32>>),
    Future(AsyncResult<u32>, Arc<Alarm>),
    // Boxed, because iterators are larger than the others.
    Imap(Box<Imap<'pool, Range<u32>, u32>>),
    Unordered(Box<ImapUnordered<'pool, Range<u32>, u32>>),
}

/// Where the callback tells what it was called with.
pub(crate) type Calls = Receiver<Outcome>;

/// Wakes the one thread that polls.
#[derive(Default)]
pub(crate) struct Alarm {
    /// Whether the future was polled and not ready; and whether it has woken.
    state: Mutex<(bool, bool)>,
    rings: Condvar,
}

impl<'pool> Handle<'pool> {
    pub(crate) fn begin(how: How, pool: &'pool Pool) -> (Handle<'pool>, Calls) {
        let (told, calls) = mpsc::channel();
        let items = 0..how.tasks();
        let handle = match how {
            How::ApplyAsync => Handle::One(pool.apply_async(act, 0)),
            How::MapAsync => Handle::Many(pool.map_async(act, items)),
            How::Imap => Handle::Imap(Box::new(pool.imap(act, items))),
            How::ImapUnordered => Handle::Unordered(Box::new(pool.imap_unordered(act, items))),
            How::Future => Handle::Future(pool.apply_async(act, 0), Arc::default()),
            How::Callback => {
                let result = pool.apply_async(act, 0);
                result.on_done(move |result| told.send(outcome(&result)).expect("somebody who listens"));
                Handle::One(result)
            }
        };
        (handle, calls)
    }

    /// Asks without waiting. Returns what will not be said again.
    pub(crate) fn ask(&mut self) -> Vec<Outcome> {
        let next = match self {
            Handle::One(_) | Handle::Many(_) | Handle::Future(..) => {
                self.glance();
                return Vec::new();
            }
            Handle::Imap(results) => results.next_timeout(Duration::ZERO),
            Handle::Unordered(results) => results.next_timeout(Duration::ZERO),
        };
        next.ok().flatten().iter().map(outcome).collect()
    }

    fn glance(&mut self) {
        match self {
            Handle::One(result) => drop(result.get_timeout(Duration::ZERO)),
            Handle::Many(result) => drop(result.get_timeout(Duration::ZERO)),
            Handle::Future(result, alarm) => drop(poll(result, alarm)),
            Handle::Imap(_) | Handle::Unordered(_) => {}
        }
    }

    /// The handle of what does not borrow the pool.
    pub(crate) fn free(self) -> Option<Handle<'static>> {
        match self {
            Handle::One(result) => Some(Handle::One(result)),
            Handle::Many(result) => Some(Handle::Many(result)),
            Handle::Future(result, alarm) => Some(Handle::Future(result, alarm)),
            Handle::Imap(_) | Handle::Unordered(_) => None,
        }
    }

    pub(crate) fn cancel(self) -> Option<Handle<'pool>> {
        match &self {
            Handle::One(result) | Handle::Future(result, _) => result.cancel(),
            Handle::Many(result) => result.cancel(),
            Handle::Imap(_) | Handle::Unordered(_) => return None,
        };
        Some(self)
    }

    /// Waits for all that is still to come.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        match self {
            Handle::One(result) => vec![outcome(&result.get())],
            Handle::Many(result) => vec![outcome(&result.get().map(|all| all.len() as u32))],
            Handle::Future(result, alarm) => vec![outcome(&wait(result, alarm))],
            Handle::Imap(results) => results.map(|result| outcome(&result)).collect(),
            Handle::Unordered(results) => results.map(|result| outcome(&result)).collect(),
        }
    }
}

pub(crate) fn outcome(result: &Result<u32, TaskError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Value,
        Err(error) if error.is_death() => Outcome::Died,
        Err(error) if error.is_cancelled() => Outcome::Cancelled,
        Err(error) if error.is_refused() => Outcome::Refused,
        Err(_) => Outcome::Other,
    }
}

fn poll(result: &mut AsyncResult<u32>, alarm: &Arc<Alarm>) -> Poll<Result<u32, TaskError>> {
    let waker = Waker::from(alarm.clone());
    let polled = Pin::new(result).poll(&mut Context::from_waker(&waker));
    alarm.state.lock().expect("a whole lock").0 = polled.is_pending();
    polled
}

/// Polls it when it was woken, and not before, as executors do.
fn wait(result: &mut AsyncResult<u32>, alarm: &Arc<Alarm>) -> Result<u32, TaskError> {
    loop {
        let state = alarm.state.lock().expect("a whole lock");
        let mut state =
            alarm.rings.wait_while(state, |(sleeps, is_woken)| *sleeps && !*is_woken).expect("a whole lock");
        state.1 = false;
        drop(state);
        if let Poll::Ready(result) = poll(result, alarm) {
            return result;
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.state.lock().expect("a whole lock").1 = true;
        self.rings.notify_all();
    }
}
