//! [`Pool`]: worker processes that apply functions to items.

use std::any::Any;
use std::fmt;
use std::mem;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use procession_core::os::mutex;
use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::async_result::AsyncResult;
use super::imap::{Imap, ImapUnordered};
use super::job::Job;
use crate::caller::job_spec::{JobSpec, plain, with_context};
use crate::dispatcher::handoff::Shared;
use crate::dispatcher::stderr_forwarder;
use crate::local::functions::TaskFn;
use crate::local::worker_handle::WorkerFactory;
use crate::model::failure_info::FailureKind;
use crate::model::options::{JobOptions, PoolLimits};
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::model::stats::Stats;
use crate::model::task_error::TaskError;
use crate::model::tuning::{DROP_TIMEOUT, STDERR_FLUSH_TIMEOUT};
use crate::remote::launcher::HostSet;
use crate::scheduler::event::Event;

/// Worker processes that apply functions to items.
///
/// ```
/// use procession_pool::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_pool::init();
///     let pool = Pool::new(2)?;
///     assert_eq!(pool.map(|n: u64| n * n, 0..5)?, [0, 1, 4, 9, 16]);
///     Ok(())
/// }
/// ```
///
/// Several threads can use a pool at once; their jobs take turns. The [crate's documentation](crate) has the whole picture.
///
/// # Dropping
///
/// Dropping a pool ends it: running tasks are killed, waiting ones are dropped, idle workers leave. It waits until all workers are
/// gone, which takes a moment; a worker that the kernel does not let go of is left after 20 seconds. Results that have arrived stay in
/// their [`AsyncResult`]s. The others are errors for which [`is_refused`](TaskError::is_refused) holds. Call [`join`](Pool::join)
/// before to have them all.
///
/// # What keeps what
///
/// | | is kept by |
/// | --- | --- |
/// | an open pool | its `Pool` |
/// | a pool that was closed | submitted tasks that have not ended; calls that a thread is in; iterators of `imap` |
/// | a pool that is joined | submitted tasks that have not ended; calls that a thread is in |
/// | a pool that was terminated or dropped | nothing |
/// | a job of `apply_async`, `map_async` | its tasks, until the last has ended; *not* its handle |
/// | a job of `imap` | its iterator, which submits tasks as it is asked for results |
/// | a result | its handle, also after the pool's end |
/// | a worker | its pool; and the process of its pool, with which it ends however that ends |
/// | the pool's process | *not* its pools: at the end of `main`, in `exit` and in a panic their workers are ended |
///
/// # Differences from Python's `Pool`
///
/// A worker that dies loses the item that it was working on, which becomes an error; the rest goes on. `map` ends with the first error
/// at once. `imap` reads its input lazily. `terminate` and `join` do not hang.
#[doc(alias = "multiprocessing.Pool")]
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    shared: Arc<Shared>,
    chunk_size: Option<NonZeroUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Pool {
    /// Returns the number of workers that the pool keeps.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(2)?.workers(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.status.workers()
    }

    /// Sets the number of workers. Those that are too many leave when they have completed what they have started.
    ///
    /// # Errors
    ///
    /// [`PoolError`]: `workers` is 0, or this process is a copy (`fork`) of the pool's owner.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// pool.resize(3)?;
    /// assert_eq!(pool.workers(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resize(&self, workers: usize) -> Result<(), PoolError> {
        let workers = NonZeroUsize::new(workers).ok_or(PoolErrorKind::NoWorkers)?.get();
        if !self.shared.is_ours() {
            return Err(PoolErrorKind::Forked.into());
        }
        self.shared.status.set_workers(workers);
        self.shared.command(Event::Resize { workers });
        Ok(())
    }

    /// Returns a snapshot of the pool's tasks and workers. It is empty in a copy (`fork`) of the pool's process.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2);
    /// assert_eq!(pool.stats().done, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Refuses new jobs from now on. Those that have begun go on to their end, then the workers leave.
    ///
    /// The items of a later job are errors that say so. A job ends with its last task, whether the results were asked for or not; a
    /// job of [`imap`](Pool::imap) goes on as long as its iterator.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let begun = pool.imap(|n: u8| n + 1, 0..3);
    /// pool.close();
    /// assert_eq!(begun.collect::<Result<Vec<_>, _>>()?, [1, 2, 3]);
    /// assert!(pool.map(|n: u8| n, [1]).is_err());
    /// pool.join();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.shared.command(Event::Close);
    }

    /// Ends the pool now: kills the workers, and makes every task that has not ended an error. Does not wait.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// pool.terminate();
    /// assert!(pool.map(|n: u8| n, [1]).unwrap_err().is_refused());
    /// pool.join();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "shutdown")]
    #[doc(alias = "terminate_workers")]
    #[doc(alias = "kill_workers")]
    pub fn terminate(&self) {
        if self.shared.is_ours() {
            // Before the command, because the tasks that end by it name this reason.
            self.shared.status.set_terminated();
            self.shared.command(Event::Terminate);
        }
    }

    /// Closes the pool, and waits until all submitted tasks have ended and all workers have left.
    ///
    /// It does not depend on readers: results stay in their handles, and can be asked for afterwards. An iterator of
    /// [`imap`](Pool::imap) submits tasks when it is asked for results, so read it to its end before. The tasks that it submits after the
    /// join are [refused](TaskError::is_refused).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.map_async(|n: u64| n * n, 0..4);
    /// pool.join();
    /// assert_eq!(squares.get()?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) {
        self.join_until(None);
    }

    /// Closes the pool, and waits as [`join`](Pool::join) does, up to `timeout`. Returns whether the pool has ended.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert!(pool.join_timeout(Duration::from_secs(60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "join")]
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.join_until(deadline_after(timeout))
    }

    /// Returns the errors of [finalizers](crate::PoolBuilder::finalizer) that panicked or were cut off, and of
    /// [states](crate::PoolBuilder::local_state) whose `Drop` panicked or ended the worker, as far as known: all of them once the pool was
    /// joined, up to 64.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).finalizer(|_: u8| panic!("not yet"), 1).build()?;
    /// pool.join();
    /// assert_eq!(pool.finalizer_errors()[0].panic().unwrap().message(), "not yet");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn finalizer_errors(&self) -> Vec<PoolError> {
        if self.shared.is_ours() { self.shared.status.finalizer_errors() } else { Vec::new() }
    }

    pub(super) fn start(
        factory: WorkerFactory,
        hosts: Option<HostSet>,
        limits: PoolLimits,
        chunk_size: Option<NonZeroUsize>,
    ) -> Result<Pool, PoolError> {
        // Whether a host can be used shows when its agent has been launched.
        let may_fail = factory.preparation.is_some() || limits.start_timeout.is_some() || hosts.is_some();
        let shared = Arc::new(Shared::new(factory, hosts, limits)?);
        let for_thread = shared.clone();
        let thread = thread::Builder::new().name("procession-pool".to_owned()).spawn(move || for_thread.run_thread());
        let thread = Mutex::new(Some(thread.map_err(PoolError::system("start its thread"))?));
        let pool = Pool { shared, chunk_size, thread };
        // Without a preparation the first worker cannot fail for a reason that the caller could mend.
        if may_fail {
            pool.shared.status.wait_ready()?;
        }
        Ok(pool)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn spec(&self, function: Result<TaskFn, FailureKind>) -> JobSpec<'_> {
        let options = JobOptions { chunk_size: self.chunk_size, ..JobOptions::default() };
        JobSpec { shared: &self.shared, workers: self.workers(), function, options }
    }

    fn join_until(&self, deadline: Option<Instant>) -> bool {
        if !self.shared.is_ours() {
            // A copy has no workers that it could wait for.
            return true;
        }
        self.shared.command(Event::Join);
        self.wait_until(deadline)
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        if self.shared.is_own_thread() {
            // A waker that it calls ends the pool, or drops it.
            self.shared.drive_own(|| self.shared.status.has_ended(), deadline);
            return self.shared.status.has_ended();
        }
        let has_ended = self.shared.status.wait_ended(deadline);
        if has_ended {
            // Of several threads that wait for the end, the first joins it, without the lock.
            let thread = mutex::lock(&self.thread).take();
            if let Some(thread) = thread {
                // Its panic is a defect that every task has reported.
                let _defect = thread.join();
                stderr_forwarder::flush(STDERR_FLUSH_TIMEOUT);
            }
        }
        has_ended
    }
}

