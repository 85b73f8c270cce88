//! [`Sink`]: where the results of one job pile up until the thread that wants them takes them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use procession_core::codec::Message;

use crate::TaskError;
use crate::task_error::Badge;

/// The results of one job that have arrived, in the order in which they did.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    arrived: Mutex<Vec<Delivery>>,
    some: Condvar,
    /// How many tasks make a chunk by now; see [`Chunking`](crate::chunking::Chunking).
    chunk_goal: AtomicUsize,
}

/// What became of one task.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) index: u64,
    /// What the task weighed while it was on its way.
    pub(crate) weight: usize,
    pub(crate) outcome: Result<(Message, Badge), TaskError>,
}

impl Sink {
    /// Adds results, and wakes whoever waits for them.
    pub(crate) fn deliver(&self, deliveries: &mut Vec<Delivery>, chunk_goal: usize) {
        self.chunk_goal.store(chunk_goal, Ordering::Relaxed);
        if deliveries.is_empty() {
            return;
        }
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = arrived.is_empty();
        arrived.append(deliveries);
        drop(arrived);
        // Nobody waits while there is something, and a job has one thread that takes its results.
        if was_empty {
            self.some.notify_one();
        }
    }

    /// Moves what has arrived to `taken`, without waiting.
    pub(crate) fn take(&self, taken: &mut VecDeque<Delivery>) {
        taken.extend(self.arrived.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
    }

    /// Moves what has arrived to `taken`, and waits until there is something.
    pub(crate) fn wait(&self, taken: &mut VecDeque<Delivery>) {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let mut arrived =
            self.some.wait_while(arrived, |arrived| arrived.is_empty()).unwrap_or_else(PoisonError::into_inner);
        taken.extend(arrived.drain(..));
    }

    /// How many tasks make a chunk by now. At least 1.
    pub(crate) fn chunk_goal(&self) -> usize {
        self.chunk_goal.load(Ordering::Relaxed).max(1)
    }
}
