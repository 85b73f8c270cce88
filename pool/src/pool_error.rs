//! [`PoolError`]: why there is no pool, or no pool any more.

use std::fmt;
use std::io;
use std::sync::Arc;

use procession_core::codec::EncodeError;
use procession_core::{FunctionError, MappingError};
use procession_process::{Panic, SpawnError};
use thiserror::Error;

use crate::wire::protocol::InitFailure;

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
#[derive(Clone, Error)]
#[error("{kind}")]
pub struct PoolError {
    #[source]
    kind: Arc<Kind>,
}

/// What happened.
#[derive(Debug, Error)]
pub(crate) enum Kind {
    #[error("a pool needs at least one worker; leave the number out to have one for each processor")]
    NoWorkers,
    #[error("cannot start a worker: {0}")]
    Start(#[source] SpawnError),
    #[error("the initializer failed in worker `{worker}`: {failure}")]
    Initializer { worker: String, failure: InitFailure },
    #[error("the initializer cannot be sent to a worker: {0}")]
    InitializerName(#[source] FunctionError),
    #[error("the initializer's argument cannot be sent to a worker: {0}")]
    InitializerArgument(#[source] EncodeError),
    #[error("workers end before they are ready, one after the other; the last one, `{worker}`, ended with {end}")]
    Stillborn { worker: String, end: String },
    #[error("cannot share memory with a worker: {0}")]
    Memory(#[source] MappingError),
    #[error("the pool cannot {0}: {1}")]
    System(&'static str, #[source] io::Error),
    #[error("the pool's own thread has panicked; this is a defect of procession")]
    Defect,
}

impl PoolError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> PoolError {
        move |error| Kind::System(what, error).into()
    }

    /// Whether the initializer failed: it returned an error or panicked, or could not be called.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() {
    /// procession_process::init();
    /// let broken = Pool::builder().workers(1).initializer(|n: u8| Err::<(), _>(format!("not {n}")), 7).build();
    /// let error = broken.unwrap_err();
    /// assert!(error.is_initializer());
    /// assert!(error.to_string().ends_with("it returned an error: not 7"));
    /// # }
    /// ```
    #[must_use]
    pub fn is_initializer(&self) -> bool {
        matches!(*self.kind, Kind::Initializer { .. } | Kind::InitializerName(_) | Kind::InitializerArgument(_))
    }

    /// The panic of the initializer, if that was the reason.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// # fn main() {
    /// # procession_process::init();
    /// let broken = Pool::builder().workers(1).initializer::<_, ()>(|()| panic!("no licence"), ()).build();
    /// assert_eq!(broken.unwrap_err().panic().unwrap().message(), "no licence");
    /// # }
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        match &*self.kind {
            Kind::Initializer { failure: InitFailure::Panicked(panic), .. } => Some(panic),
            _ => None,
        }
    }
}

impl From<Kind> for PoolError {
    fn from(kind: Kind) -> PoolError {
        PoolError { kind: Arc::new(kind) }
    }
}

impl fmt::Debug for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "\n{}", panic.backtrace()))
    }
}

impl fmt::Display for InitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitFailure::Error(text) => write!(f, "it returned an error: {text}"),
            InitFailure::Panicked(panic) => write!(f, "it {panic}"),
            InitFailure::NotRun(text) => f.write_str(text),
        }
    }
}
