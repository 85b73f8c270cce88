//! What a pool and its workers say to each other over a worker's control link.
//!
//! ```text
//! pool                               worker
//!   Setup ─────────────────────────►   runs the initializer
//!         ◄──────── Ready | InitFailed
//!   Learn(job, function) ──────────►   once for each job, before its first task
//!   Run(job, tasks) ───────────────►
//!         ◄───────────────────── Done  once for each task, in the order in which they were sent
//!   Forget(job) ───────────────────►   the job is over; its tasks that have not begun are skipped
//!   Leave ─────────────────────────►   returns, and with it the process
//! ```
//!
//! Each result is a message of its own, written before the next task begins: a worker that dies loses the task that it
//! was running, never one that it had finished.

use procession_core::Function;
use procession_core::codec::Message;
use procession_process::Panic;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, TaskId};

/// From the pool, first. Written from `Setup<&Initializer>`, read as `Setup<Initializer>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup<I> {
    pub(crate) initializer: Option<I>,
}

/// What a worker runs before its first task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Initializer {
    pub(crate) function: Function,
    pub(crate) argument: Message,
    /// Answers with the text of the error that the function's result stands for, if it is one.
    pub(crate) verdict: Function,
}

/// From the pool, after the setup. Written from `Order<&Message>`, read as `Order<Message>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order<M> {
    Learn { job: JobId, function: Function },
    Run { job: JobId, tasks: Vec<(u64, M)> },
    Forget { job: JobId },
    Leave,
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Ready,
    InitFailed(InitFailure),
    Done { task: TaskId, nanos: u64, answer: Answer },
}

/// Why a worker could not be prepared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum InitFailure {
    /// The initializer returned an error, with this text.
    Error(String),
    Panicked(Panic),
    /// It was not called, or its result did not come out.
    NotRun(String),
}

/// What became of one task in its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Returned(Message),
    Panicked(Panic),
    /// The argument could not be decoded; the function has not run.
    BadArgument(String),
    /// The function has run, but its result could not be sent.
    BadResult(String),
    /// Its job was forgotten before it began.
    Skipped,
}
