//! Waits for several [`AsyncResult`]s: for the first, for the first error, for all of them, for each as it arrives.

use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::async_result::AsyncResult;
use crate::caller::completions::Completions;
use crate::model::task_error::TaskError;

/// Results have not arrived in time.
///
/// ```
/// use procession_pool::{AsyncResult, Pool};
/// use std::time::Duration;
///
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// let results = [1, 2].map(|n| pool.apply_async(|_: u8| std::thread::sleep(Duration::from_secs(3600)), n));
/// let error = AsyncResult::all_timeout(&results, Duration::from_millis(1)).unwrap_err();
/// assert_eq!(error.to_string(), "2 of 2 results have not come in time");
/// assert_eq!(error.missing(), 2);
/// # pool.terminate();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{missing} of {count} results have not come in time")]
pub struct WaitTimeoutError {
    missing: usize,
    count: usize,
}

impl WaitTimeoutError {
    pub(super) fn of_one() -> WaitTimeoutError {
        WaitTimeoutError { missing: 1, count: 1 }
    }

    /// Returns the number of results that have not arrived.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let never = [pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ())];
    /// assert_eq!(AsyncResult::all_timeout(&never, Duration::ZERO).unwrap_err().missing(), 1);
    /// # pool.terminate();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }
}

/// Waits for several results, of one pool or of several.
impl<R> AsyncResult<R> {
    /// Waits for the first result to arrive, and returns its index. `None` for an empty slice.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sleep = |seconds: u64| std::thread::sleep(Duration::from_secs(seconds));
    /// let results = [3600, 0].map(|seconds| pool.apply_async(sleep, seconds));
    /// assert_eq!(AsyncResult::first_completed(&results), Some(1));
    /// # pool.terminate();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "FIRST_COMPLETED")]
    pub fn first_completed(results: &[AsyncResult<R>]) -> Option<usize> {
        completions(results).next(None)
    }

    /// Waits as [`first_completed`](AsyncResult::first_completed) does, up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError`]: no result has arrived in time.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [1, 2].map(|n| pool.apply_async(|n: u64| n, n));
    /// let first = AsyncResult::first_completed_timeout(&results, Duration::from_secs(60))?;
    /// assert!(first.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_completed_timeout(
        results: &[AsyncResult<R>],
        timeout: Duration,
    ) -> Result<Option<usize>, WaitTimeoutError> {
        let mut completions = completions(results);
        match completions.next(deadline_after(timeout)) {
            None if !results.is_empty() => Err(WaitTimeoutError { missing: results.len(), count: results.len() }),
            first => Ok(first),
        }
    }

    /// Waits for the first task to fail, and returns its index. `None` when all of them have succeeded.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [1, 0].map(|n| pool.apply_async(|n: u32| 10 / n, n));
    /// assert_eq!(AsyncResult::first_error(&results), Some(1));
    /// assert_eq!(AsyncResult::first_error(&results[..1]), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "FIRST_EXCEPTION")]
    pub fn first_error(results: &[AsyncResult<R>]) -> Option<usize> {
        first_failed(results, None).unwrap_or(None)
    }

    /// Waits as [`first_error`](AsyncResult::first_error) does, up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError`]: no task has failed in time, and not all have succeeded.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [1, 2].map(|n| pool.apply_async(|n: u32| 10 / n, n));
    /// assert_eq!(AsyncResult::first_error_timeout(&results, Duration::from_secs(60))?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_error_timeout(
        results: &[AsyncResult<R>],
        timeout: Duration,
    ) -> Result<Option<usize>, WaitTimeoutError> {
        first_failed(results, deadline_after(timeout))
    }

    /// Waits until all results have arrived, values or errors.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # procession_pool::init();
    /// let pools = [Pool::new(1)?, Pool::new(1)?];
    /// let results = [0, 1].map(|n| pools[n].apply_async(|n: usize| n, n));
    /// AsyncResult::all(&results);
    /// assert!(results.iter().all(AsyncResult::is_ready));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ALL_COMPLETED")]
    #[doc(alias = "wait")]
    pub fn all(results: &[AsyncResult<R>]) {
        results.iter().for_each(|result| _ = result.pending().wait(None));
    }

    /// Waits as [`all`](AsyncResult::all) does, up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError`]: not all results have arrived in time.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let results = [1, 2].map(|n| pool.apply_async(|n: u64| n, n));
    /// AsyncResult::all_timeout(&results, Duration::from_secs(60))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn all_timeout(results: &[AsyncResult<R>], timeout: Duration) -> Result<(), WaitTimeoutError> {
        let deadline = deadline_after(timeout);
        // Behind a late result, others may have arrived.
        let missing = results.iter().filter(|result| result.pending().wait(deadline).is_none()).count();
        if missing == 0 { Ok(()) } else { Err(WaitTimeoutError { missing, count: results.len() }) }
    }

    /// Returns the results in the order in which they arrive, each with its index.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [3, 4, 5].map(|n| pool.apply_async(|n: u64| n * n, n));
    /// let mut squares = [0; 3];
    /// for (index, square) in AsyncResult::as_completed(results) {
    ///     squares[index] = square?;
    /// }
    /// assert_eq!(squares, [9, 16, 25]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_completed(results: impl IntoIterator<Item = AsyncResult<R>>) -> AsCompleted<R> {
        let results: Vec<_> = results.into_iter().map(Some).collect();
        let completions = Completions::new(results.iter().flatten().map(|result| result.pending().clone()));
        AsCompleted { results, completions }
    }
}

