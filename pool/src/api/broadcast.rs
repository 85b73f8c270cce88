//! [`broadcast`](Pool::broadcast): a function that runs once in each worker.

use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pool::Pool;
use crate::caller::detached::not_run;
use crate::caller::job_handle::JobHandle;
use crate::caller::job_spec::{plain, unsendable};
use crate::model::failure_info::FailureKind;
use crate::model::options::JobOptions;
use crate::model::task_error::TaskError;
use crate::wire::arguments::ArgumentBatch;

impl Pool {
    /// Runs a function once in each worker, after the tasks that it has, and waits for all of them: to reload a table, to clear a
    /// cache, to collect figures. The results are in the order in which the workers were started.
    ///
    /// Each worker of this moment runs it. One that leaves or dies before brings no result, and one that starts later does not run
    /// it: what all workers are to have done belongs into the [initializer](crate::PoolBuilder::initializer).
    ///
    /// # Errors
    ///
    /// The [`TaskError`] of the first worker in which it failed, when all have ended. Its [`index`](TaskError::index) is that worker's
    /// position.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(3)?;
    /// let mut pids = pool.broadcast(|()| std::process::id(), ())?;
    /// pids.sort_unstable();
    /// pids.dedup();
    /// assert_eq!(pids.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let options = JobOptions { collect_all: true, ..JobOptions::default() };
        let job_handle = plain(function).and_then(|function| JobHandle::open(self.shared(), function, options));
        let job_handle = job_handle.map_err(|kind| not_run(0, kind))?;
        let mut count = self.workers();
        loop {
            let batch = copies(&argument, count).map_err(|kind| not_run(0, kind))?;
            match job_handle.submit_to_each(batch) {
                Ok(()) => return collect(&job_handle, count),
                // Replacements and a resize may make them more than the pool keeps.
                Err(more) => count = more,
            }
        }
    }
}

/// Encodes the same argument for `count` tasks.
fn copies<A: Serialize>(argument: &A, count: usize) -> Result<ArgumentBatch, FailureKind> {
    let mut batch = ArgumentBatch::new(0);
    for _ in 0..count {
        batch.push(argument).map_err(unsendable)?;
    }
    Ok(batch)
}

/// Returns the values of the tasks that have run, or the error of the first that failed.
fn collect<R: DeserializeOwned>(job_handle: &JobHandle, count: usize) -> Result<Vec<R>, TaskError> {
    let (mut missing, mut arrived) = (count as u64, VecDeque::new());
    let mut results: Vec<(u64, Result<R, TaskError>)> = Vec::with_capacity(count);
    while missing > 0 {
        job_handle.wait(missing, None);
        job_handle.take(&mut arrived);
        for batch in arrived.drain(..) {
            missing = missing.saturating_sub(batch.count());
            batch.visit(|index, result| results.push((index, result)));
        }
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    // The task of a worker that has left meanwhile was cancelled, and is no error.
    let ran = results.into_iter().filter(|(_, result)| !result.as_ref().is_err_and(TaskError::is_cancelled));
    ran.map(|(_, result)| result).collect()
}
