//! What a pool in a manager does with the functions that clients send to it. These run in the manager's process; what they promise
//! is brought by the pool's callbacks.

use std::marker::PhantomData;
use std::num::NonZeroUsize;

use procession_core::Given;
use procession_pool::{AsyncResult, Pool, PoolBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::TaskFailure;
use super::make::Hosted;
use crate::deferred::{Deferred, Reply};

/// What a task brings.
pub(super) type Outcome<R> = Result<R, TaskFailure>;

/// Makes the pool.
pub(super) struct Open<A>(PhantomData<A>);

/// Applies the function to one item.
pub(super) struct Apply;

/// Applies the function to many items.
pub(super) struct Map;

impl<A: DeserializeOwned> Given<Hosted, A, PoolBuilder> for Open<A> {
    type Argument = A;
    type Result = Deferred<Result<(), String>>;

    fn given(hosted: &Hosted, describe: fn(A) -> PoolBuilder, argument: A) -> Self::Result {
        let (reply, deferred) = Deferred::pair();
        let built = describe(argument).build().map_err(|error| error.to_string());
        reply.send(&built.map(|pool| drop(hosted.set(pool))));
        deferred
    }
}

impl<A, R> Given<Hosted, A, R> for Apply
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    type Argument = A;
    type Result = Deferred<Outcome<R>>;

    fn given(hosted: &Hosted, function: fn(A) -> R, item: A) -> Self::Result {
        promise(hosted, |pool| pool.apply_async(function, item))
    }
}

impl<A, R> Given<Hosted, A, R> for Map
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    type Argument = (Vec<A>, Option<NonZeroUsize>);
    type Result = Deferred<Outcome<Vec<R>>>;

    fn given(hosted: &Hosted, function: fn(A) -> R, (items, chunk): Self::Argument) -> Self::Result {
        promise(hosted, |pool| {
            let job = pool.job(function);
            chunk.into_iter().fold(job, procession_pool::Job::chunk_size).map_async(items)
        })
    }
}

fn promise<R: Serialize + 'static>(
    hosted: &Hosted,
    begin: impl FnOnce(&Pool) -> AsyncResult<R>,
) -> Deferred<Outcome<R>> {
    let (reply, deferred): (Reply<Outcome<R>>, _) = Deferred::pair();
    // A pool is in its place before anybody else has the proxy. Without one the promise is broken, which is an error.
    if let Some(pool) = hosted.get() {
        begin(pool).on_done(move |result| reply.send(&result.map_err(|error| TaskFailure::of(&error))));
    }
    deferred
}
