//! [`Imap`] and [`ImapUnordered`]: iterators over the results of a job.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::waiting::WaitTimeoutError;
use crate::caller::feed::{Elapsed, JobFeed};
use crate::model::failure_policy::FailurePolicy;
use crate::model::task_error::TaskError;
use crate::wire::results::ResultBatch;

/// The results of a job in the order of its input. Made by [`Pool::imap`](crate::Pool::imap).
///
/// ```
/// use procession_pool::Pool;
///
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let mut squares = pool.imap(|n: u64| n * n, 0..);
/// assert_eq!(squares.nth(1000).unwrap()?, 1_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It reads its input when it is asked for a result, on the asking thread, and never far ahead. A slow input gets [special
/// care](crate::Job::read_ahead). Dropping the iterator cancels tasks that have not started.
///
/// Each item yields one result or one error. An error does not end the iteration, unless the job's
/// [policy](crate::Job::on_failure) is to fail fast: then the first error is the last item. Until then, its length is that of a job
/// in which nothing fails.
#[doc(alias = "buffersize")]
#[must_use = "iterators are lazy: nothing runs until results are asked for"]
pub struct Imap<'pool, I: Iterator, R> {
    feed: PolicedFeed<'pool, I, R>,
    /// The index of the result to be given out next.
    next: u64,
    /// The batch that contains it.
    current: Option<ResultBatch>,
    /// Batches that have arrived before their turn, by their first index.
    early: BTreeMap<u64, ResultBatch>,
}

/// The results of a job in the order in which they arrive. Made by [`Pool::imap_unordered`](crate::Pool::imap_unordered).
///
/// ```
/// use procession_pool::Pool;
///
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let total: u32 = pool.imap_unordered(|n: u32| n * 2, 0..100).sum::<Result<_, _>>()?;
/// assert_eq!(total, 9900);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`TaskError::index`] names the item of an error. Where the item of a value matters, let the function return it beside the value.
/// In all else it is as [`Imap`].
#[must_use = "iterators are lazy: nothing runs until results are asked for"]
pub struct ImapUnordered<'pool, I: Iterator, R> {
    feed: PolicedFeed<'pool, I, R>,
}

/// A feed that ends with the first error, if its policy is to fail fast.
struct PolicedFeed<'pool, I: Iterator, R> {
    /// `None` after an error has ended it.
    feed: Option<JobFeed<'pool, I, R>>,
    policy: FailurePolicy,
}

impl<I: Iterator, R> PolicedFeed<'_, I, R> {
    /// Drops the feed if this result is an error that ends it: tasks that have not started are cancelled.
    #[inline]
    fn check(&mut self, result: &Result<R, TaskError>) {
        if self.policy == FailurePolicy::FailFast && result.is_err() {
            self.feed = None;
        }
    }
}

impl<A, I, R> PolicedFeed<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    /// Returns the number of results to come where nothing fails. Where an error would be the end, only an exact number is
    /// given, because the lower bound of an endless input says nothing then.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let Some((min, max)) = self.feed.as_ref().map(JobFeed::size_hint) else { return (0, Some(0)) };
        let is_certain = self.policy == FailurePolicy::CollectAll || max == Some(min);
        (if is_certain { min } else { 0 }, max)
    }
}

impl<'pool, I: Iterator, R> Imap<'pool, I, R> {
    pub(super) fn new(feed: JobFeed<'pool, I, R>, policy: FailurePolicy) -> Self {
        let feed = PolicedFeed { feed: Some(feed), policy };
        Imap { feed, next: 0, current: None, early: BTreeMap::new() }
    }
}

impl<'pool, I: Iterator, R> ImapUnordered<'pool, I, R> {
    pub(super) fn new(feed: JobFeed<'pool, I, R>, policy: FailurePolicy) -> Self {
        ImapUnordered { feed: PolicedFeed { feed: Some(feed), policy } }
    }
}

