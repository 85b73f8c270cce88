//! [`PoolProxy`]: a pool that lives in a manager, for all who have a proxy.

mod calls;
mod error;
mod imap;
mod verbs;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use procession_manager::{CallError, Manager, Proxy};
use procession_pool::{Pool, PoolBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use calls::PoolPending;
pub use error::{PoolProxyError, TaskFailure};
pub use imap::{PoolImap, PoolImapUnordered};
use verbs::Open;

/// What lies in the manager: a pool, once it could be made.
///
/// ```
/// use procession::{Hosted, ManagerPool, manager::Manager};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let workers = pool.proxy().read(|hosted: &Hosted, ()| hosted.get().map(|pool| pool.workers()), ())?;
/// assert_eq!(workers, Some(1));
/// # Ok(())
/// # }
/// ```
pub type Hosted = OnceLock<Pool>;

/// Makes pools in a manager. Import it to have `manager.pool(…)`.
///
/// ```
/// use procession::{ManagerPool, manager::Manager};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// assert_eq!(pool.map(|n: u32| n * n, [3, 4])?, [9, 16]);
/// # Ok(())
/// # }
/// ```
pub trait ManagerPool {
    /// Makes a [`Pool`] of so many workers in the manager.
    ///
    /// # Errors
    ///
    /// The pool could not be made, or the manager is gone.
    ///
    /// ```
    /// use procession::{ManagerPool, PoolProxy, Process, manager::Manager};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// procession::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let client = |pool: PoolProxy| pool.map(|n: u64| n * n, 0..5).unwrap();
    /// let process = Process::spawn(client, pool.clone())?;
    /// assert_eq!(process.join()?, [0, 1, 4, 9, 16]);
    /// assert_eq!(pool.apply(|(a, b): (u32, u32)| a + b, (3, 4))?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SyncManager.Pool")]
    fn pool(&self, workers: usize) -> Result<PoolProxy, PoolProxyError>;

    /// Makes a [`Pool`] in the manager, as a function describes it that runs there.
    ///
    /// # Errors
    ///
    /// As [`pool`](ManagerPool::pool).
    ///
    /// ```
    /// use procession::{ManagerPool, manager::Manager, pool::Pool};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool_from(|greeting: String| {
    ///     Pool::builder().workers(1).initializer(|greeting: String| println!("{greeting}"), greeting)
    /// }, "a worker begins".to_owned())?;
    /// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2);
    /// # Ok(())
    /// # }
    /// ```
    fn pool_from<A>(&self, describe: fn(A) -> PoolBuilder, argument: A) -> Result<PoolProxy, PoolProxyError>
    where
        A: Serialize + DeserializeOwned + 'static;
}

/// A [`Pool`] that lives in a [`Manager`]: its workers serve every process that has this.
///
/// It can be cloned, used by any thread, and sent in any message to any process of the same program. Functions are plain `fn`s, as
/// everywhere. A call that waits for a task occupies nobody but its caller: neither the pool nor the manager's other clients.
///
/// ```
/// use procession::{ManagerPool, manager::Manager};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession::init();
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
/// while their results are taken. Callbacks are for who waits: [`PoolPending::wait`].
#[doc(alias = "multiprocessing.managers.PoolProxy")]
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct PoolProxy {
    proxy: Proxy<Hosted>,
}

impl ManagerPool for Manager {
    fn pool(&self, workers: usize) -> Result<PoolProxy, PoolProxyError> {
        self.pool_from(|workers| Pool::builder().workers(workers), workers)
    }

    fn pool_from<A>(&self, describe: fn(A) -> PoolBuilder, argument: A) -> Result<PoolProxy, PoolProxyError>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        let proxy = self.create(|(): ()| Hosted::new(), ())?;
        let opened = proxy.post_given::<Open<A>, A, PoolBuilder, _>(describe, &argument)?;
        opened.wait()?.map_err(PoolProxyError::Start)?;
        Ok(PoolProxy { proxy })
    }
}

impl PoolProxy {
    /// The proxy of the pool, on which any function can be called, in the manager. The pool has been made, so `get` finds it.
    ///
    /// ```
    /// use procession::{ManagerPool, manager::Manager};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
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
    /// use procession::{ManagerPool, manager::Manager};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
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
    /// use procession::{ManagerPool, manager::Manager};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
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
    /// use procession::{ManagerPool, manager::Manager};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
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
    /// use procession::{ManagerPool, manager::Manager};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
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
    /// use procession::{ManagerPool, manager::Manager};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// pool.terminate()?;
    /// assert!(pool.join_timeout(Duration::from_secs(60))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
        let start = std::time::Instant::now();
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
