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
    /// How many tasks' results they are, and whether one of them is an error.
    count: u64,
    has_failure: bool,
    /// Whoever sleeps wants to be woken by so many results, or by an error. Of one that does not sleep it says nothing.
    wanted: u64,
    sleeps: bool,
    listener: Option<Listener>,
}

impl Arrived {
    fn add(&mut self, parcels: &mut Vec<Parcel>) {
        self.count += parcels.iter().map(Parcel::count).sum::<u64>();
        self.has_failure |= parcels.iter().any(Parcel::is_failure);
        self.parcels.append(parcels);
    }

    fn is_enough(&self) -> bool {
        self.count >= self.wanted.max(1) || self.has_failure
    }
}

/// What is called after a delivery, when no lock of the pool is held any more.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn() + Send + Sync>);

impl Listener {
    pub(crate) fn new(listener: impl Fn() + Send + Sync + 'static) -> Listener {
        Listener(Arc::new(listener))
    }

    pub(crate) fn call(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// What follows from a delivery.
#[derive(Default)]
pub(crate) struct Delivered {
    /// Whether somebody slept until then.
    pub(crate) wakes: bool,
    pub(crate) listener: Option<Listener>,
}

impl Sink {
    /// Adds results, and wakes whoever waits for them.
    pub(crate) fn deliver(&self, parcels: &mut Vec<Parcel>, chunk_goal: usize) -> Delivered {
        self.chunk_goal.store(chunk_goal, Ordering::Relaxed);
        if parcels.is_empty() {
            return Delivered::default();
        }
        let mut arrived = self.arrived();
        let was_enough = arrived.is_enough();
        arrived.add(parcels);
        let is_enough = arrived.is_enough();
        self.has_some.store(true, Ordering::Release);
        let listener = arrived.listener.clone();
        let wakes = is_enough && std::mem::take(&mut arrived.sleeps);
        drop(arrived);
        // Nobody waits while there is enough, and a job has one thread that takes its results.
        if is_enough && !was_enough {
            self.some.notify_all();
        }
        Delivered { wakes, listener }
    }

    /// Has this called after every delivery from now on, and at once if there is something.
    pub(crate) fn listen(&self, listener: Listener) {
        self.arrived().listener = Some(listener.clone());
        if self.has_some() {
            listener.call();
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
            (arrived.count, arrived.has_failure) = (0, false);
            taken.extend(arrived.parcels.drain(..));
        }
    }

    /// Sleeps until so many results have arrived, or an error, or the deadline has passed. Somebody else has to see to it that
    /// they come.
    pub(crate) fn sleep(&self, wanted: u64, deadline: Option<Instant>) {
        let mut arrived = self.arrived();
        arrived.wanted = wanted;
        while !arrived.is_enough() {
            arrived.sleeps = true;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_error::{Kind, Story};

    fn failed(first: u64) -> Parcel {
        Parcel::error(first, 1, Story::of(None, Kind::Unreadable(String::new())))
    }

    fn values(first: u64, count: u64) -> Parcel {
        let badge = crate::task_error::Badge { name: "worker".into(), pid: 1 };
        let values = crate::parcel::Values {
            bytes: Vec::new(),
            at: 0,
            descriptors: VecDeque::new(),
            lent: VecDeque::new(),
            worker: badge,
        };
        Parcel::values(first, count, values)
    }

    #[test]
    fn whoever_sleeps_is_woken_by_as_many_as_he_wants_or_by_an_error() {
        for last in [values(3, 7), failed(3)] {
            let (sink, mut taken) = (Sink::default(), VecDeque::new());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    sink.deliver(&mut vec![values(0, 3)], 1);
                    sink.deliver(&mut vec![last], 1);
                });
                sink.sleep(10, None);
            });
            sink.take(&mut taken);
            assert_eq!(taken.len(), 2);
            // They do not count a second time.
            sink.deliver(&mut vec![values(10, 1)], 1);
            sink.sleep(2, Some(Instant::now()));
            assert!(sink.has_some() && !sink.arrived().is_enough());
        }
    }
}
