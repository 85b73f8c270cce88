//! The server's threads: one *leader* waits for the clients and runs their calls itself; others stand by.
//!
//! A call that is over quickly costs no hand-over to another thread. If one is not over after a millisecond or two, the thread
//! that stands by becomes the leader, and the former one is left alone with its call. So there are as many threads as there
//! are calls that take long, and two more.
//!
//! The one that stands by looks at a counter, once a millisecond while calls are run and not at all when none are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use procession_core::os::identity::ProcessIdentity;
use procession_process::panics;

use super::Server;
use super::job::Job;
use super::state::{Cells, State};

/// How long the leader may be busy with one call.
const TOO_LONG: Duration = Duration::from_millis(1);

/// After so many looks that found nothing new, the one that stands by goes to sleep.
const QUIET_LOOKS: u32 = 16;

/// How many things are taken in from one client before the next has its turn.
const BURST: usize = 64;

/// How long the leader stays awake after somebody has spoken. Being woken costs as long.
const BRIEFLY: Duration = Duration::from_micros(50);

/// After so long it lets others have the core: who is waited for may have been woken on this very one.
const YIELD: Duration = Duration::from_micros(5);

/// After so many vain waits in a row the leader stays awake only one time in [`RARELY`].
const VAIN: u32 = 4;
const RARELY: u32 = 128;

/// How many pauses there are between two looks into shared memory.
const SPINS: usize = 8;

/// After so many turns the kernel is asked what is ready, even if there is enough to do.
const SELDOM: u32 = 64;

/// Whether there is more than one core for this process.
fn has_company() -> bool {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)) > 1
}

/// How the threads find out about each other.
#[derive(Debug, Default)]
pub(crate) struct LeaderFollowers {
    /// Odd while the leader runs a call.
    epoch: AtomicU64,
    /// Whether the one that stands by sleeps until it is woken.
    sleeps: AtomicBool,
    /// Held by the one that stands by; the others stand in line for it.
    next_leader: Mutex<()>,
    /// Where the one that stands by pauses.
    watch: Mutex<()>,
    wakeup: Condvar,
    /// How many stand by or stand in line.
    idle: AtomicU64,
}

impl LeaderFollowers {
    fn begin(&self) {
        // Either this is seen by the one that stands by before it sleeps, or it is seen here that it does.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if self.sleeps.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    fn end(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    #[cold]
    fn wake(&self) {
        if self.sleeps.swap(false, Ordering::SeqCst) {
            drop(self.watch.lock());
            self.wakeup.notify_all();
        }
    }

    /// Waits until the leader has been busy with one call for too long.
    fn follow(&self) {
        let _next = self.next_leader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut seen, mut quiet) = (self.epoch.load(Ordering::SeqCst), 0);
        loop {
            watch = self.pause(watch, quiet > QUIET_LOOKS);
            let epoch = self.epoch.load(Ordering::SeqCst);
            match (epoch == seen, epoch % 2 == 1) {
                (true, true) => return,
                (true, false) => quiet += 1,
                (false, _) => quiet = 0,
            }
            seen = epoch;
        }
    }

