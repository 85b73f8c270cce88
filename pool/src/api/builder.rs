//! [`PoolBuilder`]: the options of a pool.

use std::fmt::Display;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use procession_core::{Function, codec};
use procession_process::{StartMethod, cpu_count};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hosts::{default_hosts, workers_of};
use super::pool::Pool;
use super::validate::{check_hosts, check_limits, check_placement, check_workers};
use crate::local::worker_handle::WorkerFactory;
use crate::model::options::PoolLimits;
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::remote::launcher::HostSet;
use crate::wire::messages::{Call, Initializer, Preparation};

/// The options of a pool. Made by [`Pool::builder`].
///
/// ```
/// use procession_pool::Pool;
///
/// # procession_pool::init();
/// let pool = Pool::builder()
///     .workers(2)
///     .initializer(|language: String| println!("a worker for {language}"), "Latin".to_owned())
///     .build()?;
/// assert_eq!(pool.map(|word: String| word.len(), ["salve".to_owned()])?, [5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder starts nothing until `build` is called"]
pub struct PoolBuilder {
    workers: Option<usize>,
    min_workers: Option<usize>,
    method: StartMethod,
    preparation: Preparation,
    /// The first argument that cannot be sent to a worker.
    first_error: Option<PoolError>,
    chunk_size: Option<NonZeroUsize>,
    limits: PoolLimits,
    captures_stderr: bool,
    /// `None`: all.
    processors: Option<Vec<usize>>,
    /// `None`: all workers are on this host.
    hosts: Option<HostSet>,
}

/// The result of an initializer: nothing, or a `Result` whose error can be displayed.
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
/// # procession_pool::init();
/// let broken = Pool::builder().workers(1).initializer(open_licence, "/no/licence".to_owned()).build();
/// assert!(broken.unwrap_err().to_string().contains("/no/licence: No such file"));
/// ```
pub trait Initialized: sealed::Sealed {
    #[doc(hidden)]
    fn failure(self) -> Option<String>;
}

mod sealed {
    #[expect(unnameable_types, reason = "that no other crate can name it is what seals the trait")]
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

impl Pool {
    /// Starts a pool of `workers` workers.
    ///
    /// # Errors
    ///
    /// [`PoolError`]: `workers` is 0, or a worker cannot be started.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.workers(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(workers: usize) -> Result<Pool, PoolError> {
        Pool::builder().workers(workers).build()
    }

    /// Returns the options of a pool before it is started.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }
}

impl PoolBuilder {
    fn new() -> PoolBuilder {
        PoolBuilder {
            workers: None,
            min_workers: None,
            method: StartMethod::default(),
            preparation: Preparation::default(),
            first_error: None,
            chunk_size: None,
            limits: PoolLimits::fixed(1),
            captures_stderr: true,
            processors: None,
            hosts: None,
        }
    }

    /// Sets a part of the workers' preparation, or keeps the error for [`build`](PoolBuilder::build).
    pub(super) fn set_or_fail<T>(
        mut self,
        value: Result<T, PoolError>,
        set: impl FnOnce(&mut Preparation, T),
    ) -> PoolBuilder {
        match value {
            Ok(value) => set(&mut self.preparation, value),
            Err(error) => drop(self.first_error.get_or_insert(error)),
        }
        self
    }

    /// Sets the number of workers. The default is [`procession_process::cpu_count`].
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert_eq!(Pool::builder().workers(3).build()?.workers(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "processes")]
    #[doc(alias = "max_workers")]
    pub fn workers(mut self, count: usize) -> PoolBuilder {
        self.workers = Some(count);
        self
    }

