//! [`FailureInfo`]: what happened to a task, in the form that travels inside a [`TaskError`](crate::TaskError).

use std::fmt;
use std::sync::Arc;

use procession_process::{ExitStatus, Panic};
use serde::{Deserialize, Serialize};

use super::pool_error::PoolError;

/// What happened to a task, and the worker that had it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FailureInfo {
    pub(crate) worker: Option<WorkerInfo>,
    pub(crate) kind: FailureKind,
    /// The attempt, counted from 1; 0 if the task did not run.
    pub(crate) attempt: u32,
}

/// A worker's name and process number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkerInfo {
    #[serde(with = "text")]
    pub(crate) name: Arc<str>,
    pub(crate) pid: u32,
    /// The host, if it is another one than that of the pool.
    #[serde(with = "optional_text")]
    pub(crate) host: Option<Arc<str>>,
}

/// The cause of a failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum FailureKind {
    Panicked(Panic),
    /// The worker ended. Boxed because it is several times as large as the others.
    Died(Box<ExitInfo>),
    /// The worker's host was lost, so what became of the task is not known.
    HostLost {
        host: Box<str>,
        why: Box<str>,
    },
    /// The task ran for too long and was stopped.
    TimedOut,
    /// The task did not start in time.
    Expired,
    Cancelled,
    /// The argument, or the function's name, could not be encoded.
    Unsendable(String),
    /// The job's options contradict each other or themselves.
    Invalid(String),
    /// The worker could not decode the argument.
    BadArgument(String),
    /// The worker could not encode the result.
    BadResult(String),
    /// The result arrived and could not be decoded.
    Unreadable(String),
    Closed,
    Terminated,
    Dropped,
    /// This process is a copy (`fork`) of the one that owns the pool.
    Forked,
    Broken(PoolError),
}

/// How a worker ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExitInfo {
    pub(crate) status: ExitStatus,
    /// The panic that ended the process, where panics abort.
    pub(crate) panic: Option<Panic>,
    pub(crate) link_error: Option<String>,
    /// Whether memory seems to have run out.
    pub(crate) out_of_memory: bool,
    /// The tail of its standard error.
    #[serde(with = "text")]
    pub(crate) stderr: Arc<str>,
}

/// Returns the last line of a worker's standard error that says something about its death, which the standard library's lines on
/// backtraces do not.
pub(crate) fn last_line(text: &str) -> Option<&str> {
    let is_of_backtrace = |line: &str| line.starts_with(' ') || line.starts_with("stack backtrace:");
    let is_message = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ") && !is_of_backtrace(line);
    text.lines().rfind(is_message).or_else(|| text.lines().next_back())
}

/// Writes why a task was not done: the text after "it did not run: " and "it was stopped: ".
impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Panicked(panic) => panic.fmt(f),
            FailureKind::Died(exit) => exit.status.fmt(f),
            FailureKind::HostLost { host, why } => write!(f, "host `{host}` was lost: {why}"),
            FailureKind::TimedOut => f.write_str("it ran for too long"),
            FailureKind::Expired => f.write_str("it waited for too long"),
            FailureKind::Cancelled => f.write_str("it was cancelled"),
            FailureKind::Unsendable(text)
            | FailureKind::Invalid(text)
            | FailureKind::BadArgument(text)
            | FailureKind::BadResult(text)
            | FailureKind::Unreadable(text) => f.write_str(text),
            FailureKind::Closed => f.write_str("the pool is closed"),
            FailureKind::Terminated => f.write_str("the pool was terminated"),
            FailureKind::Dropped => f.write_str("the pool was dropped"),
            FailureKind::Forked => PoolError::write_forked(f),
            FailureKind::Broken(error) => write!(f, "the pool is broken: {error}"),
        }
    }
}

impl FailureInfo {
    pub(crate) fn of(worker: Option<WorkerInfo>, kind: FailureKind) -> FailureInfo {
        FailureInfo { worker, kind, attempt: 0 }
    }

    pub(crate) fn at_attempt(self, attempt: u32) -> FailureInfo {
        FailureInfo { attempt, ..self }
    }

    /// Returns the worker as error messages name it.
    pub(crate) fn worker_text(&self) -> String {
        match &self.worker {
            Some(WorkerInfo { name, pid, host: None }) => format!("worker `{name}` (pid {pid})"),
            Some(WorkerInfo { name, pid, host: Some(host) }) => format!("worker `{name}` (pid {pid} on host `{host}`)"),
            None => "a worker".to_owned(),
        }
    }

    /// Returns the attempt as error messages name it, which is nothing for the first.
    pub(crate) fn attempt_text(&self) -> String {
        match self.attempt {
            0 | 1 => String::new(),
            attempt => format!(", at attempt {attempt}"),
        }
    }
}

impl ExitInfo {
    /// Writes the message of the task `index` that this end has lost, at `attempt`.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>, index: u64, worker: &str, attempt: u32) -> fmt::Result {
        let ExitInfo { status, panic, link_error, out_of_memory, stderr } = self;
        if let Some(panic) = panic {
            return write!(f, "task {index} {panic} (in {worker}, which ended by it with {status})");
        }
        write!(f, "task {index} was lost: {worker} ended with {status}")?;
        if attempt > 1 {
            write!(f, "; each of the {attempt} workers that it was given to has ended in it or failed")?;
        }
        if *out_of_memory {
            f.write_str("; memory seems to have run out")?;
        }
        link_error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))?;
        last_line(stderr).map_or(Ok(()), |line| write!(f, "; its last words on standard error: {line}"))
    }
}

/// As [`text`], for a text that may be missing.
mod optional_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}

/// Serializes shared text as plain text, without serde's feature `rc`.
mod text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}
