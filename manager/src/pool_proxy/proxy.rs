//! [`PoolProxy`]: what stands for a pool that lives in a manager.

use std::fmt;
use std::time::{Duration, Instant};

use procession_pool::Pool;
use serde::{Deserialize, Serialize};

use super::make::Hosted;
use crate::error::CallError;
use crate::proxy::Proxy;

/// A [`Pool`] that lives in a [`Manager`](crate::Manager): its workers serve every process that has this.
///
/// It can be cloned, used by any thread, and sent in any message to any process of the same program. Functions are plain `fn`s, as
/// everywhere. A call that waits for a task occupies nobody but its caller: neither the pool nor the manager's other clients.
///
/// ```
/// use procession_manager::Manager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
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
/// while their results are taken. Callbacks are for who waits: [`PoolPending::wait`](super::PoolPending::wait).
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
    /// # procession_process::init();
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
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// assert_eq!(manager.pool(2)?.workers()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn workers(&self) -> Result<usize, CallError> {
        self.proxy.read(|pool, ()| pool.get().map_or(0, Pool::workers), ())
    }

    /// Lets the tasks that there are come to their end, and takes no more. See [`Pool::close`].
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
        self.proxy.read(|pool, ()| pool.get().into_iter().for_each(Pool::close), ())
    }

    /// Stops all workers now. Tasks that have not ended bring errors. See [`Pool::terminate`].
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let long = pool.apply_async(|(): ()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
    /// pool.terminate()?;
    /// assert!(long.wait().unwrap_err().task().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(&self) -> Result<(), CallError> {
        self.proxy.read(|pool, ()| pool.get().into_iter().for_each(Pool::terminate), ())
    }

    /// Waits until all workers have left, after [`close`](PoolProxy::close) or [`terminate`](PoolProxy::terminate), which somebody
    /// else may still call meanwhile. See [`Pool::join`].
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
        while !self.join_timeout(SLICE)? {}
        Ok(())
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
    /// # procession_process::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// pool.terminate()?;
    /// assert!(pool.join_timeout(Duration::from_secs(60))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        let start = Instant::now();
        loop {
            let left = timeout.saturating_sub(start.elapsed());
            let has_left = self.proxy.call(join_for, left.min(SLICE))?;
            if has_left || left <= SLICE {
                return Ok(has_left);
            }
        }
    }
}

/// Who joins has the pool for itself: not for long, because others may want to terminate it.
const SLICE: Duration = Duration::from_millis(50);

fn join_for(pool: &mut Hosted, slice: Duration) -> bool {
    pool.get_mut().is_none_or(|pool| pool.join_timeout(slice))
}

impl fmt::Debug for PoolProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolProxy").field(&self.proxy).finish()
    }
}
