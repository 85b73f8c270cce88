//! [`JobSpec`]: a call before it is made, without its types.

use std::any::Any;
use std::sync::Arc;

use procession_core::{Function, Method, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dispatcher::handoff::Shared;
use crate::local::functions::TaskFn;
use crate::model::failure_info::FailureKind;
use crate::model::options::JobOptions;

/// A function to be applied, and the options of the job.
#[derive(Debug)]
pub(crate) struct JobSpec<'pool> {
    pub(crate) shared: &'pool Arc<Shared>,
    /// The number of workers that the pool keeps.
    pub(crate) workers: usize,
    /// The function, or why no task can be sent.
    pub(crate) function: Result<TaskFn, FailureKind>,
    pub(crate) options: JobOptions,
}

/// Returns the [`TaskFn`] of a plain function.
pub(crate) fn plain<A, R>(function: fn(A) -> R) -> Result<TaskFn, FailureKind>
where
    A: DeserializeOwned,
    R: Serialize,
{
    Function::of(function).map(TaskFn::Plain).map_err(unsendable)
}

/// Returns the [`TaskFn`] of a function with a context.
pub(crate) fn with_context<C, A, R>(context: &C, function: fn(&C, A) -> R) -> Result<TaskFn, FailureKind>
where
    C: Serialize + DeserializeOwned + Any + Send + Sync,
    A: DeserializeOwned,
    R: Serialize,
{
    let method = Method::shared(function).map_err(unsendable)?;
    let make = Method::maker(identity::<C>).map_err(unsendable)?;
    let context = Arc::new(codec::encode(context).map_err(unsendable)?);
    Ok(TaskFn::With { make, context, method })
}

/// Returns the failure of a function or a value that cannot be sent to a worker.
pub(crate) fn unsendable(error: impl ToString) -> FailureKind {
    FailureKind::Unsendable(error.to_string())
}

/// Makes a context in a worker: it was decoded as the argument, and that is all.
fn identity<C>(context: C) -> C {
    context
}
