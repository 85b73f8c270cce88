//! [`ManagedJob`]: a function and the pool in a manager that applies it.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::{Apply, Map};
#[cfg(feature = "remote")]
use super::apply_on::{Many, One, Outcome};
use super::error::PoolProxyError;
use super::hosted::{Hosted, TaskTicket};
use super::managed_pool::ManagedPool;
#[cfg(feature = "remote")]
use super::managed_pool::names;
use super::pending::PoolPending;
use crate::api::proxy::Proxy;
#[cfg(feature = "remote")]
use crate::remote::remote_proxy::RemoteProxy;

/// A function and the pool in a manager that applies it: what [`PoolProxy::job`](super::PoolProxy::job) and `RemotePool::job`
/// return.
///
/// The tasks of one process begin in the order in which they were sent.
///
/// ```
/// use procession_manager::{ManagedJob, Manager};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(2)?;
/// let square: ManagedJob<u64, u64> = pool.job(|n| n * n);
/// assert_eq!((square.apply(7)?, square.map(0..3)?), (49, vec![0, 1, 4]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs until it is applied"]
pub struct ManagedJob<A, R>(Task<A, R>);

/// A function as the pool knows it.
enum Task<A, R> {
    Function(Proxy<Hosted>, fn(A) -> R),
    /// The name of the function in a registry.
    #[cfg(feature = "remote")]
    Name(RemoteProxy<Hosted>, String, std::marker::PhantomData<fn(A) -> R>),
}

impl<A, R> ManagedJob<A, R> {
    /// Makes a job of a function of this program.
    pub(super) fn of_function(pool: &Proxy<Hosted>, function: fn(A) -> R) -> ManagedJob<A, R> {
        ManagedJob(Task::Function(pool.clone(), function))
    }

    #[cfg(feature = "remote")]
    pub(super) fn of_name(pool: &RemoteProxy<Hosted>, name: &str) -> ManagedJob<A, R> {
        ManagedJob(Task::Name(pool.clone(), name.to_owned(), std::marker::PhantomData))
    }

    /// Returns the way to the pool of the job.
    pub(super) fn pool(&self) -> ManagedPool {
        match &self.0 {
            Task::Function(proxy, _) => ManagedPool::Local(proxy.clone()),
            #[cfg(feature = "remote")]
            Task::Name(proxy, ..) => ManagedPool::Remote(proxy.clone()),
        }
    }
}

