//! Tasks that nobody has to wait for: `apply_async` and `map_async`.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::job::Plan;
use crate::parcel::Parcel;
use crate::pending::Pending;
use crate::task_error::{Kind, Story, TaskError};
use crate::terms::{Tenure, Terms};
use crate::ticket::Ticket;
use crate::{AsyncResult, FailurePolicy, Job, Pool};

impl Pool {
    /// Has a function applied to one argument, and answers at once: the [`AsyncResult`] will have the result.
    ///
    /// The function is as for [`map`](Pool::map). What is wrong with the argument comes out of the result, too.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sum = pool.apply_async(|(a, b): (u32, u32)| a + b, (40, 2));
    /// assert_eq!(sum.get()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "submit")]
    pub fn apply_async<A, R>(&self, function: fn(A) -> R, argument: A) -> AsyncResult<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).apply_async(argument)
    }

    /// Has a function applied to each item, and answers at once: the [`AsyncResult`] will have all results, in the order of the
    /// items, or the first error.
    ///
    /// All items are read and encoded before it returns. Where there are many of them, [`imap`](Pool::imap) is the better choice.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.map_async(|n: u64| n * n, 0..4);
    /// assert_eq!(squares.get()?, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "starmap_async")]
    pub fn map_async<A, R>(&self, function: fn(A) -> R, items: impl IntoIterator<Item = A>) -> AsyncResult<Vec<R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).map_async(items)
    }
}

impl<A, R> Job<'_, A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    /// As [`Pool::apply_async`].
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).retries(1).apply_async(1).get()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_async(self, argument: A) -> AsyncResult<R> {
        AsyncResult::new(begin(self.into_plan(), [argument]), one)
    }

    /// As [`Pool::map_async`]. Which error it brings where there are several, and when, is the [policy](Job::on_failure)'s to say.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).retries(1).map_async([1, 2]).get()?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async(self, items: impl IntoIterator<Item = A>) -> AsyncResult<Vec<R>> {
        let mut plan = self.into_plan();
        plan.terms.wants_all = true;
        AsyncResult::new(begin(plan, items), all)
    }
}

/// Hands over a whole job.
fn begin<A: Serialize>(plan: Plan<'_>, items: impl IntoIterator<Item = A>) -> Arc<Pending> {
    let work = match plan.work {
        Ok(work) => work,
        Err(kind) => return Pending::ended(Err(undone(0, kind))),
    };
    let policy = plan.terms.on_failure.unwrap_or(FailurePolicy::FailFast);
    let Gathered { batches, failure } = match gathered(items, policy) {
        // There is nothing to be done, or it was not to begin.
        Gathered { batches, failure } if batches.is_empty() => {
            return Pending::ended(failure.map_or(Ok(Vec::new()), Err));
        }
        gathered => gathered,
    };
    let count = batches.iter().map(|batch| batch.len() as u64).sum();
    match Ticket::open(plan.pool.shared(), work, Terms { tenure: Tenure::Entrusted, ..plan.terms }) {
        Ok(ticket) => {
            ticket.entrust(batches);
            Pending::new(ticket, count, policy, failure)
        }
        Err(kind) => Pending::ended(Err(undone(0, kind))),
    }
}

fn undone(index: u64, kind: Kind) -> TaskError {
    TaskError::new(index, Story::of(None, kind))
}

/// Items that can be sent, and the first error of those that cannot.
struct Gathered {
    batches: Vec<Batch>,
    failure: Option<TaskError>,
}

/// Encodes all items. Where errors are collected, one that cannot be sent keeps none of the others from running.
fn gathered<A: Serialize>(items: impl IntoIterator<Item = A>, policy: FailurePolicy) -> Gathered {
    let (mut batches, mut batch, mut failure) = (Vec::new(), Batch::new(0), None);
    for item in items {
        let Err(error) = batch.push(&item) else { continue };
        let index = batch.end();
        let unsendable = || undone(index, Kind::Unsendable(error.to_string()));
        failure.get_or_insert_with(unsendable);
        if policy == FailurePolicy::FailFast {
            return Gathered { batches: Vec::new(), failure };
        }
        // The tasks of a batch have consecutive indices.
        batches.push(std::mem::replace(&mut batch, Batch::new(index + 1)));
    }
    batches.push(batch);
    batches.retain(|batch| !batch.is_empty());
    Gathered { batches, failure }
}

/// The value of the one task.
fn one<R: DeserializeOwned>(parcels: &[Parcel]) -> Result<R, TaskError> {
    let mut value = None;
    parcels.iter().for_each(|parcel| parcel.visit(|_, result| value = Some(result)));
    value.unwrap_or_else(|| Err(TaskError::new(0, Story::of(None, Kind::Unreadable("it has not come".to_owned())))))
}

/// The values of all tasks, in their order.
fn all<R: DeserializeOwned>(parcels: &[Parcel]) -> Result<Vec<R>, TaskError> {
    let mut values = Vec::new();
    parcels.iter().for_each(|parcel| parcel.visit(|_, result| values.push(result)));
    values.into_iter().collect()
}
