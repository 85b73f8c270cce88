//! Jobs whose tasks are all submitted at once, and whose results are kept for whichever thread asks: `apply_async`, `map_async`.
//!
//! The caller may never come back, so the pool can do without it: all arguments are in the pool, which runs the tasks and keeps
//! their outcomes in the mailbox.

use std::mem;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::job_handle::JobHandle;
use super::job_spec::{JobSpec, unsendable};
use super::pending::Pending;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::failure_policy::FailurePolicy;
use crate::model::options::{JobLifetime, JobOptions};
use crate::model::task_error::TaskError;
use crate::wire::arguments::ArgumentBatch;
use crate::wire::results::ResultBatch;

/// Encodes all items and submits them.
pub(crate) fn submit_all<A: Serialize>(spec: JobSpec<'_>, items: impl IntoIterator<Item = A>) -> Arc<Pending> {
    try_submit(spec, items).unwrap_or_else(|kind| Pending::finished(Err(not_run(0, kind))))
}

/// Encodes and submits all items. An error means that none was submitted.
fn try_submit<A: Serialize>(
    spec: JobSpec<'_>,
    items: impl IntoIterator<Item = A>,
) -> Result<Arc<Pending>, FailureKind> {
    let function = spec.function?;
    let policy = spec.options.on_failure.unwrap_or(FailurePolicy::FailFast);
    let Gathered { batches, failure } = gather(items, policy);
    if batches.is_empty() {
        return Ok(Pending::finished(failure.map_or(Ok(Vec::new()), Err)));
    }
    let count = batches.iter().map(|batch| batch.len() as u64).sum();
    let options = JobOptions { lifetime: JobLifetime::Detached, ..spec.options };
    let job_handle = JobHandle::open(spec.shared, function, options)?;
    job_handle.submit_detached(batches);
    Ok(Pending::new(job_handle, count, policy, failure))
}

/// Returns the error of a task that was not sent.
pub(crate) fn not_run(index: u64, kind: FailureKind) -> TaskError {
    TaskError::new(index, FailureInfo::of(None, kind))
}

/// The items that can be sent, and the first error of those that cannot.
struct Gathered {
    batches: Vec<ArgumentBatch>,
    failure: Option<TaskError>,
}

/// Encodes all items. Under `FailFast`, an item that cannot be encoded keeps all of them from running.
fn gather<A: Serialize>(items: impl IntoIterator<Item = A>, policy: FailurePolicy) -> Gathered {
    let (mut batches, mut batch, mut failure) = (Vec::new(), ArgumentBatch::new(0), None);
    for item in items {
        let Err(error) = batch.push(&item) else { continue };
        let index = batch.end();
        failure.get_or_insert_with(|| not_run(index, unsendable(error)));
        if policy == FailurePolicy::FailFast {
            return Gathered { batches: Vec::new(), failure };
        }
        // The tasks of a batch have consecutive indices.
        batches.push(mem::replace(&mut batch, ArgumentBatch::new(index + 1)));
    }
    batches.push(batch);
    // An item that was refused leaves an empty batch at either end.
    batches.retain(|batch| !batch.is_empty());
    Gathered { batches, failure }
}

/// Decodes the value of a single task.
pub(crate) fn decode_one<R: DeserializeOwned>(batches: &[ResultBatch]) -> Result<R, TaskError> {
    let mut value = None;
    batches.iter().for_each(|batch| batch.visit(|_, result| value = Some(result)));
    value.unwrap_or_else(|| Err(not_run(0, FailureKind::Unreadable("it has not come".to_owned()))))
}

/// Decodes the values of all tasks, in their order.
pub(crate) fn decode_all<R: DeserializeOwned>(batches: &[ResultBatch]) -> Result<Vec<R>, TaskError> {
    let mut values = Vec::new();
    batches.iter().for_each(|batch| batch.visit(|_, result| values.push(result)));
    values.into_iter().collect()
}
