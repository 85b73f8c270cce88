//! [`LeaderFollowers`]: how the threads of the server take turns, by the pattern of that name.
//!
//! One *leader* waits for the clients and runs their calls itself. A *follower* watches the leader and takes over when one call keeps
//! it busy for too long. Further threads wait in line to become the follower.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use procession_core::os::mutex::{ignore_poison, lock};

use crate::wire::tuning::{FOLLOWER_IDLE_LOOKS, LEADER_MAX_BUSY};

/// The state by which the threads take turns.
#[derive(Debug, Default)]
pub(super) struct LeaderFollowers {
    /// Odd while the leader runs a call.
    epoch: AtomicU64,
    /// Whether the follower sleeps until it is woken.
    is_asleep: AtomicBool,
    /// Held by the follower; the others wait for it.
    next_leader: Mutex<()>,
    /// Held by the follower while it looks.
    watch: Mutex<()>,
    /// Notified when the follower is to look again after its sleep.
    wakeup: Condvar,
    /// The number of threads that follow, or wait in line for it.
    idle: AtomicU64,
}

impl LeaderFollowers {
    /// Records that the leader begins a call.
    pub(super) fn begin(&self) {
        // SeqCst, as all of `epoch` and `is_asleep`: either this load sees the store in `pause`, or the load of `epoch` there
        // sees this addition. Otherwise the follower would sleep through a long call.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        // Pairs with the store in `pause`.
        if self.is_asleep.load(Ordering::SeqCst) {
            self.wake_follower();
        }
    }

    /// Records that the leader has ended a call.
    pub(super) fn end(&self) {
        // Release pairs with the loads in `follow`; nothing else depends on the end of a call.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Returns whether the last leader was still in a call.
    pub(super) fn is_in_call(&self) -> bool {
        // Pairs with `begin`. It changes only while the state of the server is locked, which the caller has done.
        self.epoch.load(Ordering::SeqCst) % 2 == 1
    }

    #[cold]
    fn wake_follower(&self) {
        // Pairs with the store in `pause`; only one of several callers wakes it.
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            // The follower is in its wait once the lock can be had, and cannot miss the notification.
            drop(lock(&self.watch));
            self.wakeup.notify_all();
        }
    }

    /// Waits until the leader has been busy with one call for too long.
    pub(super) fn follow(&self) {
        // Released on return, when this thread takes over: the first in line then follows it.
        let _next = lock(&self.next_leader);
        let mut watch = lock(&self.watch);
        // Pairs with `begin` and `end`, as the load below.
        let (mut seen, mut quiet) = (self.epoch.load(Ordering::SeqCst), 0);
        loop {
            watch = self.pause(watch, quiet > FOLLOWER_IDLE_LOOKS);
            // Pairs with `begin` and `end`.
            let epoch = self.epoch.load(Ordering::SeqCst);
            match (epoch == seen, epoch % 2 == 1) {
                // The same call, seen twice, with a pause of `LEADER_MAX_BUSY` in between.
                (true, true) => return,
                (true, false) => quiet += 1,
                (false, _) => quiet = 0,
            }
            seen = epoch;
        }
    }

    /// Waits between two looks: for [`LEADER_MAX_BUSY`], or where it has long been quiet, until a call begins.
    fn pause<'a>(&self, watch: MutexGuard<'a, ()>, is_quiet: bool) -> MutexGuard<'a, ()> {
        if !is_quiet {
            return ignore_poison(self.wakeup.wait_timeout(watch, LEADER_MAX_BUSY)).0;
        }
        // Pairs with the load in `begin`: the follower announces its sleep before it looks for the last time.
        self.is_asleep.store(true, Ordering::SeqCst);
        if self.is_in_call() {
            // It is awake after all; pairs with `begin` as the store above.
            self.is_asleep.store(false, Ordering::SeqCst);
            return watch;
        }
        // Pairs with the swap in `wake_follower`.
        ignore_poison(self.wakeup.wait_while(watch, |()| self.is_asleep.load(Ordering::SeqCst)))
    }

    /// Counts a thread that is going to follow. Returns how many there were before.
    pub(super) fn add_idle(&self) -> u64 {
        // AcqRel with itself alone: it is a count, and publishes nothing.
        self.idle.fetch_add(1, Ordering::AcqRel)
    }

    /// Starts a thread that is going to follow. It is counted before it runs: a leader that looks meanwhile must not start another one.
    pub(super) fn start_idle<E>(&self, start: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        self.add_idle();
        // A thread that could not be started would be counted for ever, and no leader would start another one.
        start().inspect_err(|_| self.remove_idle())
    }

    /// Counts a thread no longer, because it leads or ends.
    pub(super) fn remove_idle(&self) {
        // AcqRel, as in `add_idle`.
        self.idle.fetch_sub(1, Ordering::AcqRel);
    }

    /// Returns whether no thread would take over.
    pub(super) fn is_leader_alone(&self) -> bool {
        // Acquire pairs with `add_idle`.
        self.idle.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_could_not_be_started_is_not_counted() {
        let threads = LeaderFollowers::default();
        assert_eq!(threads.start_idle(|| Err("no thread")), Err("no thread"));
        assert!(threads.is_leader_alone());
        threads.start_idle(|| (!threads.is_leader_alone()).then_some(()).ok_or("counted before it runs")).unwrap();
        assert!(!threads.is_leader_alone());
    }
}
