//! [`Stats`]: a snapshot of a pool's tasks and workers.

use std::time::Duration;

use super::histogram::Histogram;

/// A snapshot of a pool's tasks and workers. Made by [`Pool::stats`](crate::Pool::stats).
///
/// ```
/// # use procession_pool::Pool;
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// pool.map(|n: u64| n + 1, 0..100)?;
/// let stats = pool.stats();
/// assert_eq!((stats.done, stats.failed, stats.queued), (100, 0, 0));
/// assert_eq!(stats.workers.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The number of tasks that wait for a worker.
    pub queued: u64,
    /// The number of tasks that workers hold: each worker runs the first of its own.
    pub running: u64,
    /// The number of tasks that returned a value.
    pub done: u64,
    /// The number of tasks that ended in an error, cancelled ones included.
    pub failed: u64,
    /// The number of failed attempts that were followed by another one.
    pub retried: u64,
    /// The number of workers that replaced others.
    pub restarts: u64,
    /// The time that tasks waited before they were sent to a worker.
    pub wait: Histogram,
    /// The time that arguments and results were in transit, where it was measured.
    ///
    /// It is the time between two reports of a worker less the time that its tasks ran, divided among the tasks of the report. It
    /// contains both directions, the wake-up of a sleeping worker, and the time until this process reads the report. It does not
    /// contain the time behind other tasks of the same worker.
    pub transfer: Histogram,
    /// The time that tasks ran.
    pub run: Histogram,
    /// The workers, in the order in which they were started.
    pub workers: Vec<WorkerStats>,
}

/// A snapshot of one worker.
///
/// ```
/// # use procession_pool::Pool;
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// let pid = pool.apply(|()| std::process::id(), ())?;
/// let stats = pool.stats();
/// assert_eq!((stats.workers[0].pid, stats.workers[0].done), (pid, 1));
/// assert!(stats.workers[0].memory.unwrap() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The worker's name, `PoolWorker-` and a number.
    pub name: String,
    /// Its process number.
    pub pid: u32,
    /// Whether it starts, works or leaves.
    pub state: WorkerState,
    /// The number of tasks that it holds.
    pub load: u64,
    /// The number of tasks that it has finished.
    pub done: u64,
    /// The position in its job's input, from 0, of the item that it works on, and the time since it started on it.
    pub task: Option<(u64, Duration)>,
    /// Its resident memory in bytes, where `/proc` shows it.
    pub memory: Option<u64>,
}

/// The state of a worker.
///
/// ```
/// # use procession_pool::{Pool, WorkerState};
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// pool.apply(|()| (), ())?;
/// assert_eq!(pool.stats().workers[0].state, WorkerState::Ready);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It is not ready yet.
    Starting,
    /// It runs tasks or waits for some.
    Ready,
    /// It is about to leave, by itself or because it was stopped.
    Leaving,
}
