//! [`broadcast`](Pool::broadcast): a function that runs once in each worker.

use std::collections::VecDeque;

use procession_core::Function;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Pool;
use crate::batch::Batch;
use crate::parcel::Parcel;
use crate::task_error::{Kind, Story, TaskError};
use crate::terms::Terms;
use crate::ticket::Ticket;
use crate::works::Work;

impl Pool {
    /// Runs a function once in each worker, when that has done what it was sent before, and waits for all of them: to load something
    /// anew, to clear a cache, to ask how they are. The results are in the order in which the workers were started.
    ///
    /// Each worker that there is at this moment gets it. One that leaves or dies before it has begun brings nothing, and one that comes
    /// later does not run it: what all are to have done belongs into the [initializer](crate::PoolBuilder::initializer).
    ///
    /// # Errors
    ///
    /// That of the first worker in which it failed, when all have come to their end. Its [`index`](TaskError::index) is that worker's place.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(3)?;
    /// let mut pids = pool.broadcast(|()| std::process::id(), ())?;
    /// pids.sort_unstable();
    /// pids.dedup();
    /// assert_eq!(pids.len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn broadcast<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let undone = |kind: Kind| TaskError::new(0, Story::of(None, kind));
        let unsendable = |text: String| undone(Kind::Unsendable(text));
        let work = Function::of(function).map(Work::Plain).map_err(|error| unsendable(error.to_string()))?;
        let ticket =
            Ticket::open(self.shared(), work, Terms { wants_all: true, ..Terms::default() }).map_err(undone)?;
        let mut count = self.workers();
        loop {
            let batch = copies(&argument, count).map_err(unsendable)?;
            match ticket.submit_to_each(batch) {
                Ok(()) => return collect(&ticket, count),
                // There are more of them than it keeps, or it keeps more of them by now.
                Err(more) => count = more,
            }
        }
    }
}

/// The same argument for so many tasks.
fn copies<A: Serialize>(argument: &A, count: usize) -> Result<Batch, String> {
    let mut batch = Batch::new(0);
    for _ in 0..count {
        batch.push(argument).map_err(|error| error.to_string())?;
    }
    Ok(batch)
}

/// The values of those that have run, or the error of the first that failed.
fn collect<R: DeserializeOwned>(ticket: &Ticket, count: usize) -> Result<Vec<R>, TaskError> {
    let (mut missing, mut arrived) = (count as u64, VecDeque::new());
    let mut results: Vec<(u64, Result<R, TaskError>)> = Vec::with_capacity(count);
    while missing > 0 {
        ticket.wait(missing, None);
        ticket.take(&mut arrived);
        for parcel in arrived.drain(..) {
            missing = missing.saturating_sub(parcel.count());
            visit(&parcel, &mut results);
        }
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    // A worker that has left by then has not run it, and need not.
    let ran = results.into_iter().filter(|(_, result)| !result.as_ref().is_err_and(TaskError::is_cancelled));
    ran.map(|(_, result)| result).collect()
}

fn visit<R: DeserializeOwned>(parcel: &Parcel, results: &mut Vec<(u64, Result<R, TaskError>)>) {
    parcel.visit(|index, result| results.push((index, result)));
}
