//! [`Server`]: what the threads of a manager's process share, and how one of them runs a call.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use procession_core::EndCopy;
use procession_core::os::backoff::AdaptiveSpin;
use procession_core::os::epoll::Epoll;
use procession_core::os::mutex::{ignore_poison, lock};
use procession_core::os::wake::Waker;
use procession_process::panics;

use super::job::Job;
use super::leader_followers::LeaderFollowers;
use super::origin::Deliver;
use super::state::{Cells, State};
use crate::table::Holder;
use crate::wire::ids::{ManagerId, ObjectId};
use crate::wire::tuning::{SPIN_MAX_MISSES, SPIN_RETRY_EVERY};

/// The server.
pub(crate) struct Server {
    /// The id by which proxies that arrive here are recognised as this manager's own.
    pub(crate) manager: ManagerId,
    /// Held for a moment at a time, and never while a method runs.
    state: Mutex<State>,
    /// Notified when the server is to end.
    over: Condvar,
    /// Which thread leads, and which one would take over.
    pub(super) threads: LeaderFollowers,
    /// Whether it has paid for the leader to stay awake.
    pub(super) spin: AdaptiveSpin,
    /// The descriptors of all clients and listeners, and of the waker.
    pub(super) epoll: Arc<Epoll>,
    /// Ends the sleep of the leader. Any thread of the process may use it.
    pub(super) waker: Waker,
}

impl Server {
    /// The token of the waker in the epoll set.
    pub(super) const WAKER: u64 = 0;

    /// Makes a server without clients and threads. Promises that are kept later are answered by `deliver`.
    pub(super) fn new(manager: ManagerId, deliver: Deliver) -> io::Result<Arc<Server>> {
        let (epoll, waker) = (Arc::new(Epoll::new()?), Waker::new()?);
        epoll.add(waker.pollable(), Server::WAKER)?;
        let state = Mutex::new(State::new(Arc::clone(&epoll), deliver));
        let spin = AdaptiveSpin::new(SPIN_MAX_MISSES, SPIN_RETRY_EVERY);
        let (over, threads) = (Condvar::new(), LeaderFollowers::default());
        Ok(Arc::new(Server { manager, state, over, threads, spin, epoll, waker }))
    }

    /// Locks the state. A panic of another holder is ignored: no code of the user's runs with the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits until a client has asked for the end.
    pub(super) fn wait_for_end(&self) {
        drop(ignore_poison(self.over.wait_while(self.lock(), |state| !state.is_over)));
    }

    /// Runs what can be run until there is nothing. A leader stops when another thread leads.
    pub(super) fn run_ready<'a>(&'a self, mut state: MutexGuard<'a, State>, me: u64) -> MutexGuard<'a, State> {
        while state.leader == me {
            // Between jobs, because a leader with much to do would otherwise keep dead values for as long as calls come.
            state = self.drop_deferred(state, Some(me));
            let Some((job, cells)) = state.next_ready() else { break };
            state = self.run(state, job, cells, Some(me));
        }
        // If another thread leads by now, the jobs that this one has made ready are for that thread, which may be asleep.
        self.pass_on(state, Some(me))
    }

    /// Runs one job, and leaves those that it has kept waiting to the leader.
    pub(super) fn run_alone<'a>(&'a self, state: MutexGuard<'a, State>, job: Job, cells: Cells) {
        // `None`: this thread does not lead, so the follower must not watch its call.
        let state = self.run(state, job, cells, None);
        drop(self.pass_on(self.drop_deferred(state, None), None));
    }

    /// Runs one job without the lock, and ends it with the lock. `leader` is the number of the calling thread, if it leads.
    fn run<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        mut job: Job,
        cells: Cells,
        leader: Option<u64>,
    ) -> MutexGuard<'a, State> {
        let (finish, mut state) = self.unlocked(state, leader, || {
            let finish = job.run(&cells, Vec::new());
            // The last reference may have gone during the call. A panic of the value's destructor is not the caller's.
            drop_caught(cells);
            finish
        });
        state.finish(job, finish);
        state
    }

    /// Runs what may be the user's code, without the lock.
    fn unlocked<'a, R>(
        &'a self,
        state: MutexGuard<'a, State>,
        leader: Option<u64>,
        work: impl FnOnce() -> R,
    ) -> (R, MutexGuard<'a, State>) {
        // With the lock held: a thread that takes over finds the call counted, and ends the count in place of this one.
        if leader.is_some() {
            self.threads.begin();
        }
        drop(state);
        // A copy of the process that a method or destructor makes ends in there: it must not come back for the lock, nor answer.
        let result = work();
        let state = self.lock();
        // A thread that took over has counted this call as ended.
        if leader == Some(state.leader) {
            self.threads.end();
        }
        (result, state)
    }

    /// Wakes the leader if another thread, `me`, has left something for it: a job to run, or a client to read from.
    pub(super) fn pass_on<'a>(&'a self, state: MutexGuard<'a, State>, me: Option<u64>) -> MutexGuard<'a, State> {
        if me != Some(state.leader) && !(state.ready.is_empty() && state.busy.is_empty()) {
            self.waker.wake();
        }
        state
    }

    /// Drops values without references, without the lock: they may hold proxies, and take long.
    fn drop_deferred<'a>(&'a self, mut state: MutexGuard<'a, State>, leader: Option<u64>) -> MutexGuard<'a, State> {
        // `State` cannot reach the condition variable. The leader comes by here after each message that it handles.
        if state.is_over {
            self.over.notify_all();
        }
        // A loop: a value may hold proxies, and dropping them may leave further values without references.
        while !state.deferred_drops.is_empty() {
            let values = std::mem::take(&mut state.deferred_drops);
            // Each by itself: a panic of one destructor must not keep the other values alive.
            let drop_all = || values.into_iter().for_each(drop_caught);
            ((), state) = self.unlocked(state, leader, drop_all);
        }
        state
    }

    /// Gives a reference back, and drops values that are left without one.
    pub(super) fn release(&self, object: ObjectId, holder: Holder) {
        let mut state = self.lock();
        let released = state.table.release(object, holder);
        state.finish_release(released);
        drop(self.drop_deferred(state, None));
    }
}

/// Drops what may be the user's. A panic of it ends here, as does a copy of the process that it makes.
fn drop_caught<T>(value: T) {
    let drop = || {
        let _copy = EndCopy::here();
        drop(value);
    };
    let _dropped = panics::catch(drop);
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("manager", &self.manager).finish_non_exhaustive()
    }
}
