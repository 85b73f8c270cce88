//! [`SpawnError`]: why a process could not be started.
//!
//! | the start fails | variant |
//! | --- | --- |
//! | before anything is made | `NotInitialized`, `Function`, `Argument`, `Threads`, `LockHeld`, `TimedOut` |
//! | by the system | `Limit` where the number of the error stands for a known limit, else `Io` |
//! | in the child or the server, which say why; in a process that acts for another user | `Refused` |
//! | in the child, which says nothing | `Died` with its status, `Silent` or `TimedOut` when it has not even ended |

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
/// It can be sent to another process, which gets the same text.
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
    /// This program does not call `init`.
    #[error(
        "procession is not initialized in this program, so its children could not report that they are children: put \
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
    /// [`Fork`](crate::StartMethod::Fork) was asked for while this process holds the guard of a lock in shared memory. The child would
    /// have the guard as well, and with it the data.
    #[error(
        "this process cannot be forked while it holds the guard of a {lock}, because the child would have the guard as well: \
         drop the guard before the start, or use StartMethod::Server or StartMethod::Spawn"
    )]
    LockHeld {
        /// The kind of the lock.
        lock: String,
    },
    /// The new process ended before it could call the function.
    #[error("the new process ended with {status} before it called the function{}", last_lines(stderr))]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The end of its stderr.
        stderr: String,
    },
    /// The new process could not set itself up, for the reason in the text.
    #[error("the new process cannot start: {0}")]
    Refused(String),
    /// The new process did not answer in time.
    #[error(
        "the new process did not report for {seconds} seconds and was killed; does this program reach `procession::init()` late, \
         or not at all, when it is started again?"
    )]
    Silent {
        /// The seconds that were waited.
        seconds: u64,
    },
    /// The timeout of the caller passed before the process was about to call its function, which it will not do.
    #[error("the new process had not started after {timeout:?}, and was given up")]
    TimedOut {
        /// The timeout.
        timeout: Duration,
    },
    /// The operating system refused.
    #[error("no new process: {0}")]
    Io(io::Error),
    /// The text of an error that was received from another process: the causes of [`Function`](SpawnError::Function) and
    /// [`Argument`](SpawnError::Argument) stay there.
    #[error("{0}")]
    Serialized(String),
}

/// The form of a [`SpawnError`] in a message.
#[derive(Serialize, Deserialize)]
enum Serialized {
    NotInitialized,
    Limit(String),
    Threads,
    LockHeld {
        lock: String,
    },
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
    /// The whole text of an error whose cause cannot be sent.
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

    /// The error of a system call: a limit where its number stands for one.
    pub(crate) fn from_io(error: io::Error) -> SpawnError {
        // The number alone does not say which limit was reached: the text names it and its value.
        limits::explain(&error).map_or(SpawnError::Io(error), SpawnError::Limit)
    }
}

/// Writes the error as a sentence, because `unwrap` and `main` print errors this way.
impl fmt::Debug for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpawnError: {self}")
    }
}

/// Returns the part of the text that quotes the stderr of a child; nothing when the child has written nothing.
fn last_lines(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; its last words on stderr:\n{stderr}") }
}

impl Serialize for SpawnError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Serialized::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SpawnError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SpawnError, D::Error> {
        Serialized::deserialize(deserializer).map(SpawnError::from)
    }
}

impl Serialized {
    fn of(error: &SpawnError) -> Serialized {
        match error {
            SpawnError::NotInitialized => Serialized::NotInitialized,
            SpawnError::Limit(text) => Serialized::Limit(text.clone()),
            SpawnError::Threads => Serialized::Threads,
            SpawnError::LockHeld { lock } => Serialized::LockHeld { lock: lock.clone() },
            SpawnError::Died { status, stderr } => Serialized::Died { status: *status, stderr: stderr.clone() },
            SpawnError::Refused(reason) => Serialized::Refused(reason.clone()),
            SpawnError::Silent { seconds } => Serialized::Silent { seconds: *seconds },
            SpawnError::TimedOut { timeout } => Serialized::TimedOut { timeout: *timeout },
            SpawnError::Io(system) => {
                system.raw_os_error().map_or_else(|| Serialized::Words(error.to_string()), Serialized::System)
            }
            // These hold an error of core that has no form in a message.
            other => Serialized::Words(other.to_string()),
        }
    }
}

impl From<Serialized> for SpawnError {
    fn from(received: Serialized) -> SpawnError {
        match received {
            Serialized::NotInitialized => SpawnError::NotInitialized,
            Serialized::Limit(text) => SpawnError::Limit(text),
            Serialized::Threads => SpawnError::Threads,
            Serialized::LockHeld { lock } => SpawnError::LockHeld { lock },
            Serialized::Died { status, stderr } => SpawnError::Died { status, stderr },
            Serialized::Refused(reason) => SpawnError::Refused(reason),
            Serialized::Silent { seconds } => SpawnError::Silent { seconds },
            Serialized::TimedOut { timeout } => SpawnError::TimedOut { timeout },
            Serialized::System(number) => SpawnError::Io(io::Error::from_raw_os_error(number)),
            Serialized::Words(text) => SpawnError::Serialized(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use procession_core::codec;

    use super::*;

    fn received(error: &SpawnError) -> SpawnError {
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
            SpawnError::LockHeld { lock: "mutex".to_owned() },
            SpawnError::Died {
                status: ExitStatus::of(procession_core::os::pidfd::Exit::Code(3)),
                stderr: "no bread".to_owned(),
            },
            SpawnError::Refused("it is Sunday".to_owned()),
            SpawnError::Silent { seconds: 30 },
            SpawnError::TimedOut { timeout: Duration::from_millis(1500) },
            SpawnError::Io(io::Error::from_raw_os_error(12)),
            SpawnError::Io(io::Error::other("in words")),
            SpawnError::Serialized("at second hand".to_owned()),
        ];
        for error in all {
            assert_eq!(received(&error).to_string(), error.to_string());
            assert_eq!(received(&received(&error)).to_string(), error.to_string());
        }
    }

    #[test]
    fn the_kind_stays_where_it_can() {
        assert!(matches!(received(&SpawnError::Threads), SpawnError::Threads));
        let io = received(&SpawnError::Io(io::Error::from_raw_os_error(12)));
        assert!(matches!(io, SpawnError::Io(error) if error.raw_os_error() == Some(12)));
        assert!(matches!(received(&FunctionError::NotInProgram("fn()").into()), SpawnError::Serialized(_)));
    }
}
