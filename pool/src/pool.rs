//! [`Pool`]: worker processes that apply functions to items.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;

use crate::member::Recruiter;
use crate::pool_error::Kind;
use crate::relay;
use crate::scheduler::Event;
use crate::shared::Shared;
use crate::terms::Staffing;
use crate::{PoolBuilder, PoolError, Stats};

/// How long a dropped pool waits at the longest for workers that the kernel does not let go of.
const LAST_WAIT: Duration = Duration::from_secs(20);
/// How long an ended pool waits at the longest until what its workers wrote to their standard error was passed on.
const LAST_WORDS: Duration = Duration::from_millis(500);

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
/// A pool can be used from several threads at once; their jobs take turns. See the [crate's documentation](crate) for the whole
/// picture.
///
/// # Dropping
///
/// Dropping a pool ends it: what runs is killed, what waits is dropped, idle workers leave. It waits until all workers are gone, which
/// takes a moment and not more. Results that have come stay in their [`AsyncResult`](crate::AsyncResult)s; those that have not are
/// errors for which [`is_refused`](crate::TaskError::is_refused) holds. Whoever wants them calls [`join`](Pool::join) before.
///
/// # What keeps what
///
/// | | is kept by |
/// | --- | --- |
/// | an open pool | its `Pool` |
/// | a pool that was closed | tasks that were handed over and have not ended; calls that a thread is in; iterators of `imap` |
/// | a pool that is joined | tasks that were handed over and have not ended; calls that a thread is in |
/// | a pool that was terminated or dropped | nothing |
/// | a job of `apply_async`, `map_async` | its tasks, until the last has ended; *not* its handle |
/// | a job of `imap` | its iterator, which hands over tasks as it is asked for results |
/// | a result | its handle, whatever became of the pool |
/// | a worker | its pool; and the process of its pool, with which it ends however that ends |
/// | the pool's process | *not* its pools: at the end of `main`, in `exit` and in a panic their workers are ended |
///
/// # Differences from Python's `Pool`
///
/// A worker that dies costs the item that it was working on, which becomes an error; the rest goes on. `map` ends with the first error
/// at once. `imap` reads its input lazily. `terminate` and `join` do not hang.
#[doc(alias = "multiprocessing.Pool")]
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    shared: Arc<Shared>,
    /// The most that it keeps.
    workers: AtomicUsize,
    chunk_size: Option<NonZeroUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Pool {
    /// Starts a pool of so many workers.
    ///
    /// # Errors
    ///
    /// `workers` is 0, or a worker cannot be started; see [`PoolBuilder::build`].
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.workers(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(workers: usize) -> Result<Pool, PoolError> {
        Pool::builder().workers(workers).build()
    }

    /// Describes a pool before it is started.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).build()?;
    /// # drop(pool);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    /// How many workers the pool keeps.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(2)?.workers(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.load(Ordering::Relaxed)
    }

    /// Keeps so many workers from now on. Those that are too many leave when they have done what they have begun.
    ///
    /// # Errors
    ///
    /// `workers` is 0.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// pool.resize(3)?;
    /// assert_eq!(pool.workers(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resize(&self, workers: usize) -> Result<(), PoolError> {
        let workers = NonZeroUsize::new(workers).ok_or(Kind::NoWorkers)?.get();
        if !self.shared.is_ours() {
            return Err(Kind::Forked.into());
        }
        self.workers.store(workers, Ordering::Relaxed);
        self.shared.command(Event::Resize { workers });
        Ok(())
    }

    /// What the pool is doing, and has done. A copy of its process (`fork`) is told of nothing.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2);
    /// assert_eq!(pool.stats().done, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Takes no new jobs from now on. Those that have begun go on to their end, then the workers leave.
    ///
    /// The items of a job that comes later are errors that say so. A job has come to its end when its last task has, whether anybody
    /// has asked for the results or not; one of [`imap`](Pool::imap) goes on while there is its iterator.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let begun = pool.imap(|n: u8| n + 1, 0..3);
    /// pool.close();
    /// assert_eq!(begun.collect::<Result<Vec<_>, _>>()?, [1, 2, 3]);
    /// assert!(pool.map(|n: u8| n, [1]).is_err());
    /// pool.join();
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.shared.command(Event::Close);
    }

    /// Ends the pool now: kills the workers, and makes every task that has not ended an error. It does not wait.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// pool.terminate();
    /// assert!(pool.map(|n: u8| n, [1]).unwrap_err().is_refused());
    /// pool.join();
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "shutdown")]
    #[doc(alias = "terminate_workers")]
    #[doc(alias = "kill_workers")]
    pub fn terminate(&self) {
        if self.shared.is_ours() {
            self.shared.status.set_terminated();
            self.shared.command(Event::Terminate);
        }
    }

    /// Closes the pool, and waits until what was handed over has come to its end and all workers have left.
    ///
    /// It does not depend on readers: results stay in their handles, and can be asked for afterwards. An iterator of
    /// [`imap`](Pool::imap) hands over tasks when it is asked for results, so read it to its end before; what it hands over after the
    /// join is [refused](crate::TaskError::is_refused).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let squares = pool.map_async(|n: u64| n * n, 0..4);
    /// pool.join();
    /// assert_eq!(squares.get()?, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(&self) {
        self.join_until(None);
    }

    /// As [`join`](Pool::join), waiting for `timeout` at the longest. Answers whether the pool has ended.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert!(pool.join_timeout(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "join")]
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.join_until(deadline_after(timeout))
    }

    /// What became of the [finalizers](PoolBuilder::finalizer) that panicked or were cut off, as far as is known by now: of all when the
    /// pool was joined. Of very many, the first ones.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).finalizer(|_: u8| panic!("not yet"), 1).build()?;
    /// pool.join();
    /// assert_eq!(pool.finalizer_errors()[0].panic().unwrap().message(), "not yet");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn finalizer_errors(&self) -> Vec<PoolError> {
        if self.shared.is_ours() { self.shared.status.farewells() } else { Vec::new() }
    }

    pub(crate) fn start(
        recruiter: Recruiter,
        staffing: Staffing,
        chunk_size: Option<NonZeroUsize>,
    ) -> Result<Pool, PoolError> {
        let has_preparation = recruiter.preparation.is_some() || staffing.start_timeout.is_some();
        let shared = Arc::new(Shared::new(recruiter, staffing)?);
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("procession-pool".to_owned()).spawn(move || theirs.serve());
        let thread = thread.map_err(PoolError::system("start its thread"))?;
        let pool =
            Pool { shared, workers: AtomicUsize::new(staffing.most), chunk_size, thread: Mutex::new(Some(thread)) };
        if has_preparation {
            pool.shared.status.wait_ready()?;
        }
        Ok(pool)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn chunk_size(&self) -> Option<NonZeroUsize> {
        self.chunk_size
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
        let has_ended = self.shared.status.wait_ended(deadline);
        if has_ended {
            self.join_thread();
        }
        has_ended
    }

    fn join_thread(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Its panic is a defect that every task has been told of.
            let _defect = thread.join();
            relay::settle(LAST_WORDS);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.shared.is_ours() {
            // All of it is its original's, the thread included, and so it stays.
            let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner);
            return std::mem::forget(thread.take());
        }
        self.shared.command(Event::Drop);
        self.wait_until(deadline_after(LAST_WAIT));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pool { shared, workers, chunk_size, thread: _ } = self;
        let mut pool = f.debug_struct("Pool");
        pool.field("workers", workers).field("chunk_size", chunk_size).field("broken", &shared.status.broken()).finish()
    }
}
