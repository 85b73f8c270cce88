//! [`Sink`]: where the results of one job pile up until the thread that wants them takes them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::parcel::Parcel;

/// The results of one job that have arrived, in the order in which they did.
#[derive(Default)]
pub(crate) struct Sink {
    arrived: Mutex<Arrived>,
    some: Condvar,
    /// Whether there is something. It spares a look behind the lock.
    has_some: AtomicBool,
    /// How many tasks a worker is sent ahead by now; see [`Chunking`](crate::chunking::Chunking).
    chunk_goal: AtomicUsize,
    /// What a task usually takes, in nanoseconds.
    usual: AtomicU64,
}

#[derive(Default)]
struct Arrived {
    parcels: Vec<Parcel>,
    listener: Option<Listener>,
}

/// What is called after a delivery. It may be called under locks of the pool, so all it does is to wake somebody.
pub(crate) type Listener = Arc<dyn Fn() + Send + Sync>;

impl Sink {
    /// Adds results, and wakes whoever waits for them.
    pub(crate) fn deliver(&self, parcels: &mut Vec<Parcel>, chunk_goal: usize) {
        self.chunk_goal.store(chunk_goal, Ordering::Relaxed);
        if parcels.is_empty() {
            return;
        }
        let mut arrived = self.arrived();
        let was_empty = arrived.parcels.is_empty();
        arrived.parcels.append(parcels);
        self.has_some.store(true, Ordering::Release);
        let listener = arrived.listener.clone();
        drop(arrived);
        if let Some(listener) = listener {
            listener();
        }
        // Nobody waits while there is something, and a job has one thread that takes its results.
        if was_empty {
            self.some.notify_all();
        }
    }

    /// Has this called after every delivery from now on, and at once if there is something.
    pub(crate) fn listen(&self, listener: Listener) {
        self.arrived().listener = Some(listener.clone());
        if self.has_some() {
            listener();
        }
    }

    /// Whether something has arrived and was not taken.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Acquire)
    }

    /// Moves what has arrived to `taken`, without waiting.
    pub(crate) fn take(&self, taken: &mut VecDeque<Parcel>) {
        if self.has_some() {
            let mut arrived = self.arrived();
            self.has_some.store(false, Ordering::Relaxed);
            taken.extend(arrived.parcels.drain(..));
        }
    }

    /// Sleeps until something has arrived or the deadline has passed. Somebody else has to see to it that it comes.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) {
        let mut arrived = self.arrived();
        while arrived.parcels.is_empty() {
            let Some(deadline) = deadline else {
                arrived = self.some.wait(arrived).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            arrived = self.some.wait_timeout(arrived, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes what a task usually takes.
    pub(crate) fn set_usual(&self, usual: Duration) {
        self.usual.store(u64::try_from(usual.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What a task usually takes; zero as long as that is not known.
    pub(crate) fn usual(&self) -> Duration {
        Duration::from_nanos(self.usual.load(Ordering::Relaxed))
    }

    /// How many tasks a worker is sent ahead by now. At least 1.
    pub(crate) fn chunk_goal(&self) -> usize {
        self.chunk_goal.load(Ordering::Relaxed).max(1)
    }

    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("has_some", &self.has_some()).finish_non_exhaustive()
    }
}
