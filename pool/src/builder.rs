//! [`PoolBuilder`]: a pool before it is started.

use std::any::Any;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::time::Duration;

use procession_core::{Function, Method, codec};
use procession_process::{StartMethod, cpu_count};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::member::Recruiter;
use crate::pool_error::Kind;
use crate::terms::Staffing;
use crate::wire::protocol::{Call, Initializer, Maker, Preparation};
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
    pub(crate) least: Option<usize>,
    method: StartMethod,
    pub(crate) preparation: Preparation,
    /// The first thing that was wrong with what it was told.
    mistake: Option<PoolError>,
    chunk_size: Option<NonZeroUsize>,
    pub(crate) staffing: Staffing,
    pub(crate) keeps_stderr: bool,
    pub(crate) processors: Vec<usize>,
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
        PoolBuilder {
            workers: None,
            least: None,
            method: StartMethod::default(),
            preparation: Preparation::default(),
            mistake: None,
            chunk_size: None,
            staffing: Staffing::fixed(1),
            keeps_stderr: true,
            processors: Vec::new(),
        }
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
        match named(function, &argument) {
            Ok(initializer) => self.preparation.initializer = Some(initializer),
            Err(mistake) => drop(self.mistake.get_or_insert(mistake)),
        }
        self
    }

    /// A function whose result each worker, replacements included, keeps from before its first task on. Tasks find it with
    /// [`state`](crate::state). It runs after the [initializer](PoolBuilder::initializer), and fails by a panic.
    ///
    /// ```
    /// # use procession_pool::{Pool, state};
    /// use std::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::builder().workers(1).state(|()| Mutex::new(0_u64), ()).build()?;
    /// let add = |n: u64| {
    ///     let mut sum = state::<Mutex<u64>>().unwrap().lock().unwrap();
    ///     *sum += n;
    ///     *sum
    /// };
    /// assert_eq!(pool.map(add, [1, 2, 3])?, [1, 3, 6]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn state<A, S>(mut self, function: fn(A) -> S, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        S: Any + Send + Sync,
    {
        match kept(function, &argument) {
            Ok(maker) => self.preparation.state = Some(maker),
            Err(mistake) => drop(self.mistake.get_or_insert(mistake)),
        }
        self
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
    /// # procession_process::init();
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
    pub fn finalizer<A: Serialize + DeserializeOwned>(mut self, function: fn(A), argument: A) -> PoolBuilder {
        match call(function, &argument) {
            Ok(call) => self.preparation.finalizer = Some(call),
            Err(mistake) => drop(self.mistake.get_or_insert(mistake)),
        }
        self
    }

    /// How long a worker that is stopped in the middle of a task, because it [took too long](crate::Job::timeout) or was cancelled,
    /// has from SIGTERM to SIGKILL. Without this: 200 milliseconds.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
        let least = if staffing.idle_timeout.is_some() { least.unwrap_or(1).clamp(1, most) } else { most };
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

fn kept<A, S>(function: fn(A) -> S, argument: &A) -> Result<Maker, PoolError>
where
    A: Serialize + DeserializeOwned,
    S: Any + Send + Sync,
{
    let argument = codec::encode(argument).map_err(Kind::InitializerArgument)?;
    let method = Method::maker(function).map_err(Kind::InitializerName)?;
    Ok(Maker { method, argument })
}
