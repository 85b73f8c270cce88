//! [`PoolProxy`]: what stands for a pool that lives in a manager.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host::PoolRoute;
use super::hosted::Hosted;
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A [`Pool`](procession_pool::Pool) that lives in a [`Manager`](crate::Manager): its workers serve every process that has this.
///
/// It can be cloned, used by any thread, and sent in any message to any process of the same program. Functions are plain `fn`s, as
/// everywhere. A call that waits for a task occupies nobody but its caller: neither the pool nor the manager's other clients.
///
/// ```
/// use procession_manager::Manager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(2)?;
/// let error = pool.apply(|(): ()| -> () { std::process::abort() }, ()).unwrap_err();
/// assert!(error.task().unwrap().is_death(), "{error}");
/// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2, "another worker has taken its place");
/// # Ok(())
/// # }
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
    pub(super) fn new(proxy: Proxy<Hosted>) -> PoolProxy {
        PoolProxy { proxy }
    }

    /// The proxy of the pool, on which any function can be called, in the manager. The pool has been made, so `get` finds it.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// pool.apply(|n: u8| n + 1, 1)?;
    /// let done = pool.proxy().read(|pool, ()| pool.get().map(|pool| pool.stats().done), ())?;
    /// assert_eq!(done, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn proxy(&self) -> &Proxy<Hosted> {
        &self.proxy
    }

    /// How many workers the pool has.
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// assert_eq!(manager.pool(2)?.workers()?, 2);
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
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let last = pool.apply_async(|n: u8| n + 1, 1)?;
    /// pool.close()?;
    /// pool.join()?;
    /// assert_eq!(last.wait()?, 2);
    /// assert!(pool.apply(|n: u8| n + 1, 1).unwrap_err().task().unwrap().is_refused());
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) -> Result<(), CallError> {
        self.host().close()
    }

    /// Stops all workers now. Tasks that have not ended bring errors. See [`Pool::terminate`](procession_pool::Pool::terminate).
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let long = pool.apply_async(|(): ()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
    /// pool.terminate()?;
    /// assert!(long.wait().unwrap_err().task().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(&self) -> Result<(), CallError> {
        self.host().terminate()
    }

    /// Waits until all workers have left, after [`close`](PoolProxy::close) or [`terminate`](PoolProxy::terminate), which somebody
    /// else may still call meanwhile. See [`Pool::join`](procession_pool::Pool::join).
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let last = pool.map_async(|n: u8| n + 1, [1, 2])?;
    /// pool.close()?;
    /// pool.join()?;
    /// assert_eq!(last.wait()?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(&self) -> Result<(), CallError> {
        self.host().join()
    }

    /// As [`join`](PoolProxy::join), for so long at the most. Answers whether they have left.
    ///
    /// # Errors
    ///
    /// As [`join`](PoolProxy::join).
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// pool.terminate()?;
    /// assert!(pool.join_timeout(Duration::from_secs(60))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        self.host().join_timeout(timeout)
    }

    pub(super) fn host(&self) -> PoolRoute {
        PoolRoute::Local(self.proxy.clone())
    }
}

impl fmt::Debug for PoolProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolProxy").field(&self.proxy).finish()
    }
}