impl<A, R> ManagedJob<A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    /// Applies the function to one item in a worker, and waits for the result. See [`Pool::apply`](procession_pool::Pool::apply).
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Task`] where the task brought no value. [`PoolProxyError::Call`] with [`CallError::ManagerGone`] when the
    /// manager has ended; and where the function is known by its name, with [`CallError::Unknown`] when the registry has no such
    /// task, and [`CallError::WrongType`] when it has other types.
    ///
    /// [`CallError::ManagerGone`]: crate::CallError::ManagerGone
    /// [`CallError::Unknown`]: crate::CallError::Unknown
    /// [`CallError::WrongType`]: crate::CallError::WrongType
    ///
    /// ```
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::start()?;
    /// let worker = manager.pool(1)?.job(|(): ()| std::process::id());
    /// assert_ne!(worker.apply(())?, manager.child().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(&self, item: A) -> Result<R, PoolProxyError> {
        self.apply_async(item)?.wait()
    }

    /// Applies the function to one item, and waits up to `timeout`. After that the task goes on, and its result is dropped.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::is_timeout`] holds when the time was over; otherwise as [`apply`](ManagedJob::apply).
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let sleep = manager.pool(1)?.job(|seconds| thread::sleep(Duration::from_secs(seconds)));
    /// assert!(sleep.apply_timeout(3600, Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_timeout(&self, item: A, timeout: Duration) -> Result<R, PoolProxyError> {
        self.apply_async(item)?.wait_timeout(timeout)
    }

    /// Applies the function to one item, without waiting.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Call`] when the task cannot be sent. The [`PoolPending`] brings what happens to it afterwards.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let length = manager.pool(1)?.job(|word: String| word.len());
    /// for length in ["so", "it", "goes"].map(|word| length.apply_async(word.to_owned())) {
    ///     assert!(length?.wait()? < 5);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_async(&self, item: A) -> Result<PoolPending<R>, PoolProxyError> {
        // Chosen on this side, so that the task can be cancelled before any reply to it has come.
        let ticket = TaskTicket::next();
        let sent = match &self.0 {
            Task::Function(proxy, function) => proxy.post_given::<Apply, A, R, _>(*function, &(item, ticket))?,
            #[cfg(feature = "remote")]
            Task::Name(proxy, name, _) => proxy.send::<One<A>, Outcome<R>>(name, &(item, ticket))?,
        };
        Ok(PoolPending::new(sent, ticket, self.pool()))
    }

    /// Applies the function to all items, in all workers, and waits for the results, which come in the order of the items. The first
    /// error ends it.
    ///
    /// # Errors
    ///
    /// As [`apply`](ManagedJob::apply): [`PoolProxyError::Task`] or [`PoolProxyError::Call`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let length = manager.pool(2)?.job(|word: String| word.len());
    /// assert_eq!(length.map(["so", "it", "goes"].map(String::from))?, [2, 2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "starmap")]
    pub fn map(&self, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, PoolProxyError> {
        self.map_async(items)?.wait()
    }

    /// Applies the function to all items, and waits up to `timeout`. After that the tasks go on, and their results are dropped.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::is_timeout`] holds when the time was over; otherwise as [`apply`](ManagedJob::apply).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let double = manager.pool(2)?.job(|n: u32| n * 2);
    /// assert_eq!(double.map_timeout([1, 2], std::time::Duration::from_secs(60))?, [2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_timeout(&self, items: impl IntoIterator<Item = A>, timeout: Duration) -> Result<Vec<R>, PoolProxyError> {
        self.map_async(items)?.wait_timeout(timeout)
    }

    /// Applies the function to all items, without waiting.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Call`] when the tasks cannot be sent.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let squares = manager.pool(2)?.job(|n: u32| n * n).map_async(0..3)?;
    /// assert_eq!(squares.wait()?, [0, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "starmap_async")]
    pub fn map_async(&self, items: impl IntoIterator<Item = A>) -> Result<PoolPending<Vec<R>>, PoolProxyError> {
        self.map_in_chunks(items, None)
    }

    /// Applies the function to all items, without waiting, in chunks of `chunk` items. `None` leaves the size to the pool.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Call`] when the tasks cannot be sent.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let squares = manager.pool(2)?.job(|n: u32| n * n).map_in_chunks(0..3, std::num::NonZeroUsize::new(1))?;
    /// assert_eq!(squares.wait()?, [0, 1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "chunksize")]
    pub fn map_in_chunks(
        &self,
        items: impl IntoIterator<Item = A>,
        chunk: Option<NonZeroUsize>,
    ) -> Result<PoolPending<Vec<R>>, PoolProxyError> {
        let ticket = TaskTicket::next();
        let argument = (items.into_iter().collect(), chunk, ticket);
        // A registry has two entries for each task, because the types of one item and of many differ.
        let sent = match &self.0 {
            Task::Function(proxy, function) => proxy.post_given::<Map, A, R, _>(*function, &argument)?,
            #[cfg(feature = "remote")]
            Task::Name(proxy, name, _) => proxy.send::<Many<A>, Outcome<Vec<R>>>(&names::map(name), &argument)?,
        };
        Ok(PoolPending::new(sent, ticket, self.pool()))
    }
}

impl<A, R> Clone for ManagedJob<A, R> {
    fn clone(&self) -> ManagedJob<A, R> {
        ManagedJob(match &self.0 {
            Task::Function(proxy, function) => Task::Function(proxy.clone(), *function),
            #[cfg(feature = "remote")]
            Task::Name(proxy, name, types) => Task::Name(proxy.clone(), name.clone(), *types),
        })
    }
}

impl<A, R> fmt::Debug for ManagedJob<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedJob").field("pool", &self.pool()).finish_non_exhaustive()
    }
}
