//! [`RemotePool`]: a pool in a manager of another program.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use procession_core::Method;
use procession_pool::PoolBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::{self, Apply, Many, Map, One, Open, Outcome};
use super::error::PoolProxyError;
use super::hosted::Hosted;
use super::imap::{PoolImap, PoolImapUnordered};
use super::managed_job::ManagedJob;
use super::managed_pool::{ManagedPool, names};
use super::methods::pool_methods;
use super::pending::PoolPending;
use crate::remote::registry::Registry;
use crate::remote::remote_manager::RemoteManager;
use crate::remote::remote_proxy::RemoteProxy;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A pool of worker processes in a manager of another program, which may run on another machine.
///
/// Its tasks are called by the names that they have in the [`Registry`](crate::Registry) of both programs; they run in workers of the program that
/// serves. Otherwise it is as a [`PoolProxy`](super::PoolProxy).
///
/// ```
/// use procession_manager::{Address, Manager, Registry};
/// use procession_pool::Pool;
///
/// fn registry() -> Registry {
///     Registry::new()
///         .pool("squares", |workers: usize| Pool::builder().workers(workers))
///         .task("squares", "square", |n: u64| n * n)
/// }
///
/// # procession_manager::init();
/// // In one program:
/// let manager = Manager::start()?;
/// let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>()?, b"secret")?;
///
/// // In another one:
/// let remote = Manager::connect(&registry(), address, b"secret")?;
/// let pool = remote.pool("squares", 2_usize)?;
/// assert_eq!(pool.map::<u64, u64>("square", 0..4)?, [0, 1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    /// # use procession_manager::{Address, Manager, Registry}; use procession_pool::Pool;
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    ///     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// assert_eq!(remote.pool("numbers", 1_usize)?.apply::<u64, u64>("square", 7)?, 49);
    /// assert!(remote.pool("numbers", 0_usize).unwrap_err().to_string().contains("at least one worker"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool<A>(&self, pool: &str, argument: A) -> Result<RemotePool, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
    {
        RemotePool::obtain(self, RequestKind::Make, pool, &argument)
    }

    /// Returns the pool that all clients share under the name of its kind. It is made, out of `argument`, for the first that asks for it,
    /// and lives as long as the manager.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Start`] or [`PoolProxyError::Call`], as for [`pool`](RemoteManager::pool).
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry}; use procession_pool::Pool;
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    ///     .task("numbers", "worker", |(): ()| std::process::id());
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let (one, same) = (remote.open_pool("numbers", 1_usize)?, remote.open_pool("numbers", 1_usize)?);
    /// assert_eq!(one.apply::<(), u32>("worker", ())?, same.apply::<(), u32>("worker", ())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_pool<A>(&self, pool: &str, argument: A) -> Result<RemotePool, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
    {
        RemotePool::obtain(self, RequestKind::Open, pool, &argument)
    }
}

impl RemotePool {
    /// Returns a task, by its name in the registry, as a job of the pool.
    ///
    /// ```
    /// # use procession_manager::{Address, ManagedJob, Manager, Registry}; use procession_pool::Pool;
    /// # procession_manager::init();
    /// # let registry = Registry::new()
    /// #     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    /// #     .task("numbers", "square", |n: u64| n * n);
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let square: ManagedJob<u64, u64> = remote.pool("numbers", 2_usize)?.job("square");
    /// assert_eq!((square.apply(7)?, square.map([3, 4])?), (49, vec![9, 16]));
    /// let last = square.apply_async(5)?;
    /// assert_eq!(square.imap(0..)?.take(3).collect::<Result<Vec<u64>, _>>()?, [0, 1, 4]);
    /// assert_eq!(last.wait()?, 25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn job<A, R>(&self, task: &str) -> ManagedJob<A, R> {
        ManagedJob::of_name(&self.proxy, task)
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
        // Also for a pool that is shared and may be there: `Hosted::make` leaves it as it is.
        proxy.send::<A, Result<(), String>>(names::OPEN, argument)?.wait()?.map_err(PoolProxyError::Start)?;
        Ok(RemotePool { proxy })
    }

    fn managed(&self) -> ManagedPool {
        ManagedPool::Remote(self.proxy.clone())
    }
}

pool_methods!(
    RemotePool,
    task: &str,
    r##"# use procession_manager::{Address, Manager, Registry};
# use procession_pool::Pool;
# procession_manager::init();
# let registry = Registry::new()
#     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
#     .task("numbers", "square", |n: u64| n * n);
# let manager = Manager::start()?;
# let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
# let remote = Manager::connect(&registry, address, b"secret")?;
let pool = remote.pool("numbers", 2_usize)?;"##,
    r#""square""#
);

impl Registry {
    /// Adds a kind of pool, by the function that describes one, for [`RemoteManager::pool`](crate::RemoteManager::pool) and
    /// [`RemoteManager::open_pool`](crate::RemoteManager::open_pool).
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// let registry = procession_manager::Registry::new().pool("numbers", |(): ()| Pool::builder().workers(4));
    /// # drop(registry);
    /// ```
    pub fn pool<A>(self, pool: &str, describe: fn(A) -> PoolBuilder) -> Registry
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        // The constructor ignores the argument. It takes one, because the client sends the same in both steps.
        self.object(pool, |_: A| Hosted::default())
            .given::<Hosted, A, Result<(), String>>(
                pool,
                names::OPEN,
                Method::apply_on::<Open<A>, Hosted, _, _>(describe),
            )
            .method(pool, names::CANCEL, Hosted::cancel)
            .reader(pool, names::WORKERS, apply_on::workers)
            .method(pool, names::CLOSE, apply_on::close)
            .reader(pool, names::TERMINATE, apply_on::terminate)
            .method(pool, names::JOIN, apply_on::join_for)
    }

    /// Adds a function that the workers of a pool can apply.
    ///
    /// ```
    /// use procession_pool::Pool;
    ///
    /// let registry = procession_manager::Registry::new()
    ///     .pool("numbers", |workers: usize| Pool::builder().workers(workers))
    ///     .task("numbers", "square", |n: u64| n * n);
    /// # drop(registry);
    /// ```
    pub fn task<A, R>(self, pool: &str, name: &str, function: fn(A) -> R) -> Registry
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        let (one, many) =
            (Method::apply_on::<Apply, Hosted, _, _>(function), Method::apply_on::<Map, Hosted, _, _>(function));
        self.given::<Hosted, One<A>, Outcome<R>>(pool, name, one).given::<Hosted, Many<A>, Outcome<Vec<R>>>(
            pool,
            &names::map(name),
            many,
        )
    }
}

impl fmt::Debug for RemotePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemotePool").field(&self.proxy).finish()
    }
}
