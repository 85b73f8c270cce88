//! [`RemotePool`]: a pool in a manager of another program.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::{Many, One, Outcome};
use super::error::PoolProxyError;
use super::host::{PoolRoute, names};
use super::hosted::{Hosted, TaskTicket};
use super::pending::PoolPending;
use crate::remote::{RemoteManager, RemoteProxy};
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A pool of worker processes in a manager of another program, which may run on another machine.
///
/// Its tasks are called by the names that they have in the [`Registry`](crate::Registry) of both programs; they run in workers of the program that
/// serves. Otherwise it is as a [`PoolProxy`](super::PoolProxy).
///
/// ```
/// use procession_channels::Address;
/// use procession_manager::{Manager, Registry};
/// use procession_pool::Pool;
///
/// fn registry() -> Registry {
///     Registry::new()
///         .pool("squares", |workers: usize| Pool::builder().workers(workers))
///         .task("squares", "square", |n: u64| n * n)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// // In one program:
/// let manager = Manager::start()?;
/// let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>()?, b"secret")?;
///
/// // In another one:
/// let remote = Manager::connect(&registry(), address, b"secret")?;
/// let pool = remote.pool("squares", 2_usize)?;
/// assert_eq!(pool.map::<u64, u64>("square", 0..4)?, [0, 1, 4, 9]);
/// # Ok(())
/// # }
/// ```
///
/// Descriptors, and with them locks, queues and proxies, do not cross a network, neither in items nor in results. The pool ends
/// when the last of these is gone, or the connection.
#[derive(Clone)]
pub struct RemotePool {
    proxy: RemoteProxy<Hosted>,
}

impl RemoteManager {
    /// Makes a pool of its own for this process, by the name of its kind.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] when the registry has no such pool, [`CallError::WrongType`] when it is made out of something else;
    /// the pool could not be made, or the manager is gone.
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    ///     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// assert_eq!(remote.pool("numbers", 1_usize)?.apply::<u64, u64>("square", 7)?, 49);
    /// assert!(remote.pool("numbers", 0_usize).unwrap_err().to_string().contains("at least one worker"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool<A>(&self, pool: &str, argument: A) -> Result<RemotePool, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
    {
        RemotePool::obtain(self, RequestKind::Make, pool, &argument)
    }

    /// The pool that all clients share under the name of its kind. It is made, out of `argument`, for the first that asks for it,
    /// and lives as long as the manager.
    ///
    /// # Errors
    ///
    /// As [`pool`](RemoteManager::pool).
    ///
    /// ```
    /// # use procession_channels::Address;
    /// # use procession_manager::{Manager, Registry};
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    ///     .task("numbers", "worker", |(): ()| std::process::id());
    /// # let manager = Manager::start()?;
    /// # let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let (one, same) = (remote.open_pool("numbers", 1_usize)?, remote.open_pool("numbers", 1_usize)?);
    /// assert_eq!(one.apply::<(), u32>("worker", ())?, same.apply::<(), u32>("worker", ())?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_pool<A>(&self, pool: &str, argument: A) -> Result<RemotePool, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
    {
        RemotePool::obtain(self, RequestKind::Open, pool, &argument)
    }
}

impl RemotePool {
    /// How many workers the pool has.
    ///
    /// # Errors
    ///
    /// The manager is gone.
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
    /// assert_eq!(remote.pool("numbers", 2_usize)?.workers()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(&self) -> Result<usize, CallError> {
        self.host().workers()
    }

    /// Lets the tasks that there are come to their end, and takes no more. See [`Pool::close`](procession_pool::Pool::close).
    ///
    /// # Errors
    ///
    /// The manager is gone.
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
    /// let pool = remote.pool("numbers", 1_usize)?;
    /// let last = pool.apply_async::<u64, u64>("square", 3)?;
    /// pool.close()?;
    /// pool.join()?;
    /// assert_eq!(last.wait()?, 9);
    /// assert!(pool.apply::<u64, u64>("square", 3).unwrap_err().task().unwrap().is_refused());
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) -> Result<(), CallError> {
        self.host().close()
    }

    /// Stops all workers now. Tasks that have not ended bring errors. See
    /// [`Pool::terminate`](procession_pool::Pool::terminate).
    ///
    /// # Errors
    ///
    /// The manager is gone.
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
    /// let pool = remote.pool("numbers", 1_usize)?;
    /// pool.terminate()?;
    /// assert!(pool.apply::<u64, u64>("square", 3).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(&self) -> Result<(), CallError> {
        self.host().terminate()
    }

    /// Waits until all workers have left, after [`close`](RemotePool::close) or [`terminate`](RemotePool::terminate). See
    /// [`Pool::join`](procession_pool::Pool::join).
    ///
    /// # Errors
    ///
    /// The manager is gone.
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
    /// let pool = remote.pool("numbers", 1_usize)?;
    /// pool.close()?;
    /// pool.join()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(&self) -> Result<(), CallError> {
        self.host().join()
    }

    /// As [`join`](RemotePool::join), for so long at the most. Answers whether they have left.
    ///
    /// # Errors
    ///
    /// As [`join`](RemotePool::join).
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
    /// let pool = remote.pool("numbers", 1_usize)?;
    /// pool.terminate()?;
    /// assert!(pool.join_timeout(std::time::Duration::from_secs(60))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        self.host().join_timeout(timeout)
    }

    fn obtain<A>(
        remote: &RemoteManager,
        kind: RequestKind,
        pool: &str,
        argument: &A,
    ) -> Result<RemotePool, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
    {
        let proxy = remote.obtain::<A, Hosted>(kind, pool, argument)?;
        proxy.send::<A, Result<(), String>>(names::OPEN, argument)?.wait()?.map_err(PoolProxyError::Start)?;
        Ok(RemotePool { proxy })
    }

    /// Sends one item to a task.
    pub(super) fn send_one<A, R>(&self, task: &str, item: A) -> Result<PoolPending<R>, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let ticket = TaskTicket::next();
        let sent = self.proxy.send::<One<A>, Outcome<R>>(task, &(item, ticket))?;
        Ok(PoolPending::new(sent, ticket, self.host()))
    }

    /// Sends many items to a task.
    pub(super) fn send_many<A, R>(
        &self,
        task: &str,
        (items, chunk): (Vec<A>, Option<NonZeroUsize>),
    ) -> Result<PoolPending<Vec<R>>, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let ticket = TaskTicket::next();
        let sent = self.proxy.send::<Many<A>, Outcome<Vec<R>>>(&names::map(task), &(items, chunk, ticket))?;
        Ok(PoolPending::new(sent, ticket, self.host()))
    }

    fn host(&self) -> PoolRoute {
        PoolRoute::Remote(self.proxy.clone())
    }
}

impl fmt::Debug for RemotePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemotePool").field(&self.proxy).finish()
    }
}