    /// Sets the number of workers that stay when there is little to do; see [`idle_timeout`](PoolBuilder::idle_timeout). At least
    /// 1, and no more than [`workers`](PoolBuilder::workers).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(4).min_workers(1).idle_timeout(Duration::from_secs(1)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn min_workers(mut self, count: usize) -> PoolBuilder {
        self.min_workers = Some(count);
        self
    }

    /// Starts workers as they are needed, and lets them leave when they have been idle for `timeout`. At least
    /// [`min_workers`](PoolBuilder::min_workers) of them, or one, stay.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(4).idle_timeout(Duration::from_secs(1)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> PoolBuilder {
        self.limits.idle_timeout = Some(timeout);
        self
    }

    /// Sets a function that each worker, replacements included, runs before its first task.
    ///
    /// When it panics or returns an error in the first worker, [`build`](PoolBuilder::build) fails with that. When it fails later,
    /// again and again, the pool breaks.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static SEED: AtomicU32 = AtomicU32::new(0);
    ///
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).initializer(|seed| SEED.store(seed, Ordering::Relaxed), 7).build()?;
    /// assert_eq!(pool.map(|n: u32| n * SEED.load(Ordering::Relaxed), [6])?, [42]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "initargs")]
    pub fn initializer<A, R>(self, function: fn(A) -> R, argument: A) -> PoolBuilder
    where
        A: Serialize + DeserializeOwned,
        R: Initialized + Serialize + DeserializeOwned,
    {
        let error_text = Function::of(R::failure).map_err(|error| PoolErrorKind::InitializerName(error).into());
        let initializer =
            error_text.and_then(|error_text| call(function, &argument).map(|call| Initializer { call, error_text }));
        self.set_or_fail(initializer, |preparation, initializer| preparation.initializer = Some(initializer))
    }

    /// Sets a function that each worker runs after its last task, when it leaves: to flush a file, for example. A worker that is
    /// killed does not run it.
    ///
    /// [`join`](Pool::join) waits for it without a limit. A [`join_timeout`](Pool::join_timeout) limits it if the pool is dropped or
    /// [terminated](Pool::terminate) afterwards. A pool that is dropped gives it five seconds. A finalizer that panics or is cut off is
    /// reported on standard error and by [`finalizer_errors`](Pool::finalizer_errors).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let mark = |path: std::path::PathBuf| std::fs::write(path, "left").unwrap();
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("mark");
    /// let pool = Pool::builder().workers(1).finalizer(mark, path.clone()).build()?;
    /// pool.map(|n: u8| n, [1])?;
    /// pool.join();
    /// assert_eq!(std::fs::read_to_string(path)?, "left");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finalizer<A: Serialize + DeserializeOwned>(self, function: fn(A), argument: A) -> PoolBuilder {
        let call = call(function, &argument);
        self.set_or_fail(call, |preparation, finalizer| preparation.finalizer = Some(finalizer))
    }

    /// Sets the time from SIGTERM to SIGKILL for a worker that is stopped in the middle of a task, because the task ran [too
    /// long](crate::Job::timeout) or was cancelled. The default is 200 milliseconds.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).kill_timeout(Duration::from_secs(1)).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill_timeout(mut self, timeout: Duration) -> PoolBuilder {
        self.limits.kill_timeout = timeout;
        self
    }

    /// The former name of [`kill_timeout`](PoolBuilder::kill_timeout).
    ///
    /// ```
    /// # #![allow(deprecated)]
    /// # procession_pool::init();
    /// let pool = procession_pool::Pool::builder().workers(1).grace(std::time::Duration::from_secs(1)).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[deprecated(note = "use `kill_timeout`, which is the same")]
    pub fn grace(self, timeout: Duration) -> PoolBuilder {
        self.kill_timeout(timeout)
    }

    /// Sets how the workers are started; see [`StartMethod`].
    ///
    /// [`Fork`](StartMethod::Fork) is only possible while this process has a single thread. The pool has one of its own from the
    /// moment it is built, so a worker that dies cannot be replaced then.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use procession_process::StartMethod;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).start_method(StartMethod::Spawn).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "context")]
    #[doc(alias = "mp_context")]
    pub fn start_method(mut self, method: StartMethod) -> PoolBuilder {
        self.method = method;
        self
    }

    /// Sets the default [`chunk_size`](crate::Job::chunk_size) of jobs. Without it, the pool measures how long tasks take and
    /// chooses.
    ///
    /// A worker that dies loses one item, whatever the size of the chunks.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(2).chunk_size(100.try_into()?).build()?;
    /// assert_eq!(pool.map(|n: u32| n + 1, 0..1000)?.len(), 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "chunksize")]
    pub fn chunk_size(mut self, size: NonZeroUsize) -> PoolBuilder {
        self.chunk_size = Some(size);
        self
    }

    /// Replaces a worker that has run `count` tasks, whatever the size of the chunks. None runs more of them.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).max_tasks_per_worker(2.try_into()?).build()?;
    /// let pids = pool.map(|_: u8| std::process::id(), 0..4)?;
    /// assert!(pids[0] == pids[1] && pids[1] != pids[2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "maxtasksperchild")]
    #[doc(alias = "max_tasks_per_child")]
    pub fn max_tasks_per_worker(mut self, count: NonZeroU64) -> PoolBuilder {
        self.limits.max_tasks = Some(count.get());
        self
    }

    /// Replaces a worker of this age when it is next used.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).max_age(Duration::from_secs(3600)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_age(mut self, age: Duration) -> PoolBuilder {
        self.limits.max_age = Some(age);
        self
    }

    /// Replaces a worker whose resident memory exceeds this many bytes, when its task has ended.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).max_memory_per_worker(1 << 30).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "max_memory_per_child")]
    pub fn max_memory_per_worker(mut self, bytes: u64) -> PoolBuilder {
        self.limits.max_memory = Some(bytes);
        self
    }

    /// Limits the time from the start of a worker's process until its [initializer](PoolBuilder::initializer) and its
    /// [state](PoolBuilder::state) are done. Without a limit, [`build`](PoolBuilder::build) waits for one that hangs.
    ///
    /// Where no worker was ever ready, `build` fails then. Later, the worker is killed, and another one is started.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let hangs = |()| std::thread::sleep(Duration::from_secs(3600));
    /// let builder = Pool::builder().workers(1).initializer(hangs, ()).start_timeout(Duration::from_millis(200));
    /// assert!(builder.build().unwrap_err().to_string().contains("was not ready within 200ms"));
    /// ```
    pub fn start_timeout(mut self, limit: Duration) -> PoolBuilder {
        self.limits.start_timeout = Some(limit);
        self
    }

    /// Sets the niceness of the workers, from -20 to 19; other values are refused. A lower one than this process has needs
    /// CAP_SYS_NICE.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).niceness(5).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn niceness(mut self, niceness: i32) -> PoolBuilder {
        self.preparation.niceness = Some(niceness);
        self
    }

    /// Spreads the workers over these processors: each worker runs on one of them. A processor that this process may not use is
    /// refused.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(2).processors([0]).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn processors(mut self, processors: impl IntoIterator<Item = usize>) -> PoolBuilder {
        self.processors = Some(processors.into_iter().collect());
        self
    }

    /// Sets whether the workers' standard error passes through this process, which forwards it and keeps the end of it for
    /// [`TaskError::stderr`](crate::TaskError::stderr). The default is `true`.
    ///
    /// Neither the workers nor the pool wait for the reader of this process's standard error. Where that is too slow, output beyond
    /// 256 KiB is dropped, and the number of dropped bytes is written where they are missing.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).capture_stderr(false).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_stderr(mut self, capture: bool) -> PoolBuilder {
        self.captures_stderr = capture;
        self
    }

    /// Has agents on other hosts start the workers, and this host as well if the set says so. The crate `procession-hosts` makes such sets:
    /// `Hosts::ssh(["node1", "node2:16"])`.
    ///
    /// The number of [`workers`](PoolBuilder::workers) is that of all hosts then, at most; without it each host has one for each of its
    /// processors. Building the pool waits until the first worker is ready, and is an error if no host can be used.
    ///
    /// ```
    /// use procession_pool::{Pool, hosts::HostSet};
    ///
    /// # procession_pool::init();
    /// // No other host, and two workers on this one.
    /// let hosts =
    ///     HostSet { launchers: Vec::new(), local_workers: 2, lease: None, rejoin: true, error: None, keep: None };
    /// let pool = Pool::builder().hosts(hosts).build()?;
    /// assert_eq!(pool.workers(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hosts(mut self, hosts: impl Into<HostSet>) -> PoolBuilder {
        self.hosts = Some(hosts.into());
        self
    }

    /// Starts the workers. With an initializer or a state, waits until one worker has completed them.
    ///
    /// # Errors
    ///
    /// [`PoolError`] with a text that says which of these it is; no worker is left behind:
    ///
    /// - An option cannot be kept: no workers, more at the least than at the most, a limit of zero, a niceness or a processor that does not exist.
    /// - No worker can be started (see [`SpawnError`](procession_process::SpawnError)).
    /// - The initializer, or the function that makes the state, failed ([`PoolError::is_initializer`]) or took [too
    ///   long](PoolBuilder::start_timeout).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().build()?;
    /// assert_eq!(pool.workers(), procession_process::cpu_count());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Pool, PoolError> {
        let PoolBuilder { method, preparation, captures_stderr, processors, chunk_size, .. } = self;
        if let Some(error) = self.first_error {
            return Err(error);
        }
        let hosts = self.hosts.or_else(|| default_hosts(self.workers.unwrap_or_else(cpu_count)));
        let max_workers = self.workers.unwrap_or_else(|| hosts.as_ref().map_or_else(cpu_count, workers_of));
        check_hosts(hosts.as_ref(), &preparation)?;
        check_workers(self.min_workers, max_workers)?;
        check_limits(&self.limits)?;
        check_placement(&preparation, processors.as_deref())?;
        // Only a pool that lets idle workers leave has fewer than its maximum.
        let is_elastic = self.limits.idle_timeout.is_some();
        let min_workers = if is_elastic { self.min_workers.unwrap_or(1) } else { max_workers };
        // A finalizer takes as long as it needs.
        let exit_timeout = self.limits.exit_timeout.filter(|_| preparation.finalizer.is_none());
        let grows_with_hosts = self.workers.is_none();
        let limits = PoolLimits { min_workers, max_workers, exit_timeout, grows_with_hosts, ..self.limits };
        let processors = processors.unwrap_or_default();
        let factory = WorkerFactory { method, preparation, captures_stderr, processors };
        Pool::start(factory, hosts, limits, chunk_size)
    }
}

fn call<A, R>(function: fn(A) -> R, argument: &A) -> Result<Call, PoolError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize,
{
    let argument = codec::encode(argument).map_err(PoolErrorKind::InitializerArgument)?;
    let function = Function::of(function).map_err(PoolErrorKind::InitializerName)?;
    Ok(Call { function, argument })
}
