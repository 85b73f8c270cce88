//! Numbers that name things inside one pool: a job, a task of a job, a worker.

use serde::{Deserialize, Serialize};

/// One call of `map` or `imap`: a function and the items it is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct JobId(pub(crate) u64);

/// One item of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TaskId {
    pub(crate) job: JobId,
    /// The item's place in the input, from 0.
    pub(crate) index: u64,
}

/// One worker process. A replacement gets a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u64);
