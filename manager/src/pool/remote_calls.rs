//! The calls of a [`RemotePool`]: `apply`, `map` and `imap`, by name.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PoolProxyError;
use super::imap::{PoolImap, PoolImapUnordered};
use super::pending::PoolPending;
use super::remote_pool::RemotePool;

impl RemotePool {
    /// Applies a task to one item in a worker, and waits for the result.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`](crate::CallError::Unknown) when the registry has no such task,
    /// [`CallError::WrongType`](crate::CallError::WrongType) when it has other types; otherwise see [`PoolProxyError`].
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// assert_eq!(pool.apply::<u64, u64>("square", 7)?, 49);
    /// assert!(pool.apply::<u64, u64>("cube", 7).is_err());
    /// assert!(pool.apply::<u8, u64>("square", 7).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<A, R>(&self, task: &str, item: A) -> Result<R, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.apply_async(task, item)?.wait()
    }

    /// As [`apply`](RemotePool::apply), and waits for so long at the most. The task is not stopped when the time is over.
    ///
    /// # Errors
    ///
    /// As [`apply`](RemotePool::apply), and [`PoolProxyError::is_timeout`].
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// let long = std::time::Duration::from_secs(60);
    /// assert_eq!(pool.apply_timeout::<u64, u64>("square", 7, long)?, 49);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_timeout<A, R>(&self, task: &str, item: A, timeout: Duration) -> Result<R, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.apply_async(task, item)?.wait_timeout(timeout)
    }

    /// Applies a task to one item in a worker, and goes on.
    ///
    /// # Errors
    ///
    /// As [`apply`](RemotePool::apply). What happens to the task is told by the [`PoolPending`].
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// let (three, four) = (pool.apply_async::<u64, u64>("square", 3)?, pool.apply_async::<u64, u64>("square", 4)?);
    /// assert_eq!(three.wait()? + four.wait()?, 25);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_async<A, R>(&self, task: &str, item: A) -> Result<PoolPending<R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        Ok(self.send_one(task, item)?)
    }

    /// Applies a task to all items, in all workers, and waits for the results, which come in the order of the items. The first
    /// error ends it.
    ///
    /// # Errors
    ///
    /// As [`apply`](RemotePool::apply).
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// assert_eq!(pool.map::<u64, u64>("square", [3, 4])?, [9, 16]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<A, R>(&self, task: &str, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.map_async(task, items)?.wait()
    }

    /// As [`map`](RemotePool::map), and waits for so long at the most. The tasks are not stopped when the time is over.
    ///
    /// # Errors
    ///
    /// As [`map`](RemotePool::map), and [`PoolProxyError::is_timeout`].
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// let long = std::time::Duration::from_secs(60);
    /// assert_eq!(pool.map_timeout::<u64, u64>("square", [3, 4], long)?, [9, 16]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_timeout<A, R>(
        &self,
        task: &str,
        items: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> Result<Vec<R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.map_async(task, items)?.wait_timeout(timeout)
    }

    /// Applies a task to all items, and goes on.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](RemotePool::apply_async).
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// let squares = pool.map_async::<u64, u64>("square", 0..3)?;
    /// assert_eq!(squares.wait()?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async<A, R>(
        &self,
        task: &str,
        items: impl IntoIterator<Item = A>,
    ) -> Result<PoolPending<Vec<R>>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.map_in_chunks(task, items, None)
    }

    /// As [`map_async`](RemotePool::map_async), in chunks of so many items, where `None` leaves it to the pool.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](RemotePool::apply_async).
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// let squares = pool.map_in_chunks::<u64, u64>("square", 0..3, std::num::NonZeroUsize::new(1))?;
    /// assert_eq!(squares.wait()?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_in_chunks<A, R>(
        &self,
        task: &str,
        items: impl IntoIterator<Item = A>,
        chunk: Option<NonZeroUsize>,
    ) -> Result<PoolPending<Vec<R>>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        Ok(self.send_many(task, (items.into_iter().collect(), chunk))?)
    }

    /// Applies a task to the items one by one, lazily, and brings each result in the order of the items.
    ///
    /// # Errors
    ///
    /// The manager is gone. What is wrong with the name or the types is told by the results.
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// let squares: Result<Vec<u64>, _> = pool.imap("square", 0_u64..)?.take(4).collect();
    /// assert_eq!(squares?, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<A, R, I>(&self, task: &str, items: I) -> Result<PoolImap<I::IntoIter, A, R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = A>,
    {
        PoolImap::far(self, task, items.into_iter())
    }

    /// As [`imap`](RemotePool::imap), and brings each result as soon as it is there, with the place of its item.
    ///
    /// # Errors
    ///
    /// As [`imap`](RemotePool::imap).
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let pool = remote.pool("numbers", 2_usize)?;
    /// for (place, square) in pool.imap_unordered("square", 0_u64..10)? {
    ///     let square: u64 = square?;
    ///     assert_eq!(square, place * place);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<A, R, I>(
        &self,
        task: &str,
        items: I,
    ) -> Result<PoolImapUnordered<I::IntoIter, A, R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = A>,
    {
        PoolImapUnordered::far(self, task, items.into_iter())
    }
}
