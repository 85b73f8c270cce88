//! [`PoolImap`] and [`PoolImapUnordered`]: results of a pool in a manager, one by one.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::Outcome;
use super::error::PoolProxyError;
use super::pending::PoolPending;
use super::pool_proxy::PoolProxy;
use super::remote_pool::RemotePool;
use crate::api::pending::Pending;

/// The results of [`PoolProxy::imap`].
///
/// Dropping it takes nothing back: what was sent ahead, at most 16 tasks for each worker, still runs.
///
/// ```
/// use procession_manager::Manager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let mut halves = pool.imap(|n: u32| n / 2, [4, 6])?;
/// assert_eq!((halves.next().unwrap()?, halves.next().unwrap()?), (2, 3));
/// assert!(halves.next().is_none());
/// # Ok(())
/// # }
/// ```
#[must_use = "its items are read while its results are taken"]
pub struct PoolImap<I, A, R>(Window<I, A, R>);

/// The results of [`PoolProxy::imap_unordered`], each with the place of its item.
///
/// Dropping it takes nothing back: what was sent ahead, at most 16 tasks for each worker, still runs.
///
/// ```
/// use procession_manager::Manager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let halves = pool.imap_unordered(|n: u32| n / 2, [4, 6])?;
/// let sum: u32 = halves.map(|(_, half)| half.unwrap()).sum();
/// assert_eq!(sum, 5);
/// # Ok(())
/// # }
/// ```
#[must_use = "its items are read while its results are taken"]
pub struct PoolImapUnordered<I, A, R>(Window<I, A, R>);

/// The tasks that are on their way: enough to keep the workers busy, and no more.
struct Window<I, A, R> {
    sender: Sender<A, R>,
    items: I,
    width: usize,
    count: u64,
    tasks: VecDeque<Task<R>>,
}

/// Where the tasks are sent.
enum Sender<A, R> {
    Near(PoolProxy, fn(A) -> R),
    /// With the name of the task.
    Far(RemotePool, String),
}

/// A task that was sent, or could not be, and the place of its item.
type Task<R> = (u64, Result<Pending<Outcome<R>>, PoolProxyError>);

/// How many tasks are on their way for each worker.
const AHEAD: usize = 16;

impl<I, A, R> PoolImap<I, A, R> {
    pub(super) fn near(pool: &PoolProxy, function: fn(A) -> R, items: I) -> Result<Self, PoolProxyError> {
        Window::near(pool, function, items).map(PoolImap)
    }

    pub(super) fn far(pool: &RemotePool, task: &str, items: I) -> Result<Self, PoolProxyError> {
        Window::far(pool, task, items).map(PoolImap)
    }
}

impl<I, A, R> PoolImapUnordered<I, A, R> {
    pub(super) fn near(pool: &PoolProxy, function: fn(A) -> R, items: I) -> Result<Self, PoolProxyError> {
        Window::near(pool, function, items).map(PoolImapUnordered)
    }

    pub(super) fn far(pool: &RemotePool, task: &str, items: I) -> Result<Self, PoolProxyError> {
        Window::far(pool, task, items).map(PoolImapUnordered)
    }
}

impl<I, A, R> Window<I, A, R> {
    fn near(pool: &PoolProxy, function: fn(A) -> R, items: I) -> Result<Self, PoolProxyError> {
        Ok(Window::new(pool.workers()?, Sender::Near(pool.clone(), function), items))
    }

    fn far(pool: &RemotePool, task: &str, items: I) -> Result<Self, PoolProxyError> {
        Ok(Window::new(pool.workers()?, Sender::Far(pool.clone(), task.to_owned()), items))
    }

    fn new(workers: usize, sender: Sender<A, R>, items: I) -> Self {
        let width = workers.max(1).saturating_mul(AHEAD);
        Window { sender, items, width, count: 0, tasks: VecDeque::new() }
    }
}

impl<A, R> Sender<A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    fn send(&self, item: A) -> Result<PoolPending<R>, PoolProxyError> {
        match self {
            Sender::Near(pool, function) => pool.apply_async(*function, item),
            Sender::Far(pool, task) => pool.apply_async(task, item),
        }
    }
}

impl<I, A, R> Window<I, A, R>
where
    I: Iterator<Item = A>,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
{
    fn fill(&mut self) {
        while self.tasks.len() < self.width {
            let Some(item) = self.items.next() else { return };
            let sent = self.sender.send(item).map(|sent| sent.pending);
            self.tasks.push_back((self.count, sent));
            self.count += 1;
        }
    }

    /// Where the first task lies that has ended; the first of all when it cannot be told, and waiting for it will tell why.
    fn first_ended(&self) -> usize {
        let unsent = self.tasks.iter().position(|(_, sent)| sent.is_err());
        unsent.unwrap_or_else(|| Pending::first(self.tasks.iter().flat_map(|(_, sent)| sent)).unwrap_or(0))
    }
}

fn result<R: DeserializeOwned>(sent: Result<Pending<Outcome<R>>, PoolProxyError>) -> Result<R, PoolProxyError> {
    Ok(sent?.wait()??)
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
        Some(result(sent))
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
        let (place, sent) = self.0.tasks.swap_remove_front(ended)?;
        Some((place, result(sent)))
    }
}

impl<I, A, R> fmt::Debug for PoolImap<I, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolImap").field("on_their_way", &self.0.tasks.len()).finish_non_exhaustive()
    }
}

impl<I, A, R> fmt::Debug for PoolImapUnordered<I, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolImapUnordered").field("on_their_way", &self.0.tasks.len()).finish_non_exhaustive()
    }
}
