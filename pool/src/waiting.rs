//! Waiting for several results: the first that has come, the first error, all of them, each as it comes.

use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arrivals::Arrivals;
use crate::{AsyncResult, TaskError};

/// Results did not come in time.
///
/// ```
/// use procession_pool::{AsyncResult, Pool};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(1)?;
/// let results = [1, 2].map(|n| pool.apply_async(|_: u8| std::thread::sleep(Duration::from_secs(3600)), n));
/// let error = AsyncResult::all_timeout(&results, Duration::from_millis(1)).unwrap_err();
/// assert_eq!(error.to_string(), "2 of 2 results have not come in time");
/// assert_eq!(error.missing(), 2);
/// # pool.terminate();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{missing} of {count} results have not come in time")]
pub struct WaitTimeoutError {
    missing: usize,
    count: usize,
}

impl WaitTimeoutError {
    /// The one result that was waited for.
    pub(crate) fn of_one() -> WaitTimeoutError {
        WaitTimeoutError { missing: 1, count: 1 }
    }

    /// How many results have not come.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let never = [pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ())];
    /// assert_eq!(AsyncResult::all_timeout(&never, Duration::ZERO).unwrap_err().missing(), 1);
    /// # pool.terminate();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }
}

/// Waits for several results, of one pool or of several.
impl<R> AsyncResult<R> {
    /// Waits until one of the results is there, and answers its place; `None` where there are none.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sleep = |seconds: u64| std::thread::sleep(Duration::from_secs(seconds));
    /// let results = [3600, 0].map(|seconds| pool.apply_async(sleep, seconds));
    /// assert_eq!(AsyncResult::first_completed(&results), Some(1));
    /// # pool.terminate();
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FIRST_COMPLETED")]
    pub fn first_completed(results: &[AsyncResult<R>]) -> Option<usize> {
        arrivals(results).next(None)
    }

    /// As [`first_completed`](AsyncResult::first_completed), waiting for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// None was there in time.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [1, 2].map(|n| pool.apply_async(|n: u64| n, n));
    /// let first = AsyncResult::first_completed_timeout(&results, Duration::from_secs(60))?;
    /// assert!(first.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn first_completed_timeout(
        results: &[AsyncResult<R>],
        timeout: Duration,
    ) -> Result<Option<usize>, WaitTimeoutError> {
        let mut arrivals = arrivals(results);
        match arrivals.next(deadline_after(timeout)) {
            None if !results.is_empty() => Err(WaitTimeoutError { missing: results.len(), count: results.len() }),
            first => Ok(first),
        }
    }

    /// Waits until one of the tasks has failed, and answers its place; `None` when all of them have succeeded.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [1, 0].map(|n| pool.apply_async(|n: u32| 10 / n, n));
    /// assert_eq!(AsyncResult::first_error(&results), Some(1));
    /// assert_eq!(AsyncResult::first_error(&results[..1]), None);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "FIRST_EXCEPTION")]
    pub fn first_error(results: &[AsyncResult<R>]) -> Option<usize> {
        first_failed(results, None).unwrap_or(None)
    }

    /// As [`first_error`](AsyncResult::first_error), waiting for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// None had failed, and not all had succeeded, in time.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [1, 2].map(|n| pool.apply_async(|n: u32| 10 / n, n));
    /// assert_eq!(AsyncResult::first_error_timeout(&results, Duration::from_secs(60))?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn first_error_timeout(
        results: &[AsyncResult<R>],
        timeout: Duration,
    ) -> Result<Option<usize>, WaitTimeoutError> {
        first_failed(results, deadline_after(timeout))
    }

    /// Waits until all results are there, values or errors.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pools = [Pool::new(1)?, Pool::new(1)?];
    /// let results = [0, 1].map(|n| pools[n].apply_async(|n: usize| n, n));
    /// AsyncResult::all(&results);
    /// assert!(results.iter().all(AsyncResult::is_ready));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ALL_COMPLETED")]
    #[doc(alias = "wait")]
    pub fn all(results: &[AsyncResult<R>]) {
        results.iter().for_each(|result| _ = result.pending().wait(None));
    }

    /// As [`all`](AsyncResult::all), waiting for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// Not all were there in time.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let results = [1, 2].map(|n| pool.apply_async(|n: u64| n, n));
    /// AsyncResult::all_timeout(&results, Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn all_timeout(results: &[AsyncResult<R>], timeout: Duration) -> Result<(), WaitTimeoutError> {
        let deadline = deadline_after(timeout);
        // Behind one that is late, others may have come.
        let missing = results.iter().filter(|result| result.pending().wait(deadline).is_none()).count();
        if missing == 0 { Ok(()) } else { Err(WaitTimeoutError { missing, count: results.len() }) }
    }

    /// The results in the order in which they come, each with its place.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let results = [3, 4, 5].map(|n| pool.apply_async(|n: u64| n * n, n));
    /// let mut squares = [0; 3];
    /// for (place, square) in AsyncResult::as_completed(results) {
    ///     squares[place] = square?;
    /// }
    /// assert_eq!(squares, [9, 16, 25]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_completed(results: impl IntoIterator<Item = AsyncResult<R>>) -> AsCompleted<R> {
        let results: Vec<_> = results.into_iter().map(Some).collect();
        let arrivals = Arrivals::new(results.iter().flatten().map(|result| result.pending().clone()));
        AsCompleted { results, arrivals }
    }
}

