//! [`Story`]: what happened to a task, as the pool tells it.

use std::fmt;
use std::sync::Arc;

use procession_process::{ExitStatus, Panic};
use serde::{Deserialize, Serialize};

use crate::{PoolError, last_words};

/// What happened to a task, and who had it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Story {
    pub(crate) worker: Option<Badge>,
    pub(crate) kind: Kind,
    /// Which attempt it was, counted from 1; 0 if there was none.
    pub(crate) attempt: u32,
}

/// What a worker is called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Badge {
    #[serde(with = "text")]
    pub(crate) name: Arc<str>,
    pub(crate) pid: u32,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Panicked(Panic),
    /// The worker ended; with what is known beside its status.
    /// Boxed, as it is several times as large as all else.
    Died(Box<Death>),
    /// It was stopped because it ran for too long.
    TimedOut,
    /// It had not begun when its time was over.
    Expired,
    /// Nobody wanted it any more.
    Cancelled,
    /// The argument, or the function's name, did not leave this process.
    Unsendable(String),
    /// The job's terms cannot be kept.
    Unfit(String),
    /// The worker could not read the argument.
    BadArgument(String),
    /// The worker could not send the result.
    BadResult(String),
    /// The result arrived and could not be read.
    Unreadable(String),
    Closed,
    Terminated,
    Dropped,
    /// The pool belongs to the process that this one is a copy of.
    Forked,
    Broken(PoolError),
}

/// How a worker ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Death {
    pub(crate) status: ExitStatus,
    /// The panic that it ended by, where a panic is the end of the process.
    pub(crate) panic: Option<Panic>,
    /// What was wrong with the link to it.
    pub(crate) trouble: Option<String>,
    /// Whether it seems that it was killed because memory ran out.
    pub(crate) out_of_memory: bool,
    /// The last that it wrote to its standard error.
    #[serde(with = "text")]
    pub(crate) stderr: Arc<str>,
}

/// Why a task was not done: what comes after "it did not run: " and "it was stopped: ". Of the others, what is known.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Panicked(panic) => panic.fmt(f),
            Kind::Died(death) => death.status.fmt(f),
            Kind::TimedOut => f.write_str("it ran for too long"),
            Kind::Expired => f.write_str("it waited for too long"),
            Kind::Cancelled => f.write_str("it was cancelled"),
            Kind::Unsendable(text)
            | Kind::Unfit(text)
            | Kind::BadArgument(text)
            | Kind::BadResult(text)
            | Kind::Unreadable(text) => f.write_str(text),
            Kind::Closed => f.write_str("the pool is closed"),
            Kind::Terminated => f.write_str("the pool was terminated"),
            Kind::Dropped => f.write_str("the pool was dropped"),
            Kind::Forked => f.write_str("the pool belongs to the process that this one is a copy of; make one here"),
            Kind::Broken(error) => write!(f, "the pool is broken: {error}"),
        }
    }
}

impl Story {
    pub(crate) fn of(worker: Option<Badge>, kind: Kind) -> Story {
        Story { worker, kind, attempt: 0 }
    }

    pub(crate) fn at_attempt(self, attempt: u32) -> Story {
        Story { attempt, ..self }
    }

    /// The worker as messages name it.
    pub(crate) fn worker_text(&self) -> String {
        match &self.worker {
            Some(Badge { name, pid }) => format!("worker `{name}` (pid {pid})"),
            None => "a worker".to_owned(),
        }
    }

    /// Which attempt it was, for messages, if it was not the first.
    pub(crate) fn attempts(&self) -> String {
        match self.attempt {
            0 | 1 => String::new(),
            attempt => format!(", at attempt {attempt}"),
        }
    }
}

impl Death {
    /// Tells of the task that was lost by it, at this attempt.
    pub(crate) fn tell(&self, f: &mut fmt::Formatter<'_>, index: u64, worker: &str, attempt: u32) -> fmt::Result {
        let Death { status, panic, trouble, out_of_memory, stderr } = self;
        if let Some(panic) = panic {
            return write!(f, "task {index} {panic} (in {worker}, which ended by it with {status})");
        }
        write!(f, "task {index} was lost: {worker} ended with {status}")?;
        if attempt > 1 {
            write!(f, "; each of the {} workers that it was given to has ended in it or failed", attempt)?;
        }
        if *out_of_memory {
            f.write_str("; memory seems to have run out")?;
        }
        trouble.as_ref().map_or(Ok(()), |trouble| write!(f, ": {trouble}"))?;
        match last_words::last_line(stderr) {
            Some(line) => write!(f, "; its last words on standard error: {line}"),
            None => Ok(()),
        }
    }
}

/// Text that is shared here and carried as any other.
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
