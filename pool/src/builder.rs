//! [`PoolBuilder`]: a pool before it is started.

use std::fmt::Display;
use std::num::NonZeroUsize;

use procession_core::Function;
use procession_core::codec;
use procession_process::{StartMethod, cpu_count};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::member::Recruiter;
use crate::pool_error::Kind;
use crate::protocol::Initializer;
use crate::{Pool, PoolError};

/// Describes a pool before it is started. Made by [`Pool::builder`].
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let pool = Pool::builder()
///     .workers(2)
///     .initializer(|language: String| println!("a worker for {language}"), "Latin".to_owned())
///     .build()?;
/// assert_eq!(pool.map(|word: String| word.len(), ["salve".to_owned()])?, [5]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder starts nothing until `build` is called"]
pub struct PoolBuilder {
    workers: Option<usize>,
    method: StartMethod,
    initializer: Option<Result<Initializer, PoolError>>,
    chunk_size: Option<NonZeroUsize>,
}

/// What an initializer may return: nothing, or a `Result` whose error can be shown.
///
/// It is implemented for `()` and `Result<(), E>`, and cannot be implemented for more.
///
/// ```
/// use procession_pool::Pool;
///
/// fn open_licence(path: String) -> Result<(), String> {
///     std::fs::metadata(&path).map(drop).map_err(|error| format!("{path}: {error}"))
/// }
///
/// # fn main() {
/// # procession_process::init();
/// let broken = Pool::builder().workers(1).initializer(open_licence, "/no/licence".to_owned()).build();
/// assert!(broken.unwrap_err().to_string().contains("/no/licence: No such file"));
/// # }
/// ```
pub trait Initialized: sealed::Sealed {
    #[doc(hidden)]
    fn failure(self) -> Option<String>;
}

mod sealed {
    #[expect(unnameable_types, reason = "that nobody can name it is what seals the trait")]
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E: std::fmt::Display> Sealed for Result<(), E> {}
}

impl Initialized for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Display> Initialized for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

impl PoolBuilder {
    pub(crate) fn new() -> PoolBuilder {
        PoolBuilder { workers: None, method: StartMethod::default(), initializer: None, chunk_size: None }
    }

    /// How many workers it has. Without this: as many as [`procession_process::cpu_count`] says.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// assert_eq!(Pool::builder().workers(3).build()?.workers(), 3);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "processes")]
    #[doc(alias = "max_workers")]
    pub fn workers(mut self, count: usize) -> PoolBuilder {
        self.workers = Some(count);
        self
    }

    /// A function that each worker, replacements included, runs before its first task.
    ///
    /// When it panics or returns an error in the first worker that comes to it, [`build`](PoolBuilder::build) fails with what
    /// it said; when it fails later, again and again, the pool breaks.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static SEED: AtomicU32 = AtomicU32::new(0);
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).initializer(|seed| SEED.store(seed, Ordering::Relaxed), 7).build()?;
    /// assert_eq!(pool.map(|n: u32| n * SEED.load(Ordering::Relaxed), [6])?, [42]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "initargs")]
    pub fn initializer<A, R>(mut self, function: fn(A) -> R, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        R: Initialized + Serialize + DeserializeOwned,
    {
        self.initializer = Some(named(function, &argument));
        self
    }

    /// How the workers are started; see [`StartMethod`].
    ///
    /// [`Fork`](StartMethod::Fork) is only possible while this process has a single thread. The pool has one of its own from the
    /// moment it is built, so a worker that dies cannot be replaced then.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use procession_process::StartMethod;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).start_method(StartMethod::Spawn).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "context")]
    #[doc(alias = "mp_context")]
    pub fn start_method(mut self, method: StartMethod) -> PoolBuilder {
        self.method = method;
        self
    }

    /// How many items travel to a worker at once. Without this the pool measures how long they take, and chooses.
    ///
    /// A worker that dies loses one item, whatever the size of the chunks.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::num::NonZeroUsize;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).chunk_size(NonZeroUsize::MIN).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "chunksize")]
    pub fn chunk_size(mut self, size: NonZeroUsize) -> PoolBuilder {
        self.chunk_size = Some(size);
        self
    }

    /// Starts the workers. With an initializer, waits until it has succeeded in one of them.
    ///
    /// # Errors
    ///
    /// No worker was asked for, none can be started (see [`SpawnError`](procession_process::SpawnError)), or the initializer
    /// failed. No worker is left behind then.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().build()?;
    /// assert_eq!(pool.workers(), procession_process::cpu_count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<Pool, PoolError> {
        let PoolBuilder { workers, method, initializer, chunk_size } = self;
        let workers = NonZeroUsize::new(workers.unwrap_or_else(cpu_count)).ok_or(Kind::NoWorkers)?;
        let recruiter = Recruiter { workers, method, initializer: initializer.transpose()? };
        Pool::start(recruiter, chunk_size)
    }
}

fn named<A, R>(function: fn(A) -> R, argument: &A) -> Result<Initializer, PoolError>
where
    A: Serialize + DeserializeOwned,
    R: Initialized + Serialize + DeserializeOwned,
{
    let argument = codec::encode(argument).map_err(Kind::InitializerArgument)?;
    let function = Function::of(function).map_err(Kind::InitializerName)?;
    let verdict = Function::of(R::failure).map_err(Kind::InitializerName)?;
    Ok(Initializer { function, argument, verdict })
}
