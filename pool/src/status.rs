//! [`Status`]: how a pool is, for everybody to see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::PoolError;
use crate::task_error::Kind;

/// So many failures of finalizers are kept, the first ones.
const MOST_FAREWELLS: usize = 64;

/// How a pool is.
#[derive(Debug, Default)]
pub(crate) struct Status {
    state: Mutex<State>,
    changed: Condvar,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
struct State {
    ready: bool,
    terminated: bool,
    broken: Option<PoolError>,
    ended: bool,
    /// What became of finalizers that failed.
    farewells: Vec<PoolError>,
}

/// How many tasks came to which end.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
}

impl Status {
    pub(crate) fn set_ready(&self) {
        self.change(|state| state.ready = true);
    }

    pub(crate) fn set_broken(&self, error: PoolError) {
        self.change(|state| state.broken = Some(error));
    }

    pub(crate) fn set_terminated(&self) {
        self.change(|state| state.terminated = true);
    }

    /// Keeps what became of a finalizer, unless so many have failed that one more says nothing new.
    pub(crate) fn add_farewell(&self, error: PoolError) {
        let mut state = self.state();
        if state.farewells.len() < MOST_FAREWELLS {
            state.farewells.push(error);
        }
    }

    pub(crate) fn farewells(&self) -> Vec<PoolError> {
        self.state().farewells.clone()
    }

    pub(crate) fn set_ended(&self) {
        self.change(|state| state.ended = true);
    }

    /// Waits until a worker is ready.
    pub(crate) fn wait_ready(&self) -> Result<(), PoolError> {
        let unsettled = |state: &mut State| !state.ready && state.broken.is_none() && !state.ended;
        let state = self.changed.wait_while(self.state(), unsettled).unwrap_or_else(PoisonError::into_inner);
        state.broken.clone().map_or(Ok(()), Err)
    }

    /// Waits until the pool has ended, or until the deadline. Answers whether it has.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        while !state.ended {
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Why nothing is accepted.
    pub(crate) fn refusal(&self) -> Kind {
        let state = self.state();
        match &state.broken {
            Some(error) => Kind::Broken(error.clone()),
            None if state.terminated => Kind::Terminated,
            None => Kind::Closed,
        }
    }

    pub(crate) fn broken(&self) -> Option<PoolError> {
        self.state().broken.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(crate) fn done(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, count: u64) {
        self.failed.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// Done, failed and retried.
    pub(crate) fn all(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.done), read(&self.failed), read(&self.retried))
    }
}
