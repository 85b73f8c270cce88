//! [`Stats`]: what a pool is doing, and has done.

use std::time::Duration;

use crate::Histogram;

/// What a pool is doing, and has done. Made by [`Pool::stats`](crate::Pool::stats).
///
/// ```
/// # use procession_pool::Pool;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// pool.map(|n: u64| n + 1, 0..100)?;
/// let stats = pool.stats();
/// assert_eq!((stats.done, stats.failed, stats.queued), (100, 0, 0));
/// assert_eq!(stats.workers.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that wait for a worker.
    pub queued: u64,
    /// Tasks that a worker has been sent: one of each runs, the others come next.
    pub running: u64,
    /// Tasks that have brought a value.
    pub done: u64,
    /// Tasks that have ended in an error, those included that were cancelled.
    pub failed: u64,
    /// Attempts that have failed and were followed by others.
    pub retried: u64,
    /// Workers that were started in place of others.
    pub restarts: u64,
    /// How long tasks waited before they were sent to a worker.
    pub wait: Histogram,
    /// How long arguments and results were on their way, where it was measured.
    ///
    /// Of the time from when a worker was sent tasks, or was last heard of, until it was heard of again, this is what it did not spend
    /// running them, in equal parts for the tasks that it was heard of together. So it holds both ways, the waking of a worker that sleeps,
    /// and the time until this process looks at what has arrived; the waiting behind other tasks of the same worker is not in it.
    pub transfer: Histogram,
    /// How long tasks ran.
    pub run: Histogram,
    /// The workers.
    pub workers: Vec<WorkerStats>,
}

/// What one worker is doing.
///
/// ```
/// # use procession_pool::Pool;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// let pid = pool.apply(|()| std::process::id(), ())?;
/// let stats = pool.stats();
/// assert_eq!((stats.workers[0].pid, stats.workers[0].done), (pid, 1));
/// assert!(stats.workers[0].memory.unwrap() > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerStats {
    /// What it is called.
    pub name: String,
    /// Its process number.
    pub pid: u32,
    /// How far its life has come.
    pub state: WorkerState,
    /// How many tasks it holds.
    pub load: u64,
    /// How many tasks it has taken to their end.
    pub done: u64,
    /// The place of the item that it works on in its job's input, from 0, and for how long it has been doing so.
    pub task: Option<(u64, Duration)>,
    /// How much memory it takes up, in bytes, if the system tells.
    pub memory: Option<u64>,
}

/// How far a worker's life has come.
///
/// ```
/// # use procession_pool::{Pool, WorkerState};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// pool.apply(|()| (), ())?;
/// assert_eq!(pool.stats().workers[0].state, WorkerState::Ready);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It is not ready yet.
    Starting,
    /// It works, or waits for work.
    Ready,
    /// It is about to leave, by itself or because it was stopped.
    Leaving,
}

/// How much memory a process takes up, in bytes.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
