//! [`Pool`]: worker processes that apply functions to items.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dispatcher::Dispatcher;
use crate::member::Recruiter;
use crate::run::Run;
use crate::shared::{Command, Shared};
use crate::{Imap, ImapUnordered, PoolBuilder, PoolError, TaskError};

/// How long a dropped pool waits at the longest for workers that the kernel does not let go of.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// Worker processes that apply functions to items.
///
/// ```
/// use procession_pool::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_process::init();
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
/// Dropping a pool lets idle workers leave and kills those that are still busy with something that nobody waits for. It waits
/// until all of them are gone, which takes a moment and not more.
///
/// # Differences from Python's `Pool`
///
/// A worker that dies costs the item that it was working on, which becomes an error; the rest goes on. `map` ends with the first error
/// at once. `imap` reads its input lazily. `terminate` and `join` do not hang.
#[doc(alias = "multiprocessing.Pool")]
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    shared: Arc<Shared>,
    workers: NonZeroUsize,
    chunk_size: Option<NonZeroUsize>,
    thread: Option<JoinHandle<()>>,
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
    /// # procession_process::init();
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
    /// # procession_process::init();
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
    /// # procession_process::init();
    /// assert_eq!(Pool::new(2)?.workers(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.get()
    }

    /// Applies a function to each item, and answers the results in the order of the items.
    ///
    /// The function is a plain one, a generic one, a method path, or a closure that captures nothing; several arguments are a tuple.
    /// The items are read on the calling thread, and not far ahead of the workers.
    ///
    /// # Errors
    ///
    /// The first error that comes up, at once; what has not begun is cancelled. To have every result and every error, use
    /// [`imap`](Pool::imap).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let words = ["salve", "ave"].map(str::to_owned);
    /// assert_eq!(pool.map(|word: String| word.len(), words)?, [5, 3]);
    /// assert_eq!(pool.map(|(base, exponent): (u64, u32)| base.pow(exponent), [(2, 10), (3, 4)])?, [1024, 81]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "starmap")]
    pub fn map<A, R>(&self, function: fn(A) -> R, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let mut run = Run::new(self, function, items.into_iter());
        let mut results: Vec<Option<R>> = Vec::with_capacity(run.size_hint().0.min(1 << 20));
        while let Some((index, result)) = run.next_any() {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            if place >= results.len() {
                results.resize_with(place + 1, || None);
            }
            results[place] = Some(result?);
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Applies a function to each item, lazily, and gives the results in the order of the items.
    ///
    /// Items are read when results are asked for, on the asking thread, so the input need not be finite, nor `'static`, nor
    /// `Send`. How far it is read ahead adapts to how long the items take, and is bounded: a few items for each worker where they take
    /// long, some thousands where they are short, and never more than 64 MiB of arguments and results beyond one item for
    /// each worker.
    ///
    /// Each item brings one `Result`, and errors do not end the iteration. With `?` or a `collect` into a `Result` it ends
    /// at the first error.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let halves = pool.imap(|n: u32| if n % 2 == 0 { n / 2 } else { panic!("{n} is odd") }, [6, 7, 8]);
    /// assert_eq!(halves.len(), 3);
    /// let halves: Vec<Option<u32>> = halves.map(Result::ok).collect();
    /// assert_eq!(halves, [Some(3), None, Some(4)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<A, R, I>(&self, function: fn(A) -> R, items: I) -> Imap<'_, I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        Imap::new(Run::new(self, function, items.into_iter()))
    }

    /// As [`imap`](Pool::imap), with each result as soon as it is there.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(2)?;
    /// let mut squares: Vec<u64> = pool.imap_unordered(|n: u64| n * n, 0..4).collect::<Result<_, _>>()?;
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "as_completed")]
    pub fn imap_unordered<A, R, I>(&self, function: fn(A) -> R, items: I) -> ImapUnordered<'_, I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        ImapUnordered::new(Run::new(self, function, items.into_iter()))
    }

    /// Takes no new jobs from now on. Those that have begun go on to their end, then the workers leave.
    ///
    /// The items of a job that comes later are errors that say so.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let mut pool = Pool::new(2)?;
    /// let begun = pool.imap(|n: u8| n + 1, 0..3);
    /// pool.close();
    /// assert_eq!(begun.collect::<Result<Vec<_>, _>>()?, [1, 2, 3]);
    /// assert!(pool.map(|n: u8| n, [1]).is_err());
    /// pool.join();
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.shared.send(Command::Close);
    }

    /// Ends the pool now: kills the workers, and makes every task that has not ended an error. It does not wait.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let mut pool = Pool::new(2)?;
    /// pool.terminate();
    /// assert!(pool.map(|n: u8| n, [1]).unwrap_err().is_refused());
    /// pool.join();
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "shutdown")]
    pub fn terminate(&self) {
        self.shared.set_terminated();
        self.shared.send(Command::Terminate);
    }

    /// Closes the pool, and waits until all its workers have left.
    ///
    /// No job can be under way then, because each borrows the pool.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let mut pool = Pool::new(2)?;
    /// assert_eq!(pool.map(|n: u8| n + 1, 0..3)?, [1, 2, 3]);
    /// pool.join();
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(&mut self) {
        self.close();
        self.shared.wait_ended(None);
        self.join_thread();
    }

    /// As [`join`](Pool::join), waiting for `timeout` at the longest. Answers whether the pool has ended.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let mut pool = Pool::new(2)?;
    /// assert!(pool.join_timeout(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "join")]
    pub fn join_timeout(&mut self, timeout: Duration) -> bool {
        self.close();
        self.join_until(deadline_after(timeout))
    }

    pub(crate) fn start(recruiter: Recruiter, chunk_size: Option<NonZeroUsize>) -> Result<Pool, PoolError> {
        let (workers, has_initializer) = (recruiter.workers, recruiter.initializer.is_some());
        let shared = Arc::new(Shared::new().map_err(PoolError::system("make its wake-up call"))?);
        let dispatcher = Dispatcher::new(shared.clone(), recruiter)?;
        let thread = thread::Builder::new().name("procession-pool".to_owned()).spawn(move || dispatch(dispatcher));
        let thread = thread.map_err(PoolError::system("start its thread"))?;
        let pool = Pool { shared, workers, chunk_size, thread: Some(thread) };
        if has_initializer {
            pool.shared.wait_ready()?;
        }
        Ok(pool)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn chunk_size(&self) -> Option<NonZeroUsize> {
        self.chunk_size
    }

    fn join_until(&mut self, deadline: Option<Instant>) -> bool {
        let has_ended = self.shared.wait_ended(deadline);
        if has_ended {
            self.join_thread();
        }
        has_ended
    }

    fn join_thread(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its panic is a defect that every task has been told of.
            let _defect = thread.join();
        }
    }
}

/// What the pool's own thread does.
fn dispatch(mut dispatcher: Dispatcher) {
    loop {
        match dispatcher.turn() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return dispatcher.fail(error),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
        self.join_until(deadline_after(LAST_PATIENCE));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pool { shared, workers, chunk_size, thread: _ } = self;
        let mut pool = f.debug_struct("Pool");
        pool.field("workers", workers).field("chunk_size", chunk_size).field("broken", &shared.broken()).finish()
    }
}
