//! [`LockGuard`]: the lock of a pool while a thread holds it, and how that thread hands the dispatch to another one.
//!
//! Four fields beside the dispatcher say which thread looks at the rings next. They change only under the lock, and each of
//! these methods leaves them so that some thread will look: a caller that polls, or the pool's own, by a notification or a
//! deadline.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;
use std::time::Instant;

use super::Dispatcher;
use super::mailbox::Listener;
use crate::local::poller::Poller;
use crate::model::ids::JobId;
use crate::model::tuning::{ALARM_SLACK, POLL_INTERVAL};

/// The dispatcher, and who drives it.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) dispatcher: Dispatcher,
    /// Whether a caller has driven since the pool's own thread looked last, and has not gone to sleep since then.
    is_driven: bool,
    /// Whether the pool's own thread looks every [`POLL_INTERVAL`] whether callers still drive.
    is_poll_mode: bool,
    /// Whether the pool's own thread polls the rings, and will ask for notifications when it stops.
    pub(super) is_spinning: bool,
    /// Until when the pool's own thread sleeps; the outer `None` while it does not.
    pub(super) sleeps_until: Option<Option<Instant>>,
}

impl Locked {
    pub(super) fn new(dispatcher: Dispatcher) -> Locked {
        Locked { dispatcher, is_driven: false, is_poll_mode: false, is_spinning: false, sleeps_until: None }
    }

    /// Called by the pool's own thread before it sleeps. Returns until when.
    pub(super) fn prepare_sleep(&mut self) -> Option<Instant> {
        // A caller that was woken will drive the dispatcher itself.
        // `|` and not `||`, because both are to be forgotten at each look.
        let is_driven = self.dispatcher.jobs.take_woke_driver() | mem::take(&mut self.is_driven);
        // Callbacks and futures poll no rings, so they need the notifications.
        self.is_poll_mode = is_driven && !self.dispatcher.jobs.has_wakers();
        if self.is_poll_mode {
            self.dispatcher.disarm();
        }
        let look = self.is_poll_mode.then(|| Instant::now() + POLL_INTERVAL);
        // Until a look after the doorbells were set finds nothing: what comes after that is notified.
        while look.is_none() && self.dispatcher.arm() {
            self.dispatcher.pump();
        }
        let until = self.dispatcher.deadline().into_iter().chain(look).min();
        self.sleeps_until = Some(until);
        until
    }
}

/// The lock of a pool. When it is released, listeners are called: a waker is code of the user's, which may call the same pool.
#[derive(Debug)]
pub(crate) struct LockGuard<'a> {
    /// `None` from the drop on.
    locked: Option<MutexGuard<'a, Locked>>,
    poller: &'a Poller,
}

impl<'a> LockGuard<'a> {
    pub(super) fn new(locked: MutexGuard<'a, Locked>, poller: &'a Poller) -> LockGuard<'a> {
        LockGuard { locked: Some(locked), poller }
    }

    /// Called by a caller that submits tasks and so polls the rings by the way: it will do so again before long.
    pub(crate) fn drive(&mut self) {
        self.is_driven = true;
        if self.is_poll_mode && !self.dispatcher.jobs.has_wakers() {
            self.dispatcher.disarm();
        }
    }

    /// Called by a caller that has its results, or gives up.
    pub(crate) fn stop_driving(&mut self) {
        if self.dispatcher.jobs.has_wakers() {
            // No other thread polls the rings for callbacks and futures.
            while self.arm_and_yield() {}
            return;
        }
        self.is_driven = true;
        if self.is_poll_mode {
            // The pool's own thread looks soon enough for every deadline.
            return;
        }
        if self.dispatcher.is_busy() {
            // The thread may sleep without a limit, so it is woken once to begin with its looks.
            self.is_poll_mode = true;
            self.poller.wake();
        } else {
            self.set_alarm();
        }
    }

    /// Called by a caller before it sleeps: from now on the workers notify the pool's own thread. Returns whether there were results
    /// before, which have been handled; the caller then looks whether they were its own.
    pub(crate) fn arm_and_yield(&mut self) -> bool {
        self.is_driven = false;
        // The pool's own thread polls, and sets the doorbells itself before it sleeps.
        if self.is_spinning {
            return false;
        }
        self.set_alarm();
        let has_more = self.dispatcher.arm() && self.dispatcher.pump();
        if has_more {
            // The results may have brought an earlier deadline.
            self.set_alarm();
        }
        has_more
    }

    /// Has the workers notify the pool's own thread of a job's results, for a callback or a future.
    pub(crate) fn set_waker(&mut self, job: JobId) {
        self.dispatcher.jobs.set_waker(job);
        while self.arm_and_yield() {}
    }

    /// Wakes the pool's own thread if it would sleep beyond the deadline.
    fn set_alarm(&mut self) {
        // An awake thread computes its deadline before it sleeps.
        let Some(sleeps_until) = self.sleeps_until else { return };
        let Some(deadline) = self.dispatcher.deadline() else { return };
        if sleeps_until.is_none_or(|until| deadline + ALARM_SLACK < until) {
            self.sleeps_until = None;
            self.poller.wake();
        }
    }
}

impl Deref for LockGuard<'_> {
    type Target = Locked;

    #[inline]
    fn deref(&self) -> &Locked {
        self.locked.as_deref().expect("it is locked until it is dropped")
    }
}

impl DerefMut for LockGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Locked {
        self.locked.as_deref_mut().expect("it is locked until it is dropped")
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        let Some(mut locked) = self.locked.take() else { return };
        // Taken under the lock and called without it.
        let listeners = locked.dispatcher.take_listeners();
        drop(locked);
        listeners.iter().for_each(Listener::call);
    }
}
