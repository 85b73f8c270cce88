//! [`InitFailure`]: why a worker could not prepare itself, or its finalizer failed.

use std::fmt;

use procession_process::Panic;
use serde::{Deserialize, Serialize};

/// A step of a worker's life that failed, and why. A worker sends it to its pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InitFailure {
    pub(crate) step: Step,
    pub(crate) cause: Cause,
}

/// A step before a worker's first task, or after its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// The processor and the niceness are set.
    Placement,
    Initializer,
    State,
    Finalizer,
    /// The state that the worker keeps for its tasks alone is dropped.
    DropState,
}

/// The reason of an [`InitFailure`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// The function returned an error with this text.
    Error(String),
    Panicked(Panic),
    /// The function was not called, or its result was lost.
    NotRun(String),
}

impl Step {
    pub(crate) fn failed(self, cause: Cause) -> InitFailure {
        InitFailure { step: self, cause }
    }
}

impl InitFailure {
    /// Returns what [`PoolError`](crate::PoolError) displays, with the worker's name.
    pub(crate) fn describe(&self, worker: &str) -> String {
        let what = match self.step {
            Step::Placement => format!("worker `{worker}` cannot take its place"),
            Step::Initializer => format!("the initializer failed in worker `{worker}`"),
            Step::Finalizer => format!("the finalizer failed in worker `{worker}`"),
            Step::DropState => format!("the state could not be dropped in worker `{worker}`"),
            Step::State => format!("the state could not be made in worker `{worker}`"),
        };
        format!("{what}: {}", self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Error(text) => write!(f, "it returned an error: {text}"),
            Cause::Panicked(panic) => write!(f, "it {panic}"),
            Cause::NotRun(text) => f.write_str(text),
        }
    }
}
