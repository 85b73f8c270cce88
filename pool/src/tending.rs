//! How a pool tends its workers: when it replaces them, where they run, and what becomes of what they write.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::PoolBuilder;

impl PoolBuilder {
    /// The fewest workers that are kept when there is little to do; see [`idle_timeout`](PoolBuilder::idle_timeout). At least 1, and
    /// not more than there are at the most.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(4).min_workers(1).idle_timeout(Duration::from_secs(1)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn min_workers(mut self, count: usize) -> PoolBuilder {
        self.least = Some(count);
        self
    }

    /// Workers are started as they are needed, and leave when they have had nothing to do for so long; at least
    /// [`min_workers`](PoolBuilder::min_workers) of them, or one, stay.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(4).idle_timeout(Duration::from_secs(1)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> PoolBuilder {
        self.staffing.idle_timeout = Some(timeout);
        self
    }

    /// Replaces a worker that has run so many tasks, whatever the size of the chunks in which they came. None runs more of them.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::num::NonZeroU64;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).max_tasks_per_worker(NonZeroU64::new(2).unwrap()).build()?;
    /// let pids = pool.map(|_: u8| std::process::id(), 0..6)?;
    /// assert!(pids.iter().all(|pid| pids.iter().filter(|other| *other == pid).count() <= 2));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "maxtasksperchild")]
    #[doc(alias = "max_tasks_per_child")]
    pub fn max_tasks_per_worker(mut self, count: NonZeroU64) -> PoolBuilder {
        self.staffing.max_tasks = Some(count.get());
        self
    }

    /// Replaces a worker that is so old, when it is used next.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).max_age(Duration::from_secs(3600)).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_age(mut self, age: Duration) -> PoolBuilder {
        self.staffing.max_age = Some(age);
        self
    }

    /// Replaces a worker that takes up more memory than this, in bytes, when it has taken its task to an end.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).max_memory_per_worker(1 << 30).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "max_memory_per_child")]
    pub fn max_memory_per_worker(mut self, bytes: u64) -> PoolBuilder {
        self.staffing.max_memory = Some(bytes);
        self
    }

    /// How long a worker may take, from the start of its process, until its [initializer](PoolBuilder::initializer) and its
    /// [state](PoolBuilder::state) are done. Without this there is no limit, and one that hangs has [`build`](PoolBuilder::build)
    /// wait for ever.
    ///
    /// Where no worker was ever ready, `build` fails then. Later, the worker is killed, and another one is started.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() {
    /// # procession_pool::init();
    /// let hangs = |()| std::thread::sleep(Duration::from_secs(3600));
    /// let builder = Pool::builder().workers(1).initializer(hangs, ()).start_timeout(Duration::from_millis(200));
    /// assert!(builder.build().unwrap_err().to_string().contains("was not ready within 200ms"));
    /// # }
    /// ```
    pub fn start_timeout(mut self, limit: Duration) -> PoolBuilder {
        self.staffing.start_timeout = Some(limit);
        self
    }

    /// How much the workers yield to other processes, from -20 to 19; anything else is refused. Less than this process needs a
    /// privilege.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).niceness(5).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn niceness(mut self, niceness: i32) -> PoolBuilder {
        self.preparation.niceness = Some(niceness);
        self
    }

    /// Spreads the workers over these processors: each runs on one of them and nowhere else. One that this process may not
    /// use is refused.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(2).processors([0]).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn processors(mut self, processors: impl IntoIterator<Item = usize>) -> PoolBuilder {
        self.processors = Some(processors.into_iter().collect());
        self
    }

    /// Whether what the workers write to their standard error passes through this process, which passes it on and keeps the end
    /// of it for [`TaskError::stderr`](crate::TaskError::stderr). Without this it does.
    ///
    /// Neither the workers nor the pool wait for whoever reads this process's standard error. Where that is too slow, what workers
    /// write is dropped beyond 256 KiB, and how much that was is written where it is missing.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::builder().workers(1).capture_stderr(false).build()?;
    /// assert_eq!(pool.map(|n: u8| n + 1, [1])?, [2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn capture_stderr(mut self, capture: bool) -> PoolBuilder {
        self.keeps_stderr = capture;
        self
    }
}
