//! [`PoolProxy`]: what stands for a pool that lives in a manager.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use procession_pool::{Pool, PoolBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::apply_on::Open;
use super::error::PoolProxyError;
use super::hosted::Hosted;
use super::imap::{PoolImap, PoolImapUnordered};
use super::managed_job::ManagedJob;
use super::managed_pool::ManagedPool;
use super::methods::pool_methods;
use super::pending::PoolPending;
use crate::api::manager::Manager;
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A [`Pool`](procession_pool::Pool) that lives in a [`Manager`](crate::Manager): its workers serve every process that has this.
///
/// It can be cloned, used by any thread, and sent in any message to any process of the same program. Functions are plain `fn`s, as
/// everywhere. A call that waits for a task blocks its caller alone: neither the pool nor the manager's other clients.
///
/// ```
/// use procession_manager::Manager;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(2)?;
/// let error = pool.apply(|(): ()| -> () { std::process::abort() }, ()).unwrap_err();
/// assert!(error.task().unwrap().is_death(), "{error}");
/// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2, "another worker has taken its place");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The end
///
/// The pool ends when the last proxy is gone, and its tasks may come to their end for a moment; or with the manager, at once. Its
/// workers end with it in any case.
///
/// # Differences from Python's `PoolProxy`
///
/// A task whose worker dies is an error, where Python waits for ever. `imap` and `imap_unordered` are lazy: they read their input
/// while their results are taken. Callbacks are given to what [`apply_async`](PoolProxy::apply_async) answers: see
/// [`PoolPending::on_done`](super::PoolPending::on_done).
#[doc(alias = "multiprocessing.managers.PoolProxy")]
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct PoolProxy {
    proxy: Proxy<Hosted>,
}

impl PoolProxy {
    fn new(proxy: Proxy<Hosted>) -> PoolProxy {
        PoolProxy { proxy }
    }

    /// Returns the proxy of the pool, on which any function can be called, in the manager. The pool has been made, so `get` finds it.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// pool.apply(|n: u8| n + 1, 1)?;
    /// let done = pool.proxy().read(|pool, ()| pool.get().map(|pool| pool.stats().done), ())?;
    /// assert_eq!(done, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn proxy(&self) -> &Proxy<Hosted> {
        &self.proxy
    }

    /// Returns a function as a job of the pool, to be applied in one way or another.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let increment = manager.pool(1)?.job(|n: u8| n + 1);
    /// assert_eq!((increment.apply(1)?, increment.map([1, 2])?), (2, vec![2, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn job<A, R>(&self, function: fn(A) -> R) -> ManagedJob<A, R> {
        ManagedJob::of_function(&self.proxy, function)
    }

    fn managed(&self) -> ManagedPool {
        ManagedPool::Local(self.proxy.clone())
    }
}

pool_methods!(
    PoolProxy,
    function: fn(A) -> R,
    "# procession_manager::init();\n# let manager = procession_manager::Manager::start()?;\nlet pool = manager.pool(2)?;",
    "|n| n * n"
);

impl Manager {
    /// Makes a [`Pool`] of `workers` workers in the manager.
    ///
    /// # Errors
    ///
    /// The pool could not be made, or the manager is gone.
    ///
    /// ```
    /// use procession_manager::{Manager, PoolProxy};
    /// use procession_process::Process;
    ///
    /// procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let client = |pool: PoolProxy| pool.map(|n: u64| n * n, 0..5).unwrap();
    /// let process = Process::spawn(client, pool.clone())?;
    /// assert_eq!(process.join()?, [0, 1, 4, 9, 16]);
    /// assert_eq!(pool.apply(|(a, b): (u32, u32)| a + b, (3, 4))?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "SyncManager.Pool")]
    pub fn pool(&self, workers: usize) -> Result<PoolProxy, PoolProxyError> {
        self.pool_from(|workers| Pool::builder().workers(workers), workers)
    }

    /// Makes a [`Pool`] in the manager, as a function describes it that runs there.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Start`] or [`PoolProxyError::Call`], as for [`pool`](Manager::pool).
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use procession_pool::Pool;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool_from(|greeting: String| {
    ///     Pool::builder().workers(1).initializer(|greeting: String| println!("{greeting}"), greeting)
    /// }, "a worker begins".to_owned())?;
    /// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool_from<A>(&self, describe: fn(A) -> PoolBuilder, argument: A) -> Result<PoolProxy, PoolProxyError>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        // In two steps, so that a pool that cannot be made is an error with its reason, and not a panic of the constructor.
        let proxy = self.create(|(): ()| Hosted::default(), ())?;
        let opened = proxy.post_given::<Open<A>, A, PoolBuilder, _>(describe, &argument)?;
        // On an error the proxy is dropped here, and the empty object with it.
        opened.wait()?.map_err(PoolProxyError::Start)?;
        Ok(PoolProxy::new(proxy))
    }
}

impl fmt::Debug for PoolProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolProxy").field(&self.proxy).finish()
    }
}
