//! [`PoolPending`]: what a pool in a manager will bring.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::apply_on::Outcome;
use super::error::PoolProxyError;
use super::hosted::TaskTicket;
use super::managed_pool::ManagedPool;
use crate::api::pending::Pending;
use crate::wire::error::CallError;

/// The result that a pool in a manager will bring.
///
/// Dropping it takes nothing back: the task runs, and its result is dropped. See [`cancel`](PoolPending::cancel).
///
/// ```
/// use procession_manager::Manager;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(2)?;
/// let (one, two) = (pool.apply_async(|n: u32| n * n, 3)?, pool.apply_async(|n: u32| n * n, 4)?);
/// assert_eq!(one.wait()? + two.wait()?, 25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Differences from [`AsyncResult`](procession_pool::AsyncResult)
///
/// The result comes once, so it is waited for with `self`. It is no future: [`on_done`](PoolPending::on_done) brings the result to
/// whatever an executor offers.
#[doc(alias = "AsyncResult")]
#[must_use = "what a task brings is lost with it"]
pub struct PoolPending<R> {
    pub(super) pending: Pending<Outcome<R>>,
    ticket: TaskTicket,
    pool: ManagedPool,
}

impl<R> PoolPending<R> {
    pub(super) fn new(pending: Pending<Outcome<R>>, ticket: TaskTicket, pool: ManagedPool) -> PoolPending<R> {
        PoolPending { pending, ticket, pool }
    }
}

impl<R: DeserializeOwned> PoolPending<R> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Task`] where the task brought no value; [`PoolProxyError::Call`] when the manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let sum = pool.apply_async(|(a, b): (u8, u8)| a + b, (3, 4))?;
    /// assert_eq!(sum.wait()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get")]
    pub fn wait(self) -> Result<R, PoolProxyError> {
        // Two layers of errors: the call may have failed, or the task.
        Ok(self.pending.wait()??)
    }

    /// Waits for the result up to `timeout`. The task is not stopped when the time is over.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::is_timeout`] holds when the time was over; otherwise as [`wait`](PoolPending::wait).
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::time::Duration;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let sum = pool.apply_async(|(a, b): (u8, u8)| a + b, (3, 4))?;
    /// assert_eq!(sum.wait_timeout(Duration::from_secs(60))?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(self, timeout: Duration) -> Result<R, PoolProxyError> {
        Ok(self.pending.wait_timeout(timeout)??)
    }

    /// Returns whether the result is there, or never will be.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let never = pool.apply_async(|(): ()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
    /// assert!(!never.is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ready")]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending.is_ready()
    }

    /// Waits up to `timeout` until the result is there, or never will be. Returns whether it is.
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::time::Duration;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let long = pool.apply_async(|(): ()| std::thread::sleep(Duration::from_secs(3600)), ())?;
    /// if !long.is_ready_timeout(Duration::from_millis(10)) {
    ///     long.cancel()?;
    /// }
    /// assert!(long.wait().unwrap_err().task().unwrap().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_ready_timeout(&self, timeout: Duration) -> bool {
        self.pending.is_ready_timeout(timeout)
    }

    /// Cancels what has not ended, and returns whether there was something to cancel.
    ///
    /// A task that has not begun never does. One that runs is stopped together with its worker, whose place another one takes. The
    /// result then soon is an error for which [`TaskError::is_cancelled`](procession_pool::TaskError::is_cancelled) holds, or the value,
    /// if it came before.
    ///
    /// # Errors
    ///
    /// The manager is gone, and all tasks with it.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let long = pool.apply_async(|(): ()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
    /// assert!(long.cancel()?);
    /// assert!(long.wait().unwrap_err().task().unwrap().is_cancelled());
    /// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "cancelled")]
    pub fn cancel(&self) -> Result<bool, CallError> {
        self.pool.cancel(self.ticket)
    }

    /// Calls `callback` with the result as soon as it is there, which may be at once, on a thread that does nothing else. It is
    /// called in this process, and as [`Pending::on_done`] says.
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::sync::mpsc;
    ///
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let (done, when_done) = mpsc::channel();
    /// pool.apply_async(|n: u64| n * 2, 21)?.on_done(move |result| done.send(result.unwrap()).unwrap());
    /// assert_eq!(when_done.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "callback")]
    #[doc(alias = "error_callback")]
    #[doc(alias = "add_done_callback")]
    pub fn on_done(self, callback: impl FnOnce(Result<R, PoolProxyError>) + Send + 'static)
    where
        R: 'static,
    {
        self.pending.on_done(|outcome| {
            callback(outcome.map_err(PoolProxyError::from).and_then(|outcome| outcome.map_err(PoolProxyError::from)));
        });
    }
}

impl<R> fmt::Debug for PoolPending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolPending { pending, ticket: _, pool } = self;
        f.debug_struct("PoolPending").field("pending", pending).field("pool", pool).finish_non_exhaustive()
    }
}