    fn pause<'a>(&self, watch: MutexGuard<'a, ()>, for_long: bool) -> MutexGuard<'a, ()> {
        if !for_long {
            return self.wakeup.wait_timeout(watch, TOO_LONG).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.sleeps.store(true, Ordering::SeqCst);
        if self.epoch.load(Ordering::SeqCst) % 2 == 1 {
            self.sleeps.store(false, Ordering::SeqCst);
            return watch;
        }
        let asleep = |(): &mut ()| self.sleeps.load(Ordering::SeqCst);
        self.wakeup.wait_while(watch, asleep).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Starts a thread of the crew.
    pub(crate) fn spawn_follower(self: &Arc<Server>) -> std::io::Result<()> {
        let server = Arc::clone(self);
        self.threads.idle.fetch_add(1, Ordering::SeqCst);
        thread::Builder::new().name("manager".to_owned()).spawn(move || server.serve()).map(drop)
    }

    /// The life of a thread of the crew.
    fn serve(self: Arc<Server>) {
        loop {
            self.threads.follow();
            self.threads.idle.fetch_sub(1, Ordering::SeqCst);
            self.lead();
            // One that stands by and one in line for it are enough.
            if self.threads.idle.fetch_add(1, Ordering::SeqCst) >= 2 {
                self.threads.idle.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        }
    }

    /// Becomes the leader, until another one does.
    pub(crate) fn lead(self: &Arc<Server>) {
        let mut state = self.lock();
        state.leader += 1;
        let me = state.leader;
        // From now on the leader is busy with nothing. The beat changes only while the state is locked.
        if self.threads.epoch.load(Ordering::SeqCst) % 2 == 1 {
            self.threads.end();
        }
        drop(state);
        if self.threads.idle.load(Ordering::SeqCst) == 0 {
            // Without another thread the manager still works, but a long call holds up the others.
            let _alone = self.spawn_follower();
        }
        let mut turns = 0_u32;
        loop {
            let state = self.run_ready(self.lock(), me);
            if state.leader != me {
                return;
            }
            drop(state);
            turns = turns.wrapping_add(1);
            if !self.turn(me, turns) {
                return;
            }
        }
    }

    /// Waits for clients and does what they say. Answers whether the caller still leads.
    fn turn(&self, me: u64, turns: u32) -> bool {
        let mut state = self.lock();
        if turns.is_multiple_of(SELDOM) {
            // Those who are looked at all the time must not keep the others from being heard.
            state.wake(self.epoll.wait(Some(Instant::now())).unwrap_or_default());
        }
        if state.next_stalled_poll().is_some() {
            state.poll_stalled();
        }
        if state.busy.is_empty() && !state.poll_pipes() {
            state = self.idle(state, me);
        }
        let Some(token) = state.busy.pop_front() else { return state.leader == me };
        if token == Server::WAKER {
            self.waker.drain();
            return state.leader == me;
        }
        // It stays known as busy, in case that another leader goes on with it.
        state.busy.push_back(token);
        for _ in 0..BURST {
            if state.leader != me {
                return false;
            }
            if !state.recv(token) {
                state.busy.retain(|one| *one != token);
                break;
            }
            state = self.run_ready(state, me);
        }
        state.leader == me
    }

    /// Waits until somebody says something: awake for a moment, then asleep.
    fn idle<'a>(&'a self, mut state: MutexGuard<'a, State>, me: u64) -> MutexGuard<'a, State> {
        if (!state.awake.is_empty() || state.remote_active) && has_company() {
            if state.misses < VAIN || state.misses.is_multiple_of(RARELY) {
                let has_paid;
                (has_paid, state) = self.stay_awake(state, me);
                if has_paid {
                    state.misses = 0;
                    return state;
                }
            }
            state.misses = state.misses.wrapping_add(1);
            state.remote_active = false;
        }
        if !state.prepare_sleep() {
            return state;
        }
        let until = state.next_stalled_poll();
        drop(state);
        let tokens = self.epoll.wait(until).unwrap_or_default();
        let mut state = self.lock();
        state.wake(tokens);
        state
    }

    /// Looks whether somebody says something, for a moment. Answers whether somebody has, or there is something else to do.
    fn stay_awake<'a>(&'a self, mut state: MutexGuard<'a, State>, me: u64) -> (bool, MutexGuard<'a, State>) {
        let (start, mut has_yielded) = (Instant::now(), false);
        loop {
            let elapsed = start.elapsed();
            if elapsed > BRIEFLY {
                return (false, state);
            }
            let remote_active = state.remote_active;
            drop(state);
            // Sockets are the kernel's to look at.
            let tokens = if remote_active { self.epoll.wait(Some(start)).unwrap_or_default() } else { Vec::new() };
            if elapsed > YIELD && !has_yielded {
                thread::yield_now();
                has_yielded = true;
            }
            (0..SPINS).for_each(|_| std::hint::spin_loop());
            state = self.lock();
            state.wake(tokens);
            if state.poll_pipes() || !state.ready.is_empty() || state.leader != me {
                return (true, state);
            }
        }
    }

    /// Runs what can be run until there is nothing. A leader stops when it is none any more.
    pub(crate) fn run_ready<'a>(&'a self, mut state: MutexGuard<'a, State>, me: u64) -> MutexGuard<'a, State> {
        while state.leader == me {
            state = self.drop_deferred(state, Some(me));
            let Some((job, cells)) = state.next_ready() else { break };
            state = self.run(state, job, cells, Some(me));
        }
        self.pass_on(state, Some(me))
    }

    /// Runs one job, and sees to it that somebody runs those that it has kept waiting.
    pub(crate) fn run_alone<'a>(&'a self, state: MutexGuard<'a, State>, job: Job, cells: Cells) {
        let state = self.run(state, job, cells, None);
        drop(self.pass_on(self.drop_deferred(state, None), None));
    }

    fn run<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        mut job: Job,
        cells: Cells,
        leader: Option<u64>,
    ) -> MutexGuard<'a, State> {
        let (finish, mut state) = self.unlocked(state, leader, || {
            let finish = job.run(&cells, Vec::new());
            // Its object may have gone meanwhile, and the value with it, whose panic is nobody's but its own.
            let _dropped = panics::catch(|| drop(cells));
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
        if leader.is_some() {
            self.threads.begin();
        }
        drop(state);
        let answer = work();
        self.leave_in_copy();
        let state = self.lock();
        // Whoever took over has counted this as ended.
        if leader == Some(state.leader) {
            self.threads.end();
        }
        (answer, state)
    }

    /// Ends a copy of the process that a method has made and returned into: it has the manager's connections, and is not the manager.
    fn leave_in_copy(&self) {
        if ProcessIdentity::current().pid() != self.process {
            procession_core::os::exit::exit_now(0);
        }
    }

    /// Wakes the leader, if there is something to be run, or a client to be heard to the end, and somebody else has to do it.
    pub(crate) fn pass_on<'a>(&'a self, state: MutexGuard<'a, State>, me: Option<u64>) -> MutexGuard<'a, State> {
        if me != Some(state.leader) && !(state.ready.is_empty() && state.busy.is_empty()) {
            self.waker.wake();
        }
        state
    }

    /// Drops values that nobody refers to, without the lock: they may hold proxies, and take long.
    pub(crate) fn drop_deferred<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        leader: Option<u64>,
    ) -> MutexGuard<'a, State> {
        if state.is_over {
            self.over.notify_all();
        }
        for (listener, schema) in std::mem::take(&mut state.listeners) {
            self.attend(listener, schema);
        }
        while !state.deferred_drops.is_empty() {
            let deferred_drops = std::mem::take(&mut state.deferred_drops);
            let drop_all = || {
                for value in deferred_drops {
                    // A panic while a value is dropped is nobody's but the value's.
                    let _dropped = panics::catch(|| drop(value));
                }
            };
            ((), state) = self.unlocked(state, leader, drop_all);
        }
        state
    }
}
