//! [`PoolImap`] and [`PoolImapUnordered`]: results of a pool in a manager, one by one.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PoolProxyError;
use super::managed_job::ManagedJob;
use super::pending::PoolPending;
use crate::api::pending::Pending;
use crate::wire::tuning::IMAP_PREFETCH_PER_WORKER;

/// The results of [`ManagedJob::imap`].
///
/// Dropping it takes nothing back: what was sent ahead, at most 16 tasks for each worker, still runs.
///
/// ```
/// use procession_manager::Manager;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let mut halves = pool.imap(|n: u32| n / 2, [4, 6])?;
/// assert_eq!((halves.next().unwrap()?, halves.next().unwrap()?), (2, 3));
/// assert!(halves.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "its items are read while its results are taken"]
pub struct PoolImap<I, A, R>(Window<I, A, R>);

/// The results of [`ManagedJob::imap_unordered`], each with the index of its item.
///
/// Dropping it takes nothing back: what was sent ahead, at most 16 tasks for each worker, still runs.
///
/// ```
/// use procession_manager::Manager;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let halves = pool.imap_unordered(|n: u32| n / 2, [4, 6])?;
/// let sum: u32 = halves.map(|(_, half)| half.unwrap()).sum();
/// assert_eq!(sum, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "its items are read while its results are taken"]
pub struct PoolImapUnordered<I, A, R>(Window<I, A, R>);

/// The tasks that are in flight: enough to keep the workers busy, and no more.
struct Window<I, A, R> {
    job: ManagedJob<A, R>,
    items: I,
    width: usize,
    count: u64,
    tasks: VecDeque<Task<R>>,
}

/// A task that was sent, or could not be, and the index of its item.
type Task<R> = (u64, Result<PoolPending<R>, PoolProxyError>);

impl<A, R> ManagedJob<A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    /// Applies the function to the items one by one, lazily, and returns each result in the order of the items.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Call`] when the manager is gone. Errors of tasks, names and types come as results.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let square = manager.pool(2)?.job(|n: u64| n * n);
    /// let squares: Result<Vec<u64>, _> = square.imap(0..)?.take(4).collect();
    /// assert_eq!(squares?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap<I>(&self, items: I) -> Result<PoolImap<I::IntoIter, A, R>, PoolProxyError>
    where
        I: IntoIterator<Item = A>,
    {
        Window::new(self, items.into_iter()).map(PoolImap)
    }

    /// Applies the function to the items one by one, lazily, and returns each result as soon as it arrives, with the index of its
    /// item.
    ///
    /// # Errors
    ///
    /// [`PoolProxyError::Call`] when the manager is gone. Errors of tasks, names and types come as results.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let square = manager.pool(2)?.job(|n: u64| n * n);
    /// for (index, square) in square.imap_unordered(0..10)? {
    ///     assert_eq!(square?, index * index);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered<I>(&self, items: I) -> Result<PoolImapUnordered<I::IntoIter, A, R>, PoolProxyError>
    where
        I: IntoIterator<Item = A>,
    {
        Window::new(self, items.into_iter()).map(PoolImapUnordered)
    }
}

impl<I, A, R> Window<I, A, R>
where
    I: Iterator<Item = A>,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    fn new(job: &ManagedJob<A, R>, items: I) -> Result<Self, PoolProxyError> {
        // A pool that could not be made has no workers. With a width of 0 the iterator would end without an error.
        let width = job.pool().workers()?.max(1).saturating_mul(IMAP_PREFETCH_PER_WORKER);
        Ok(Window { job: job.clone(), items, width, count: 0, tasks: VecDeque::new() })
    }

    /// Sends tasks until as many are in flight as there should be, or the items have ended.
    fn fill(&mut self) {
        // The input is read lazily: it may have no end.
        while self.tasks.len() < self.width {
            let Some(item) = self.items.next() else { return };
            self.tasks.push_back((self.count, self.job.apply_async(item)));
            self.count += 1;
        }
    }

    /// Returns the position of the first task that has ended; 0 when that cannot be found out, because waiting for it shows why.
    fn first_ended(&self) -> usize {
        // A task that could not be sent has ended. If there is one, it comes next; if not, the positions below are those of
        // `tasks`.
        let unsent = self.tasks.iter().position(|(_, sent)| sent.is_err());
        let sent = self.tasks.iter().flat_map(|(_, sent)| sent).map(|sent| &sent.pending);
        unsent.unwrap_or_else(|| Pending::first(sent).unwrap_or(0))
    }
}

impl<I, A, R> Iterator for PoolImap<I, A, R>
where
    I: Iterator<Item = A>,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    type Item = Result<R, PoolProxyError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.fill();
        let (_, sent) = self.0.tasks.pop_front()?;
        Some(sent.and_then(PoolPending::wait))
    }
}

impl<I, A, R> Iterator for PoolImapUnordered<I, A, R>
where
    I: Iterator<Item = A>,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    type Item = (u64, Result<R, PoolProxyError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.fill();
        let ended = self.0.first_ended();
        let (index, sent) = self.0.tasks.swap_remove_front(ended)?;
        Some((index, sent.and_then(PoolPending::wait)))
    }
}

macro_rules! debug {
    ($($name:ident)*) => {
        $(impl<I, A, R> fmt::Debug for $name<I, A, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("in_flight", &self.0.tasks.len()).finish_non_exhaustive()
            }
        })*
    };
}

debug! { PoolImap PoolImapUnordered }