impl<A, I, R> Imap<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    /// Returns the next result as [`next`](Iterator::next) does, waiting up to `timeout`. A later result is not lost: the next call
    /// returns it.
    ///
    /// The time that it takes to read the input, on this thread, does not count.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError`]: the next result has not come in time.
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let sleep = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    /// let mut results = pool.imap(sleep, [0, 3600]);
    /// assert!(matches!(results.next_timeout(Duration::from_secs(60)), Ok(Some(Ok(())))));
    /// assert!(results.next_timeout(Duration::from_millis(1)).is_err());
    /// # pool.terminate();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Result<R, TaskError>>, WaitTimeoutError> {
        self.next_until(deadline_after(timeout)).map_err(|Elapsed| WaitTimeoutError::of_one())
    }

    #[inline]
    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Result<R, TaskError>>, Elapsed> {
        let Some(feed) = self.feed.feed.as_mut() else { return Ok(None) };
        let (current, early, next) = (&self.current, &self.early, self.next);
        let is_there = || current.as_ref().is_some_and(|batch| batch.count() > 0) || early.contains_key(&next);
        feed.refill(deadline, |_| is_there());
        loop {
            if let Some(batch) = self.current.as_mut().filter(|batch| batch.count() > 0) {
                // Counted first, because decoding runs code of the user's, which may panic.
                self.next += 1;
                feed.count_given();
                let Some((_, result)) = batch.next() else { return Ok(None) };
                self.feed.check(&result);
                if self.feed.feed.is_none() {
                    (self.current, self.early) = (None, BTreeMap::new());
                }
                return Ok(Some(result));
            }
            // A batch holds consecutive results, so the next one begins a batch.
            self.current = self.early.remove(&self.next);
            if self.current.is_none() {
                let Some(batch) = feed.next_batch(deadline)? else { return Ok(None) };
                self.early.insert(batch.first(), batch);
            }
        }
    }
}

impl<A, I, R> ImapUnordered<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    /// Returns the next result as [`Imap::next_timeout`] does.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError`]: no result has come in time.
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = pool.imap_unordered(|()| std::thread::sleep(Duration::from_secs(3600)), [()]);
    /// let error = results.next_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.to_string(), "1 of 1 results have not come in time");
    /// # pool.terminate();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Result<R, TaskError>>, WaitTimeoutError> {
        self.next_until(deadline_after(timeout)).map_err(|Elapsed| WaitTimeoutError::of_one())
    }

    #[inline]
    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Result<R, TaskError>>, Elapsed> {
        let Some(feed) = self.feed.feed.as_mut() else { return Ok(None) };
        let Some((_, result)) = feed.next_any(deadline)? else { return Ok(None) };
        self.feed.check(&result);
        Ok(Some(result))
    }
}

/// The traits of an iterator over results, which both have.
macro_rules! iterator {
    ($name:ident) => {
        impl<A, I, R> Iterator for $name<'_, I, R>
        where
            A: Serialize,
            I: Iterator<Item = A>,
            R: DeserializeOwned,
        {
            type Item = Result<R, TaskError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                self.next_until(None).unwrap_or_default()
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.feed.size_hint()
            }
        }

        impl<A, I, R> ExactSizeIterator for $name<'_, I, R>
        where
            A: Serialize,
            I: ExactSizeIterator<Item = A>,
            R: DeserializeOwned,
        {
        }

        impl<A, I, R> FusedIterator for $name<'_, I, R>
        where
            A: Serialize,
            I: Iterator<Item = A>,
            R: DeserializeOwned,
        {
        }

        impl<I: Iterator, R> fmt::Debug for $name<'_, I, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let PolicedFeed { feed, policy } = &self.feed;
                f.debug_struct(stringify!($name)).field("feed", feed).field("policy", policy).finish_non_exhaustive()
            }
        }
    };
}

iterator!(Imap);
iterator!(ImapUnordered);
