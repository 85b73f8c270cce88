//! [`PoolError`]: why a pool could not be built, or broke.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use procession_core::codec::EncodeError;
use procession_core::{FunctionError, MappingError};
use procession_process::panics::Asked;
use procession_process::{Panic, SpawnError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::init_failure::{Cause, InitFailure, Step};

/// A pool could not be built, or has broken.
///
/// ```
/// use procession_pool::Pool;
///
/// assert!(Pool::new(0).unwrap_err().to_string().starts_with("a pool needs at least one worker"));
/// ```
///
/// A pool breaks when no worker becomes ready, for example because its initializer fails. The tasks that wait then, and those
/// that come later, end with a [`TaskError`](crate::TaskError) whose source is this error.
///
/// It can travel in a message. Its causes then travel as text.
#[derive(Clone, Error, Serialize, Deserialize)]
#[error("{kind}")]
#[serde(into = "Wire", from = "Wire")]
pub struct PoolError {
    kind: Arc<PoolErrorKind>,
}

/// The cause.
#[derive(Debug, Error)]
pub(crate) enum PoolErrorKind {
    #[error("a pool needs at least one worker; leave the number out to have one for each processor")]
    NoWorkers,
    #[error("cannot start a worker: {0}")]
    Start(SpawnError),
    #[error("{failure}", failure = failure.describe(worker))]
    Initializer { worker: String, failure: InitFailure },
    #[error("the initializer cannot be sent to a worker: {0}")]
    InitializerName(FunctionError),
    #[error("the initializer's argument cannot be sent to a worker: {0}")]
    InitializerArgument(EncodeError),
    #[error("workers keep exiting before they become ready; the last one, `{worker}`, ended with {end}")]
    ExitedEarly { worker: String, end: String },
    #[error("{failure}", failure = failure.describe(worker))]
    Finalizer { worker: String, failure: InitFailure },
    #[error("worker `{worker}` was not ready within {limit:?}, the `start_timeout`: its initializer or state may hang")]
    StartTimeout { worker: String, limit: Duration },
    /// The options of the builder contradict each other or themselves.
    #[error("{0}")]
    Invalid(String),
    #[error("cannot use host `{host}`: {why}")]
    Host { host: String, why: String },
    #[error(
        "all hosts of the pool are lost, and none is used again when it returns; let hosts rejoin, or add workers on this host"
    )]
    NoHosts,
    #[error("cannot share memory with a worker: {0}")]
    Memory(MappingError),
    #[error("the pool cannot {0}: {1}")]
    System(&'static str, io::Error),
    #[error("the pool's own thread has panicked; this is a defect of procession")]
    Defect,
    #[error("the pool belongs to the process that this one is a copy of; make one here")]
    Forked,
    /// The error of another process.
    #[error("{text}")]
    Remote { text: String, is_initializer: bool },
}

/// The error as it travels.
#[derive(Serialize, Deserialize)]
enum Wire {
    Initializer { worker: String, failure: InitFailure },
    Other { text: String, is_initializer: bool },
}

impl PoolError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> PoolError {
        move |error| PoolErrorKind::System(what, error).into()
    }

    pub(crate) fn write_forked(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", PoolErrorKind::Forked)
    }

    /// Returns whether the initializer, or the function that makes the [state](crate::PoolBuilder::state), failed: it returned an
    /// error, panicked, or could not be called.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// procession_pool::init();
    /// let broken = Pool::builder().workers(1).initializer(|n: u8| Err::<(), _>(format!("not {n}")), 7).build();
    /// let error = broken.unwrap_err();
    /// assert!(error.is_initializer());
    /// assert!(error.to_string().ends_with("it returned an error: not 7"));
    /// ```
    #[must_use]
    pub fn is_initializer(&self) -> bool {
        match &*self.kind {
            PoolErrorKind::Initializer { failure, .. } => failure.step != Step::Placement,
            PoolErrorKind::InitializerName(_) | PoolErrorKind::InitializerArgument(_) => true,
            PoolErrorKind::Remote { is_initializer, .. } => *is_initializer,
            _ => false,
        }
    }

    /// Returns the panic of the initializer, the finalizer or the function that makes the state.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # procession_pool::init();
    /// let broken = Pool::builder().workers(1).initializer::<_, ()>(|()| panic!("no licence"), ()).build();
    /// assert_eq!(broken.unwrap_err().panic().unwrap().message(), "no licence");
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        match &*self.kind {
            PoolErrorKind::Initializer { failure, .. } | PoolErrorKind::Finalizer { failure, .. } => {
                if let Cause::Panicked(panic) = &failure.cause {
                    Some(panic)
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

impl From<PoolErrorKind> for PoolError {
    fn from(kind: PoolErrorKind) -> PoolError {
        PoolError { kind: Arc::new(kind) }
    }
}

impl From<PoolError> for Wire {
    fn from(error: PoolError) -> Wire {
        match &*error.kind {
            PoolErrorKind::Initializer { worker, failure } => {
                Wire::Initializer { worker: worker.clone(), failure: failure.clone() }
            }
            kind => Wire::Other { text: kind.to_string(), is_initializer: error.is_initializer() },
        }
    }
}

impl From<Wire> for PoolError {
    fn from(wire: Wire) -> PoolError {
        match wire {
            Wire::Initializer { worker, failure } => PoolErrorKind::Initializer { worker, failure }.into(),
            Wire::Other { text, is_initializer } => PoolErrorKind::Remote { text, is_initializer }.into(),
        }
    }
}

impl fmt::Debug for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "{}", Asked(panic)))
    }
}

#[cfg(test)]
mod tests {
    use procession_core::codec::{decode, encode};

    use super::*;

    #[test]
    fn the_text_survives_a_message() {
        let failure = Step::State.failed(Cause::Error("no licence".to_owned()));
        let name = Step::Placement.failed(Cause::NotRun("not found".to_owned()));
        for kind in [
            PoolErrorKind::NoWorkers,
            PoolErrorKind::Initializer { worker: "first".to_owned(), failure },
            PoolErrorKind::Initializer { worker: "second".to_owned(), failure: name },
            PoolErrorKind::InitializerName(FunctionError::NotInProgram("fn()")),
            PoolErrorKind::ExitedEarly { worker: "third".to_owned(), end: "exit code 1".to_owned() },
            PoolErrorKind::System("wait for its workers", io::Error::other("no more")),
        ] {
            let before = PoolError::from(kind);
            let after: PoolError = decode(encode(&before).unwrap()).unwrap();
            assert_eq!(before.to_string(), after.to_string());
            assert_eq!(before.is_initializer(), after.is_initializer());
        }
    }
}
