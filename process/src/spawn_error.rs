//! [`SpawnError`]: why a process could not be started.

use std::fmt;
use std::io;
use std::time::Duration;

use procession_core::codec::EncodeError;
use procession_core::os::limits;
use procession_core::{FunctionError, LinkError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::exit_status::ExitStatus;

/// A process could not be started. The function has not run.
///
/// It can be sent to another process, which is told the same.
///
/// ```
/// # use procession_process::{Process, SpawnError, StartMethod};
/// # procession_process::init();
/// std::thread::spawn(std::thread::park);
/// let error = Process::builder().start_method(StartMethod::Fork).spawn(|()| (), ()).unwrap_err();
/// assert!(matches!(error, SpawnError::Threads), "what another thread has locked would stay locked");
/// ```
#[derive(Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// This program does not say what its children are to do.
    #[error(
        "procession is not initialized in this program, so its children could not tell that they are children: put \
         `procession::init();` first in `main` (in tests and libraries, `procession::init_at_load!();` at the top of a file)"
    )]
    NotInitialized,
    /// The function cannot be named to another process.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The argument cannot be sent to another process.
    #[error("the argument cannot be sent to a new process: {0}")]
    Argument(EncodeError),
    /// A limit of this process or of the machine was reached. The text names it and its value.
    #[error("no new process: {0}")]
    Limit(String),
    /// [`Fork`](crate::StartMethod::Fork) was asked for while this process has several threads.
    #[error(
        "a process with several threads cannot be forked, because the locks that the others hold would stay locked in the \
         child for ever; use StartMethod::Server or StartMethod::Spawn"
    )]
    Threads,
    /// The new process ended before it could call the function.
    #[error("the new process ended with {status} before it called the function{}", last_lines(stderr))]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The last that it wrote to stderr.
        stderr: String,
    },
    /// The new process could not set itself up, for the reason in the text.
    #[error("the new process cannot start: {0}")]
    Refused(String),
    /// The new process did not answer in time.
    #[error(
        "the new process did not answer for {seconds} seconds and was killed; does this program reach `procession::init()` late, \
         or not at all, when it is started again?"
    )]
    Silent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The time that the caller has given was over before the process was about to call its function, which it will not do.
    #[error("the new process had not started after {timeout:?}, and was given up")]
    TimedOut {
        /// The time that was given.
        timeout: Duration,
    },
    /// The operating system refused.
    #[error("no new process: {0}")]
    Io(io::Error),
    /// What happened in another process, in its words: the causes of [`Function`](SpawnError::Function) and
    /// [`Argument`](SpawnError::Argument) stay there.
    #[error("{0}")]
    Told(String),
}

/// What of a [`SpawnError`] can be sent.
#[derive(Serialize, Deserialize)]
enum Told {
    NotInitialized,
    Limit(String),
    Threads,
    Died {
        status: ExitStatus,
        stderr: String,
    },
    Refused(String),
    Silent {
        seconds: u64,
    },
    TimedOut {
        timeout: Duration,
    },
    /// An error number of the operating system.
    System(i32),
    Words(String),
}

impl SpawnError {
    /// The error of a job that could not be sent.
    pub(crate) fn from_link(error: LinkError) -> SpawnError {
        match error {
            LinkError::Limit(text) => SpawnError::Limit(text),
            LinkError::Io(error) => SpawnError::from_io(error),
            other => SpawnError::Refused(other.to_string()),
        }
    }

    pub(crate) fn from_io(error: io::Error) -> SpawnError {
        limits::explain(&error).map_or(SpawnError::Io(error), SpawnError::Limit)
    }
}

/// As a sentence, because `unwrap` and `main` print errors this way.
impl fmt::Debug for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpawnError: {self}")
    }
}

fn last_lines(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; its last words on stderr:\n{stderr}") }
}

impl Serialize for SpawnError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Told::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SpawnError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SpawnError, D::Error> {
        Told::deserialize(deserializer).map(SpawnError::from)
    }
}

impl Told {
    fn of(error: &SpawnError) -> Told {
        match error {
            SpawnError::NotInitialized => Told::NotInitialized,
            SpawnError::Limit(text) => Told::Limit(text.clone()),
            SpawnError::Threads => Told::Threads,
            SpawnError::Died { status, stderr } => Told::Died { status: *status, stderr: stderr.clone() },
            SpawnError::Refused(reason) => Told::Refused(reason.clone()),
            SpawnError::Silent { seconds } => Told::Silent { seconds: *seconds },
            SpawnError::TimedOut { timeout } => Told::TimedOut { timeout: *timeout },
            SpawnError::Io(system) => {
                system.raw_os_error().map_or_else(|| Told::Words(error.to_string()), Told::System)
            }
            other => Told::Words(other.to_string()),
        }
    }
}

impl From<Told> for SpawnError {
    fn from(told: Told) -> SpawnError {
        match told {
            Told::NotInitialized => SpawnError::NotInitialized,
            Told::Limit(text) => SpawnError::Limit(text),
            Told::Threads => SpawnError::Threads,
            Told::Died { status, stderr } => SpawnError::Died { status, stderr },
            Told::Refused(reason) => SpawnError::Refused(reason),
            Told::Silent { seconds } => SpawnError::Silent { seconds },
            Told::TimedOut { timeout } => SpawnError::TimedOut { timeout },
            Told::System(number) => SpawnError::Io(io::Error::from_raw_os_error(number)),
            Told::Words(text) => SpawnError::Told(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use procession_core::codec;

    use super::*;

    fn told(error: &SpawnError) -> SpawnError {
        codec::decode(codec::encode(error).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_says_the_same_after_a_journey() {
        struct Never;
        impl Serialize for Never {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("not today"))
            }
        }
        let all = [
            SpawnError::NotInitialized,
            FunctionError::NotInProgram("fn()").into(),
            SpawnError::Argument(codec::encode(&Never).unwrap_err()),
            SpawnError::Limit("too many processes".to_owned()),
            SpawnError::Threads,
            SpawnError::Died {
                status: ExitStatus::of(procession_core::os::pidfd::Exit::Code(3)),
                stderr: "no bread".to_owned(),
            },
            SpawnError::Refused("it is Sunday".to_owned()),
            SpawnError::Silent { seconds: 30 },
            SpawnError::TimedOut { timeout: Duration::from_millis(1500) },
            SpawnError::Io(io::Error::from_raw_os_error(12)),
            SpawnError::Io(io::Error::other("in words")),
            SpawnError::Told("at second hand".to_owned()),
        ];
        for error in all {
            assert_eq!(told(&error).to_string(), error.to_string());
            assert_eq!(told(&told(&error)).to_string(), error.to_string());
        }
    }

    #[test]
    fn the_kind_stays_where_it_can() {
        assert!(matches!(told(&SpawnError::Threads), SpawnError::Threads));
        let io = told(&SpawnError::Io(io::Error::from_raw_os_error(12)));
        assert!(matches!(io, SpawnError::Io(error) if error.raw_os_error() == Some(12)));
        assert!(matches!(told(&FunctionError::NotInProgram("fn()").into()), SpawnError::Told(_)));
    }
}
