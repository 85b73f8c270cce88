//! The functions that run in the manager's process on a pool there. The results that they promise are
//! brought by the pool's callbacks.

use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::time::Duration;

use procession_core::ApplyOn;
use procession_pool::{AsyncResult, Pool, PoolBuilder, TaskError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hosted::{Hosted, TaskTicket};
use crate::api::deferred::{Deferred, Reply};

/// The outcome of a task.
pub(super) type Outcome<R> = Result<R, TaskError>;

/// Makes the pool, unless there is one.
pub(super) struct Open<A>(PhantomData<A>);

/// Applies the function to one item.
pub(super) struct Apply;

/// Applies the function to many items.
pub(super) struct Map;

/// The arguments of [`Apply`] and [`Map`].
pub(super) type One<A> = (A, TaskTicket);
pub(super) type Many<A> = (Vec<A>, Option<NonZeroUsize>, TaskTicket);

impl<A: DeserializeOwned> ApplyOn<Hosted, A, PoolBuilder> for Open<A> {
    type Argument = A;
    type Result = Deferred<Result<(), String>>;

    fn apply_on(hosted: &Hosted, describe: fn(A) -> PoolBuilder, argument: A) -> Self::Result {
        let (reply, deferred) = Deferred::pair();
        // Kept at once: functions that are given to a method return a promise, and this one is done when it returns.
        reply.send(&hosted.make(|| describe(argument)));
        deferred
    }
}

impl<A, R> ApplyOn<Hosted, A, R> for Apply
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    type Argument = One<A>;
    type Result = Deferred<Outcome<R>>;

    fn apply_on(hosted: &Hosted, function: fn(A) -> R, (item, ticket): Self::Argument) -> Self::Result {
        promise(hosted, ticket, |pool| pool.apply_async(function, item))
    }
}

impl<A, R> ApplyOn<Hosted, A, R> for Map
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    type Argument = Many<A>;
    type Result = Deferred<Outcome<Vec<R>>>;

    fn apply_on(hosted: &Hosted, function: fn(A) -> R, (items, chunk, ticket): Self::Argument) -> Self::Result {
        promise(hosted, ticket, |pool| {
            let job = pool.job(function);
            // Without a size the job is left as it is, and the pool chooses one.
            chunk.into_iter().fold(job, procession_pool::Job::chunk_size).map_async(items)
        })
    }
}

/// Begins a task, and returns a promise of its result. The method returns at once, and no thread waits for the task.
fn promise<R: Serialize + 'static>(
    hosted: &Hosted,
    ticket: TaskTicket,
    begin: impl FnOnce(&Pool) -> AsyncResult<R>,
) -> Deferred<Outcome<R>> {
    let (reply, deferred): (Reply<Outcome<R>>, _) = Deferred::pair();
    // A pool is in its place before anybody else has the proxy. Without one the promise is broken, which is an error.
    if let Some(pool) = hosted.get() {
        let task = begin(pool);
        hosted.keep(ticket, &task, move |result| reply.send(&result));
    }
    deferred
}

/// Returns how many workers the pool has.
pub(super) fn workers(hosted: &Hosted, (): ()) -> usize {
    hosted.get().map_or(0, Pool::workers)
}

/// Closes the pool. The call is exclusive, so it comes after the calls that brought the tasks before it.
pub(super) fn close(hosted: &mut Hosted, (): ()) {
    hosted.get().into_iter().for_each(Pool::close);
}

/// Stops all workers of the pool at once.
pub(super) fn terminate(hosted: &Hosted, (): ()) {
    hosted.get().into_iter().for_each(Pool::terminate);
}

/// Waits up to `slice` until all workers have left.
pub(super) fn join_for(hosted: &mut Hosted, slice: Duration) -> bool {
    // A pool that could not be made has no workers to wait for.
    hosted.get_mut().is_none_or(|pool| pool.join_timeout(slice))
}
