//! [`Pending`]: a job that nobody has to wait for, and everybody who wants to be told when it has ended.
//!
//! Results are taken out of the sink by whoever looks, so the pool's own thread does nothing but wake those who watch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use procession_core::os::identity::ProcessIdentity;

use crate::callbacks;
use crate::guard;
use crate::parcel::Parcel;
use crate::sink::Listener;
use crate::task_error::{Kind, Story};
use crate::ticket::Ticket;
use crate::{FailurePolicy, TaskError};

/// A job that is under way without anybody having to wait for it.
pub(crate) struct Pending {
    /// The process that it belongs to, whose copies must not touch its locks.
    owner: ProcessIdentity,
    state: Mutex<State>,
    /// Told when it has ended, and when the thread that waits for all has stopped waiting.
    changed: Condvar,
    watchers: Mutex<Vec<(WatchId, Waker)>>,
    /// Set once, and read without a lock, because values are decoded by code of the user's.
    end: OnceLock<End>,
    /// Whether it is cancelled when nobody is left who could ask for it.
    cancels_on_drop: AtomicBool,
}

/// For so long a future looks for a result of tasks that take no time to speak of.
const GLANCE: Duration = Duration::from_micros(10);

/// The values in the order of the tasks, or the first error.
pub(crate) type End = Result<Vec<Parcel>, TaskError>;

/// Names one who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchId(u64);

struct State {
    /// `None` from the end on.
    ticket: Option<Arc<Ticket>>,
    /// Whether a thread waits for the ticket. It takes what arrives, so that none waits for what another one has taken.
    is_attended: bool,
    /// As they have arrived.
    parcels: Vec<Parcel>,
    /// How many tasks have not ended.
    missing: u64,
    policy: FailurePolicy,
    /// Of the errors that have arrived while others are waited for, that of the first task.
    failure: Option<TaskError>,
}

impl WatchId {
    pub(crate) fn new() -> WatchId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        WatchId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Pending {
    /// One that waits for `count` results. There may be an error already that is told when the others have come.
    pub(crate) fn new(ticket: Ticket, count: u64, policy: FailurePolicy, failure: Option<TaskError>) -> Arc<Pending> {
        let ticket = Arc::new(ticket);
        let state = State { ticket: Some(ticket.clone()), missing: count, policy, failure, ..State::ended() };
        let new = Pending::with(state, OnceLock::new());
        let told: Weak<Pending> = Arc::downgrade(&new);
        ticket.sink.listen(Listener::new(move || told.upgrade().iter().for_each(|pending| pending.tell())));
        new.collect();
        new
    }

    /// One that has ended before it began.
    pub(crate) fn ended(end: End) -> Arc<Pending> {
        Pending::with(State::ended(), OnceLock::from(end))
    }

    fn with(state: State, end: OnceLock<End>) -> Arc<Pending> {
        let (state, watchers) = (Mutex::new(state), Mutex::default());
        Arc::new(Pending {
            owner: ProcessIdentity::current(),
            state,
            changed: Condvar::new(),
            watchers,
            end,
            cancels_on_drop: AtomicBool::new(false),
        })
    }

    /// What has come out; `None` while it has not ended.
    pub(crate) fn end(&self) -> Option<&End> {
        match self.end.get() {
            None if self.is_ours() => self.collect(),
            None => self.give_up(),
            Some(_) => {}
        }
        self.end.get()
    }

    /// Waits until it has ended, if that is so soon that whoever waits for it had better stay.
    pub(crate) fn glance(&self) -> Option<&End> {
        let is_instant = self.state().ticket.as_ref().is_some_and(|ticket| ticket.is_instant());
        if is_instant { self.wait(Some(Instant::now() + GLANCE)) } else { self.end() }
    }

    /// Waits until it has ended, or until the deadline.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<&End> {
        if !self.is_ours() {
            return self.end();
        }
        let mut state = self.state();
        loop {
            if let Some(end) = self.end.get() {
                return Some(end);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return self.end_now(state);
            }
            state = match state.ticket.clone() {
                Some(ticket) if !state.is_attended => self.attend(state, &ticket, deadline),
                _ => self.stand_by(state, deadline),
            };
        }
    }

