//! [`PoolBuilder`]: a pool before it is started.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::time::Duration;

use procession_core::{Function, codec};
use procession_process::{StartMethod, cpu_count};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::demands::{check, checked};
use crate::member::Recruiter;
use crate::pool_error::Kind;
use crate::terms::Staffing;
use crate::wire::protocol::{Call, Initializer, Preparation};
use crate::{Pool, PoolError};

/// Describes a pool before it is started. Made by [`Pool::builder`].
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
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
    pub(crate) least: Option<usize>,
    method: StartMethod,
    pub(crate) preparation: Preparation,
    /// The first thing that was wrong with what it was told.
    mistake: Option<PoolError>,
    chunk_size: Option<NonZeroUsize>,
    pub(crate) staffing: Staffing,
    pub(crate) keeps_stderr: bool,
    /// `None`: wherever the system likes.
    pub(crate) processors: Option<Vec<usize>>,
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
/// # procession_pool::init();
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
        PoolBuilder {
            workers: None,
            least: None,
            method: StartMethod::default(),
            preparation: Preparation::default(),
            mistake: None,
            chunk_size: None,
            staffing: Staffing::fixed(1),
            keeps_stderr: true,
            processors: None,
        }
    }

    /// Takes in something that workers are to do, or notes why it cannot be had.
    pub(crate) fn accept<T>(
        mut self,
        wanted: Result<T, PoolError>,
        put: impl FnOnce(&mut Preparation, T),
    ) -> PoolBuilder {
        match wanted {
            Ok(wanted) => put(&mut self.preparation, wanted),
            Err(mistake) => drop(self.mistake.get_or_insert(mistake)),
        }
        self
    }

    /// How many workers it has. Without this: as many as [`procession_process::cpu_count`] says.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
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
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).initializer(|seed| SEED.store(seed, Ordering::Relaxed), 7).build()?;
    /// assert_eq!(pool.map(|n: u32| n * SEED.load(Ordering::Relaxed), [6])?, [42]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "initargs")]
    pub fn initializer<A, R>(self, function: fn(A) -> R, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        R: Initialized + Serialize + DeserializeOwned,
    {
        let named = named(function, &argument);
        self.accept(named, |preparation, initializer| preparation.initializer = Some(initializer))
    }

    /// A function that each worker runs after its last task, when it leaves: to flush a file, or to say goodbye. A worker that is
    /// killed does not get to it.
    ///
    /// It may take as long as it likes: [`join`](Pool::join) waits for it. What limits it is [`join_timeout`](Pool::join_timeout), if the pool is
    /// dropped or [terminated](Pool::terminate) afterwards; a pool that is dropped gives it five seconds. One that panics, or is cut off, is told of
    /// on standard error and by [`finalizer_errors`](Pool::finalizer_errors).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let mark = |path: std::path::PathBuf| std::fs::write(path, "left").unwrap();
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("mark");
    /// let pool = Pool::builder().workers(1).finalizer(mark, path.clone()).build()?;
    /// pool.map(|n: u8| n, [1])?;
    /// pool.join();
    /// assert_eq!(std::fs::read_to_string(path)?, "left");
    /// # Ok(())
    /// # }
    /// ```
    pub fn finalizer<A: Serialize + DeserializeOwned>(self, function: fn(A), argument: A) -> PoolBuilder {
        let call = call(function, &argument);
        self.accept(call, |preparation, finalizer| preparation.finalizer = Some(finalizer))
    }

    /// How long a worker that is stopped in the middle of a task, because it [took too long](crate::Job::timeout) or was cancelled,
    /// has from SIGTERM to SIGKILL. Without this: 200 milliseconds.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).grace(Duration::from_secs(1)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn grace(mut self, grace: Duration) -> PoolBuilder {
        self.staffing.grace = grace;
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
    /// # procession_pool::init();
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
    /// # procession_pool::init();
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

    /// Starts the workers. With an initializer, or a state to be made, waits until that has succeeded in one of them.
    ///
    /// # Errors
    ///
    /// No worker was asked for, or something that cannot be: more workers at the least than at the most, no time at all to start, a
    /// niceness or a processor that there is not. None can be started (see [`SpawnError`](procession_process::SpawnError)). The
    /// initializer, or what makes the state, failed or took [too long](PoolBuilder::start_timeout). No worker is left behind then.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().build()?;
    /// assert_eq!(pool.workers(), procession_process::cpu_count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<Pool, PoolError> {
        let PoolBuilder {
            workers,
            least,
            method,
            preparation,
            mistake,
            chunk_size,
            staffing,
            keeps_stderr,
            processors,
        } = self;
        if let Some(mistake) = mistake {
            return Err(mistake);
        }
        let most = NonZeroUsize::new(workers.unwrap_or_else(cpu_count)).ok_or(Kind::NoWorkers)?.get();
        let least = checked(least, most)?.filter(|_| staffing.idle_timeout.is_some());
        let least = least.unwrap_or(if staffing.idle_timeout.is_some() { 1 } else { most });
        check(&staffing, &preparation, processors.as_deref())?;
        let processors = processors.unwrap_or_default();
        let recruiter = Recruiter { method, preparation, keeps_stderr, processors };
        let farewell = staffing.farewell.filter(|_| recruiter.preparation.finalizer.is_none());
        Pool::start(recruiter, Staffing { least, most, farewell, ..staffing }, chunk_size)
    }
}

fn named<A, R>(function: fn(A) -> R, argument: &A) -> Result<Initializer, PoolError>
where
    A: Serialize + DeserializeOwned,
    R: Initialized + Serialize + DeserializeOwned,
{
    let verdict = Function::of(R::failure).map_err(Kind::InitializerName)?;
    Ok(Initializer { call: call(function, argument)?, verdict })
}

fn call<A, R>(function: fn(A) -> R, argument: &A) -> Result<Call, PoolError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize,
{
    let argument = codec::encode(argument).map_err(Kind::InitializerArgument)?;
    let function = Function::of(function).map_err(Kind::InitializerName)?;
    Ok(Call { function, argument })
}