fn arrivals<R>(results: &[AsyncResult<R>]) -> Arrivals {
    Arrivals::new(results.iter().map(|result| result.pending().clone()))
}

fn first_failed<R>(results: &[AsyncResult<R>], deadline: Option<Instant>) -> Result<Option<usize>, WaitTimeoutError> {
    let mut arrivals = arrivals(results);
    while let Some(place) = arrivals.next(deadline) {
        if !results[place].is_successful() {
            return Ok(Some(place));
        }
    }
    match arrivals.left() {
        0 => Ok(None),
        missing => Err(WaitTimeoutError { missing, count: results.len() }),
    }
}

/// Results in the order in which they come, each with its place among those that were given. Made by [`AsyncResult::as_completed`].
///
/// ```
/// use procession_pool::{AsyncResult, Pool};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let results = AsyncResult::as_completed((0..10).map(|n| pool.apply_async(|n: u64| n, n)));
/// assert_eq!(results.len(), 10);
/// assert_eq!(results.map(|(_, value)| value.unwrap()).sum::<u64>(), 45);
/// # Ok(())
/// # }
/// ```
#[must_use = "iterators are lazy: they wait for nothing before they are asked"]
pub struct AsCompleted<R> {
    /// By place, without those that were given out.
    results: Vec<Option<AsyncResult<R>>>,
    arrivals: Arrivals,
}

/// A result and its place.
type Placed<R> = (usize, Result<R, TaskError>);

impl<R> AsCompleted<R> {
    /// As [`next`](Iterator::next), waiting for `timeout` at the longest.
    ///
    /// # Errors
    ///
    /// None of those that are left was there in time. Nothing is lost: it can be asked again.
    ///
    /// ```
    /// # use procession_pool::{AsyncResult, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = AsyncResult::as_completed([pool.apply_async(|n: u64| n, 7)]);
    /// let (place, value) = results.next_timeout(Duration::from_secs(60))?.unwrap();
    /// assert_eq!((place, value?), (0, 7));
    /// assert!(results.next_timeout(Duration::ZERO)?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Placed<R>>, WaitTimeoutError> {
        match self.next_until(deadline_after(timeout)) {
            None if self.arrivals.left() > 0 => {
                Err(WaitTimeoutError { missing: self.arrivals.left(), count: self.results.len() })
            }
            next => Ok(next),
        }
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Placed<R>> {
        let place = self.arrivals.next(deadline)?;
        let result = self.results[place].take()?;
        Some((place, result.get()))
    }
}

impl<R> Iterator for AsCompleted<R> {
    type Item = Placed<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.arrivals.left(), Some(self.arrivals.left()))
    }
}

impl<R> ExactSizeIterator for AsCompleted<R> {}

impl<R> FusedIterator for AsCompleted<R> {}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AsCompleted { results, arrivals } = self;
        f.debug_struct("AsCompleted").field("count", &results.len()).field("left", &arrivals.left()).finish()
    }
}