    /// Waits for what arrives next, on behalf of all.
    fn attend<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ticket: &Ticket,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        state.is_attended = true;
        let missing = state.missing;
        drop(state);
        ticket.wait(missing, deadline);
        let mut state = self.state();
        state.is_attended = false;
        self.changed.notify_all();
        self.take(state);
        self.state()
    }

    /// Waits until another thread has stopped waiting.
    fn stand_by<'a>(&'a self, state: MutexGuard<'a, State>, deadline: Option<Instant>) -> MutexGuard<'a, State> {
        let Some(deadline) = deadline else {
            return self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }

    fn end_now(&self, state: MutexGuard<'_, State>) -> Option<&End> {
        if !state.is_attended {
            self.take(state);
        }
        self.end.get()
    }

    /// Has a waker woken, perhaps more than once, when something has happened, which may be now.
    pub(crate) fn watch(&self, id: WatchId, waker: &Waker) {
        if !self.is_ours() {
            return waker.wake_by_ref();
        }
        let mut watchers = self.watchers();
        match watchers.iter_mut().find(|(other, _)| *other == id) {
            Some((_, present)) => present.clone_from(waker),
            None => watchers.push((id, waker.clone())),
        }
        drop(watchers);
        if self.end().is_some() {
            waker.wake_by_ref();
            return;
        }
        let ticket = self.state().ticket.clone();
        ticket.iter().for_each(|ticket| ticket.expect());
    }

    pub(crate) fn unwatch(&self, id: WatchId) {
        if !self.is_ours() {
            return;
        }
        let unwatched = self.watchers().extract_if(.., |(other, _)| *other == id).next();
        // What it owns may be much, so it goes outside the lock.
        drop(unwatched);
    }

    /// Has it cancelled when nobody is left who could ask for it.
    pub(crate) fn cancel_on_drop(&self) {
        self.cancels_on_drop.store(true, Ordering::Relaxed);
    }

    /// Has what has not ended cancelled, which will be the end of it soon. Answers whether it had not ended.
    pub(crate) fn cancel(&self) -> bool {
        if self.end().is_some() {
            return false;
        }
        let ticket = self.state().ticket.clone();
        ticket.iter().for_each(|ticket| ticket.cancel());
        ticket.is_some()
    }

    /// Takes in what has arrived, unless that means to wait.
    pub(crate) fn look(&self) {
        if self.end.get().is_none()
            && self.is_ours()
            && let Ok(state) = self.state.try_lock()
        {
            self.end_now(state);
        }
    }

    /// How it is, for whoever looks for the reason of a hang: it waits for no lock.
    pub(crate) fn standing(&self) -> &'static str {
        let busy = || self.state.try_lock().ok().and_then(|state| state.ticket.as_ref()?.runs());
        match self.end.get() {
            Some(Ok(_)) => "value",
            Some(Err(error)) if error.is_cancelled() => "cancelled",
            Some(Err(_)) => "error",
            None if self.is_ours() => busy().map_or("pending", |runs| if runs { "running" } else { "waiting" }),
            None => "of another process",
        }
    }

    fn is_ours(&self) -> bool {
        self.owner == ProcessIdentity::current()
    }

    /// In a copy of the process that it belongs to, where nothing will arrive.
    fn give_up(&self) {
        let _set_once = self.end.set(Err(TaskError::new(0, Story::of(None, Kind::Forked))));
    }

    /// Takes in what has arrived, unless a thread is there that will.
    fn collect(&self) {
        let state = self.state();
        if !state.is_attended {
            self.take(state);
        }
    }

    fn take(&self, mut state: MutexGuard<'_, State>) {
        let mut parcels: VecDeque<Parcel> = VecDeque::new();
        match &state.ticket {
            Some(ticket) => ticket.take(&mut parcels),
            None => return,
        }
        state.note_failures(&parcels);
        state.missing = state.missing.saturating_sub(parcels.iter().map(Parcel::count).sum());
        if (state.missing == 0 || state.policy == FailurePolicy::FailFast)
            && let Some(error) = state.failure.take()
        {
            return self.finish(state, Err(error));
        }
        state.parcels.extend(parcels);
        if state.missing == 0 {
            let mut parcels = mem::take(&mut state.parcels);
            parcels.sort_unstable_by_key(Parcel::first);
            self.finish(state, Ok(parcels));
        }
    }

    /// Sets the end, and tells everybody.
    fn finish(&self, mut state: MutexGuard<'_, State>, end: End) {
        let _set_once = self.end.set(end);
        let ticket = state.ticket.take();
        let unwanted = mem::take(&mut state.parcels);
        drop(state);
        drop((ticket, unwanted));
        self.changed.notify_all();
        self.tell();
    }

    fn tell(&self) {
        let watchers: Vec<Waker> = self.watchers().iter().map(|(_, waker)| waker.clone()).collect();
        // It is code of the user's. A panic of it has been reported on stderr by then.
        watchers.into_iter().for_each(|waker| drop(guard::run(|| waker.wake())));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<(WatchId, Waker)>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ended() -> State {
        let (parcels, policy) = (Vec::new(), FailurePolicy::FailFast);
        State { ticket: None, is_attended: false, parcels, missing: 0, policy, failure: None }
    }

    fn note_failures(&mut self, parcels: &VecDeque<Parcel>) {
        let failures = parcels.iter().filter_map(Parcel::failure).chain(self.failure.take());
        self.failure = failures.min_by_key(TaskError::index);
    }
}

/// Nobody wants its results any more. Its tasks run to their end all the same, unless that was asked for.
impl Drop for Pending {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticket) = state.ticket.take().and_then(Arc::into_inner)
            && ticket.is_ours()
        {
            // This may be under locks of the pool, which told of a result at the moment in which the last one lost interest.
            let stops = *self.cancels_on_drop.get_mut();
            callbacks::run(Box::new(move || if stops { ticket.cancel() } else { ticket.detach() }));
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("has_ended", &self.end.get().is_some()).finish_non_exhaustive()
    }
}