/// Calls.
impl Pool {
    /// Applies a function to each item, and returns the results in the order of the items.
    ///
    /// The function is a plain one, a generic one, a method path, or a closure that captures nothing; several arguments are a tuple.
    /// The items are read on the calling thread, and not far ahead of the workers.
    ///
    /// # Errors
    ///
    /// The first [`TaskError`] that arrives, at once; tasks that have not started are cancelled. To have every result and every error,
    /// use [`imap`](Pool::imap).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let words = ["salve", "ave"].map(str::to_owned);
    /// assert_eq!(pool.map(|word: String| word.len(), words)?, [5, 3]);
    /// assert_eq!(pool.map(|(base, exponent): (u64, u32)| base.pow(exponent), [(2, 10), (3, 4)])?, [1024, 81]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "starmap")]
    pub fn map<A, R>(&self, function: fn(A) -> R, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).map(items)
    }

    /// Applies a function to each item, lazily, and yields the results in the order of the items.
    ///
    /// Items are read when results are asked for, on the asking thread, so the input need not be finite, nor `'static`, nor
    /// `Send`. How far it is read ahead adapts to how long the items take: a few items for each worker where they take long, some
    /// thousands where they are short, and never more than 64 MiB of arguments and results beyond one item for each worker.
    ///
    /// Each item yields one `Result`, and errors do not end the iteration. With `?` or a `collect` into a `Result` it ends at the first
    /// error.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let halves = pool.imap(|n: u32| if n % 2 == 0 { n / 2 } else { panic!("{n} is odd") }, [6, 7, 8]);
    /// assert_eq!(halves.len(), 3);
    /// let halves: Vec<Option<u32>> = halves.map(Result::ok).collect();
    /// assert_eq!(halves, [Some(3), None, Some(4)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap<A, R, I>(&self, function: fn(A) -> R, items: I) -> Imap<'_, I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.job(function).imap(items)
    }

    /// Applies a function to each item as [`imap`](Pool::imap) does, and yields each result as soon as it arrives.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let mut squares: Vec<u64> = pool.imap_unordered(|n: u64| n * n, 0..4).collect::<Result<_, _>>()?;
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "as_completed")]
    pub fn imap_unordered<A, R, I>(&self, function: fn(A) -> R, items: I) -> ImapUnordered<'_, I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.job(function).imap_unordered(items)
    }

    /// Applies a function to one item, and waits for the result.
    ///
    /// # Errors
    ///
    /// [`TaskError`]: the function panicked, its worker died, or a value could not be sent.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.apply(|(a, b): (u64, u64)| a * b, (6, 7))?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply<A, R>(&self, function: fn(A) -> R, item: A) -> Result<R, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).apply(item)
    }

    /// Applies a function to each item as [`map`](Pool::map) does, with a context that all tasks share: it is sent to each worker once.
    ///
    /// # Errors
    ///
    /// The first [`TaskError`] that arrives, as for [`map`](Pool::map).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let dictionary = vec!["salve".to_owned(), "vale".to_owned()];
    /// let known = pool.map_with(&dictionary, |words, word: String| words.contains(&word), ["vale".to_owned(), "hello".to_owned()])?;
    /// assert_eq!(known, [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_with<C, A, R>(
        &self,
        context: &C,
        function: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError>
    where
        C: Serialize + DeserializeOwned + Any + Send + Sync,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job_with(context, function).map(items)
    }

    /// Returns a call with options: how often a failed task is tried again, how long it may take, and so on.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.job(|n: u64| n * n).retries(3).map(0..4)?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn job<A, R>(&self, function: fn(A) -> R) -> Job<'_, A, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Job::new(self.spec(plain(function)))
    }

    /// Returns a call with options and with a context that all tasks share, as in [`map_with`](Pool::map_with).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.job_with(&10, |base, n: u64| base + n).retries(1).map(0..3)?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn job_with<C, A, R>(&self, context: &C, function: fn(&C, A) -> R) -> Job<'_, A, R>
    where
        C: Serialize + DeserializeOwned + Any + Send + Sync,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Job::new(self.spec(with_context(context, function)))
    }

    /// Submits one task, and returns at once: the [`AsyncResult`] will have its result.
    ///
    /// The function is as for [`map`](Pool::map). An argument that cannot be sent is an error of the result, too.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sum = pool.apply_async(|(a, b): (u32, u32)| a + b, (40, 2));
    /// assert_eq!(sum.get()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "submit")]
    pub fn apply_async<A, R>(&self, function: fn(A) -> R, argument: A) -> AsyncResult<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).apply_async(argument)
    }

    /// Submits a task for each item, and returns at once: the [`AsyncResult`] will have all results, in the order of the items, or the
    /// first error.
    ///
    /// All items are read and encoded before it returns. For many items, [`imap`](Pool::imap) is the better choice.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.map_async(|n: u64| n * n, 0..4);
    /// assert_eq!(squares.get()?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "starmap_async")]
    pub fn map_async<A, R>(&self, function: fn(A) -> R, items: impl IntoIterator<Item = A>) -> AsyncResult<Vec<R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).map_async(items)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.shared.is_ours() {
            // The thread belongs to the original, so its handle is left alone.
            let thread = mutex::ignore_poison(self.thread.get_mut());
            return mem::forget(thread.take());
        }
        self.shared.command(Event::Drop);
        self.wait_until(deadline_after(DROP_TIMEOUT));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Pool { shared, chunk_size, thread: _ }, workers) = (self, self.workers());
        let mut pool = f.debug_struct("Pool");
        pool.field("workers", &workers)
            .field("chunk_size", chunk_size)
            .field("broken", &shared.status.broken())
            .finish()
    }
}
