//! The threads of the server: the leader waits for the clients and runs their calls. [`LeaderFollowers`] says who leads.
//!
//! A call that ends quickly costs no hand-over to another thread. If it takes longer than [`LEADER_MAX_BUSY`], the follower becomes
//! the leader, and the former leader is left alone with its call. So there are as many threads as there are long calls, and two more.
//!
//! [`LeaderFollowers`]: super::leader_followers::LeaderFollowers
//! [`LEADER_MAX_BUSY`]: crate::wire::tuning::LEADER_MAX_BUSY

use std::io;
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::Instant;

use procession_core::os::backoff::{Backoff, has_other_cores};

use super::instance::Server;
use super::state::State;
use crate::wire::tuning::{
    EPOLL_EVERY_TURNS, MESSAGES_PER_TURN, PAUSES_PER_LOOK, SPAWN_EVERY_TURNS, SPIN_TIME, YIELD_AFTER,
};

impl Server {
    /// Starts the first leader and its follower.
    pub(super) fn start_threads(self: &Arc<Server>) -> io::Result<()> {
        let leader = Arc::clone(self);
        let lead = move || leader.lead_and_follow();
        // The follower first: otherwise the leader might find itself alone, and start a second one.
        let started = self.spawn_follower().and_then(|()| named().spawn(lead));
        started.map(drop).map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))
    }

    /// Starts a thread that waits in line, follows, and leads when its time has come.
    fn spawn_follower(self: &Arc<Server>) -> io::Result<()> {
        let server = Arc::clone(self);
        let follow = move || {
            server.follow();
            server.lead_and_follow();
        };
        self.threads.start_idle(|| named().spawn(follow).map(drop))
    }

    /// Leads and follows in turns, until other threads are enough for that.
    fn lead_and_follow(self: &Arc<Server>) {
        loop {
            self.lead();
            // One follower and one thread in line for it are enough.
            if self.threads.add_idle() >= 2 {
                return self.threads.remove_idle();
            }
            self.follow();
        }
    }

    /// Waits, as a thread that is counted, until it has to lead.
    fn follow(&self) {
        self.threads.follow();
        // Not counted while it leads, so that `lead` sees whether another thread would take over.
        self.threads.remove_idle();
    }

    /// Becomes the leader, until another thread does.
    fn lead(self: &Arc<Server>) {
        let mut state = self.lock();
        // A number and not a flag: the former leader compares its own with it whenever it has the lock again, and stops.
        state.leader += 1;
        let me = state.leader;
        // The former leader is left to its call: the new one is busy with nothing.
        if self.threads.is_in_call() {
            self.threads.end();
        }
        drop(state);
        let mut turns = 0_u32;
        loop {
            if turns.is_multiple_of(SPAWN_EVERY_TURNS) && self.threads.is_leader_alone() {
                // Without another thread the manager still works, but a long call holds up the others.
                let _alone = self.spawn_follower();
            }
            let state = self.run_ready(self.lock(), me);
            if state.leader != me {
                return;
            }
            #[cfg(feature = "remote")]
            super::remote_requests::accept_all(self, state);
            #[cfg(not(feature = "remote"))]
            drop(state);
            // A new leader begins by looking at all clients: leaders may change too often for any to come to a later look.
            if !self.turn(me, turns) {
                return;
            }
            turns = turns.wrapping_add(1);
        }
    }

    /// Waits for clients and handles what one of them sends. Returns whether the caller still leads.
    fn turn(&self, me: u64, turns: u32) -> bool {
        let mut state = self.lock();
        if turns.is_multiple_of(EPOLL_EVERY_TURNS) {
            // Clients that send all the time must not keep others from being read. The pipes are looked at as well: no event announces the
            // first call of a client for which no leader has slept yet.
            state.wake(self.epoll.wait(Some(Instant::now())).unwrap_or_default());
            state.poll_pipes();
        }
        // Asked first, because `poll_stalled` reads the clock, and most turns have no stalled client.
        if state.next_stalled_poll().is_some() {
            state.poll_stalled();
        }
        // Shared memory before the kernel: a look there costs no system call.
        if state.busy.is_empty() && !state.poll_pipes() {
            state = self.idle(state, me);
        }
        // `idle` also ends without a client: when a job has become ready, or another thread leads by now.
        let Some(token) = state.busy.pop_front() else { return state.leader == me };
        if token == Server::WAKER {
            // Drained before the caller looks for work, so a wake-up that comes in between is not lost.
            self.waker.drain();
            return state.leader == me;
        }
        // The client stays in the queue, so that another leader goes on with it if this one is replaced.
        state.busy.push_back(token);
        for _ in 0..MESSAGES_PER_TURN {
            if state.leader != me {
                return false;
            }
            if !state.recv(token) {
                state.busy.retain(|one| *one != token);
                break;
            }
            // After each message and not after all of them: a client that waits gets its reply earliest this way.
            state = self.run_ready(state, me);
        }
        state.leader == me
    }

    /// Waits until a client sends something: awake for a moment, then asleep.
    fn idle<'a>(&'a self, mut state: MutexGuard<'a, State>, me: u64) -> MutexGuard<'a, State> {
        // On one core the client cannot run while the leader spins.
        if (!state.awake.is_empty() || state.remote_active) && has_other_cores() {
            if self.spin.should_spin() {
                let has_paid;
                (has_paid, state) = self.stay_awake(state, me);
                if has_paid {
                    self.spin.record(true);
                    return state;
                }
            }
            self.spin.record(false);
            // Sockets cost a system call for each look, so one wait in vain ends the looking. The next frame begins it again.
            state.remote_active = false;
        }
        // Armed with the lock held, and looked at once more: a client that sends later makes its descriptor ready.
        if !state.prepare_sleep() {
            return state;
        }
        // Read after the arming, which may have found stalled clients.
        let until = state.next_stalled_poll();
        drop(state);
        let tokens = self.epoll.wait(until).unwrap_or_default();
        let mut state = self.lock();
        state.wake(tokens);
        state
    }

    /// Looks for a moment whether a client sends something. Returns whether there is something to do.
    fn stay_awake<'a>(&'a self, mut state: MutexGuard<'a, State>, me: u64) -> (bool, MutexGuard<'a, State>) {
        let start = Instant::now();
        let mut backoff = Backoff::new(SPIN_TIME, PAUSES_PER_LOOK).with_one_yield_after(YIELD_AFTER);
        loop {
            let remote_active = state.remote_active;
            // Other threads of the server need the lock to give their results.
            drop(state);
            // Only the kernel knows what sockets have; a deadline that has passed makes this a look.
            let tokens = if remote_active { self.epoll.wait(Some(start)).unwrap_or_default() } else { Vec::new() };
            let now = loop {
                if let Some(now) = backoff.pause() {
                    break now;
                }
            };
            state = self.lock();
            state.wake(tokens);
            // Jobs that other threads have made ready are work, too; and a leader that was replaced must not go on looking.
            if state.poll_pipes() || !state.ready.is_empty() || state.leader != me {
                return (true, state);
            }
            if backoff.is_over(now) {
                return (false, state);
            }
        }
    }
}

/// Returns a builder for the server's threads, with the name that debuggers show.
fn named() -> thread::Builder {
    thread::Builder::new().name("manager".to_owned())
}