fn completions<R>(results: &[AsyncResult<R>]) -> Completions {
    Completions::new(results.iter().map(|result| result.pending().clone()))
}

fn first_failed<R>(results: &[AsyncResult<R>], deadline: Option<Instant>) -> Result<Option<usize>, WaitTimeoutError> {
    let mut completions = completions(results);
    while let Some(index) = completions.next(deadline) {
        if !results[index].is_successful() {
            return Ok(Some(index));
        }
    }
    match completions.left() {
        0 => Ok(None),
        missing => Err(WaitTimeoutError { missing, count: results.len() }),
    }
}

/// An iterator over results in the order in which they arrive, each with its index. Made by [`AsyncResult::as_completed`].
///
/// ```
/// use procession_pool::{AsyncResult, Pool};
///
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let results = AsyncResult::as_completed((0..10).map(|n| pool.apply_async(|n: u64| n, n)));
/// assert_eq!(results.len(), 10);
/// assert_eq!(results.map(|(_, value)| value.unwrap()).sum::<u64>(), 45);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators are lazy: nothing is waited for until results are asked for"]
pub struct AsCompleted<R> {
    /// By index; `None` once it was given out.
    results: Vec<Option<AsyncResult<R>>>,
    completions: Completions,
}

type Indexed<R> = (usize, Result<R, TaskError>);

impl<R> AsCompleted<R> {
    /// Returns the next result as [`next`](Iterator::next) does, waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError`]: none of the results that are left has arrived in time. None is lost: a later call returns it.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = AsyncResult::as_completed([pool.apply_async(|n: u64| n, 7)]);
    /// let (index, value) = results.next_timeout(Duration::from_secs(60))?.unwrap();
    /// assert_eq!((index, value?), (0, 7));
    /// assert!(results.next_timeout(Duration::ZERO)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Indexed<R>>, WaitTimeoutError> {
        match self.next_until(deadline_after(timeout)) {
            None if self.completions.left() > 0 => {
                Err(WaitTimeoutError { missing: self.completions.left(), count: self.results.len() })
            }
            next => Ok(next),
        }
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Indexed<R>> {
        let index = self.completions.next(deadline)?;
        let result = self.results[index].take()?;
        Some((index, result.get()))
    }
}

impl<R> Iterator for AsCompleted<R> {
    type Item = Indexed<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.completions.left(), Some(self.completions.left()))
    }
}

impl<R> ExactSizeIterator for AsCompleted<R> {}

impl<R> FusedIterator for AsCompleted<R> {}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AsCompleted { results, completions } = self;
        f.debug_struct("AsCompleted").field("count", &results.len()).field("left", &completions.left()).finish()
    }
}
