//! [`PoolError`]: why there is no pool, or no pool any more.

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

use crate::wire::protocol::{InitFailure, Step, Why};

/// A pool could not be made, or has broken.
///
/// ```
/// use procession_pool::Pool;
///
/// assert!(Pool::new(0).unwrap_err().to_string().starts_with("a pool needs at least one worker"));
/// ```
///
/// A pool breaks when no worker can be brought to work, for example because its initializer fails. The tasks that wait
/// then, and those that come later, end with a [`TaskError`](crate::TaskError) whose source is the same error.
///
/// It can travel in a message; what lies behind it is then told in its text alone.
#[derive(Clone, Error, Serialize, Deserialize)]
#[error("{kind}")]
#[serde(into = "Told", from = "Told")]
pub struct PoolError {
    kind: Arc<Kind>,
}

/// What happened.
#[derive(Debug, Error)]
pub(crate) enum Kind {
    #[error("a pool needs at least one worker; leave the number out to have one for each processor")]
    NoWorkers,
    #[error("cannot start a worker: {0}")]
    Start(SpawnError),
    #[error("{failure}", failure = failure.told_of(worker))]
    Initializer { worker: String, failure: InitFailure },
    #[error("the initializer cannot be sent to a worker: {0}")]
    InitializerName(FunctionError),
    #[error("the initializer's argument cannot be sent to a worker: {0}")]
    InitializerArgument(EncodeError),
    #[error("workers end before they are ready, one after the other; the last one, `{worker}`, ended with {end}")]
    Stillborn { worker: String, end: String },
    #[error("{failure}", failure = failure.told_of(worker))]
    Finalizer { worker: String, failure: InitFailure },
    #[error("worker `{worker}` was not ready within {limit:?}, the `start_timeout`: its initializer or state may hang")]
    Late { worker: String, limit: Duration },
    /// Something that cannot be was asked for.
    #[error("{0}")]
    Unfit(String),
    #[error("cannot share memory with a worker: {0}")]
    Memory(MappingError),
    #[error("the pool cannot {0}: {1}")]
    System(&'static str, io::Error),
    #[error("the pool's own thread has panicked; this is a defect of procession")]
    Defect,
    #[error("the pool belongs to the process that this one is a copy of; make one here")]
    Forked,
    /// It happened in another process.
    #[error("{text}")]
    Elsewhere { text: String, is_initializer: bool },
}

/// The error as it travels.
#[derive(Serialize, Deserialize)]
enum Told {
    Initializer { worker: String, failure: InitFailure },
    Other { text: String, is_initializer: bool },
}

impl PoolError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> PoolError {
        move |error| Kind::System(what, error).into()
    }

    /// Whether the initializer, or what makes the [state](crate::PoolBuilder::state), failed: it returned an error or panicked, or
    /// could not be called.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() {
    /// procession_pool::init();
    /// let broken = Pool::builder().workers(1).initializer(|n: u8| Err::<(), _>(format!("not {n}")), 7).build();
    /// let error = broken.unwrap_err();
    /// assert!(error.is_initializer());
    /// assert!(error.to_string().ends_with("it returned an error: not 7"));
    /// # }
    /// ```
    #[must_use]
    pub fn is_initializer(&self) -> bool {
        match &*self.kind {
            Kind::Initializer { failure, .. } => failure.step != Step::Place,
            Kind::InitializerName(_) | Kind::InitializerArgument(_) => true,
            Kind::Elsewhere { is_initializer, .. } => *is_initializer,
            _ => false,
        }
    }

    /// The panic of the initializer, or of what makes the state, if that was the reason.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() {
    /// # procession_pool::init();
    /// let broken = Pool::builder().workers(1).initializer::<_, ()>(|()| panic!("no licence"), ()).build();
    /// assert_eq!(broken.unwrap_err().panic().unwrap().message(), "no licence");
    /// # }
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        match &*self.kind {
            Kind::Initializer { failure, .. } | Kind::Finalizer { failure, .. } => match &failure.why {
                Why::Panicked(panic) => Some(panic),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<Kind> for PoolError {
    fn from(kind: Kind) -> PoolError {
        PoolError { kind: Arc::new(kind) }
    }
}

impl From<PoolError> for Told {
    fn from(error: PoolError) -> Told {
        match &*error.kind {
            Kind::Initializer { worker, failure } => {
                Told::Initializer { worker: worker.clone(), failure: failure.clone() }
            }
            kind => Told::Other { text: kind.to_string(), is_initializer: error.is_initializer() },
        }
    }
}

impl From<Told> for PoolError {
    fn from(told: Told) -> PoolError {
        match told {
            Told::Initializer { worker, failure } => Kind::Initializer { worker, failure }.into(),
            Told::Other { text, is_initializer } => Kind::Elsewhere { text, is_initializer }.into(),
        }
    }
}

impl fmt::Debug for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "{}", Asked(panic)))
    }
}

impl InitFailure {
    fn told_of(&self, worker: &str) -> String {
        let what = match self.step {
            Step::Place => format!("worker `{worker}` cannot take its place"),
            Step::Initializer => format!("the initializer failed in worker `{worker}`"),
            Step::Finalizer => format!("the finalizer failed in worker `{worker}`"),
            Step::State => format!("the state could not be made in worker `{worker}`"),
        };
        match &self.why {
            Why::Error(text) => format!("{what}: it returned an error: {text}"),
            Why::Panicked(panic) => format!("{what}: it {panic}"),
            Why::NotRun(text) => format!("{what}: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use procession_core::codec::{decode, encode};

    use super::*;

    fn carried(kind: Kind) -> (PoolError, PoolError) {
        let error = PoolError::from(kind);
        let carried = decode(encode(&error).unwrap()).unwrap();
        (error, carried)
    }

    #[test]
    fn it_says_the_same_after_a_journey() {
        let failure = Step::State.failed(Why::Error("no licence".to_owned()));
        let name = Step::Place.failed(Why::NotRun("not found".to_owned()));
        for kind in [
            Kind::NoWorkers,
            Kind::Initializer { worker: "first".to_owned(), failure },
            Kind::Initializer { worker: "second".to_owned(), failure: name },
            Kind::InitializerName(FunctionError::NotInProgram("fn()")),
            Kind::Stillborn { worker: "third".to_owned(), end: "exit code 1".to_owned() },
            Kind::System("wait for its workers", io::Error::other("no more")),
        ] {
            let (before, after) = carried(kind);
            assert_eq!(before.to_string(), after.to_string());
            assert_eq!(before.is_initializer(), after.is_initializer());
        }
    }
}
