//! [`Imap`] and [`ImapUnordered`]: results as they come, one by one.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::parcel::Parcel;
use crate::run::{Late, Run};
use crate::{FailurePolicy, TaskError, WaitTimeoutError};

/// The results of a job in the order of its input. Made by [`Pool::imap`](crate::Pool::imap).
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let mut squares = pool.imap(|n: u64| n * n, 0..);
/// assert_eq!(squares.nth(1000).unwrap()?, 1_000_000);
/// # Ok(())
/// # }
/// ```
///
/// It reads its input when it is itself asked for a result, on the asking thread, and never far ahead; one that is slow gets
/// [special care](crate::Job::read_ahead). Dropping it cancels what
/// has not begun. Each item of the input brings one result or one error, and an error does not end it, unless its
/// [policy](crate::Job::on_failure) is to fail fast: then the first error is the last that it gives, and its length, up to then, is
/// that of a job in which nothing fails.
#[doc(alias = "buffersize")]
#[must_use = "iterators are lazy: nothing runs until results are asked for"]
pub struct Imap<'pool, I: Iterator, R> {
    /// `None` when an error was its end.
    run: Option<Run<'pool, I, R>>,
    policy: FailurePolicy,
    /// The index of the result to be given out next.
    next: u64,
    /// Results whose turn it is.
    current: Option<Parcel>,
    /// Results that have arrived before their turn, by the first of them.
    early: BTreeMap<u64, Parcel>,
}

/// The results of a job in the order in which they arrive. Made by [`Pool::imap_unordered`](crate::Pool::imap_unordered).
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let total: u32 = pool.imap_unordered(|n: u32| n * 2, 0..100).sum::<Result<_, _>>()?;
/// assert_eq!(total, 9900);
/// # Ok(())
/// # }
/// ```
///
/// Which item an error belongs to is told by [`TaskError::index`]; let the function return its argument beside its result where
/// it matters for values too. In all else it is as [`Imap`].
#[must_use = "iterators are lazy: nothing runs until results are asked for"]
pub struct ImapUnordered<'pool, I: Iterator, R> {
    /// `None` when an error was its end.
    run: Option<Run<'pool, I, R>>,
    policy: FailurePolicy,
}

impl<'pool, I: Iterator, R> Imap<'pool, I, R> {
    pub(crate) fn new(run: Run<'pool, I, R>, policy: FailurePolicy) -> Self {
        Imap { run: Some(run), policy, next: 0, current: None, early: BTreeMap::new() }
    }

    /// Ends here; what is left is cancelled.
    #[cold]
    fn end(&mut self) {
        (self.run, self.current) = (None, None);
        self.early.clear();
    }
}

impl<'pool, I: Iterator, R> ImapUnordered<'pool, I, R> {
    pub(crate) fn new(run: Run<'pool, I, R>, policy: FailurePolicy) -> Self {
        ImapUnordered { run: Some(run), policy }
    }
}

impl<A, I, R> Imap<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    /// As [`next`](Iterator::next), waiting for `timeout` at the longest. What comes later is not lost: the next call gives it.
    ///
    /// The time that it takes to read the input, which happens on this thread, is not counted.
    ///
    /// # Errors
    ///
    /// The next result was not there in time.
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let sleep = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    /// let mut results = pool.imap(sleep, [0, 3600]);
    /// assert!(matches!(results.next_timeout(Duration::from_secs(60)), Ok(Some(Ok(())))));
    /// assert!(results.next_timeout(Duration::from_millis(1)).is_err());
    /// # pool.terminate();
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Result<R, TaskError>>, WaitTimeoutError> {
        self.next_until(deadline_after(timeout)).map_err(|Late| WaitTimeoutError::of_one())
    }

    #[inline]
    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Result<R, TaskError>>, Late> {
        let Some(run) = self.run.as_mut() else { return Ok(None) };
        let (current, early, next) = (&self.current, &self.early, self.next);
        let is_there = || current.as_ref().is_some_and(|parcel| parcel.count() > 0) || early.contains_key(&next);
        run.keep_full(deadline, |_| is_there());
        loop {
            if let Some(parcel) = self.current.as_mut().filter(|parcel| parcel.count() > 0) {
                // Counted first: to decode it is code of the user's.
                self.next += 1;
                run.gave();
                let Some((_, result)) = parcel.next() else { return Ok(None) };
                if self.policy == FailurePolicy::FailFast && result.is_err() {
                    self.end();
                }
                return Ok(Some(result));
            }
            self.current = self.early.remove(&self.next);
            if self.current.is_none() {
                let Some(parcel) = run.next_parcel(deadline)? else { return Ok(None) };
                self.early.insert(parcel.first(), parcel);
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
    /// As [`Imap::next_timeout`].
    ///
    /// # Errors
    ///
    /// No result was there in time.
    ///
    /// ```
    /// use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let mut results = pool.imap_unordered(|()| std::thread::sleep(Duration::from_secs(3600)), [()]);
    /// let error = results.next_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.to_string(), "1 of 1 results have not come in time");
    /// # pool.terminate();
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Result<R, TaskError>>, WaitTimeoutError> {
        self.next_until(deadline_after(timeout)).map_err(|Late| WaitTimeoutError::of_one())
    }

    #[inline]
    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Result<R, TaskError>>, Late> {
        let Some(run) = self.run.as_mut() else { return Ok(None) };
        let Some((_, result)) = run.next_any(deadline)? else { return Ok(None) };
        if self.policy == FailurePolicy::FailFast && result.is_err() {
            self.run = None;
        }
        Ok(Some(result))
    }
}

impl<A, I, R> Iterator for Imap<'_, I, R>
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
        size_hint(self.run.as_ref(), self.policy)
    }
}

impl<A, I, R> Iterator for ImapUnordered<'_, I, R>
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
        size_hint(self.run.as_ref(), self.policy)
    }
}

/// How many results are to come where nothing fails. Where an error would be the end, only an exact number is given out: a lower bound
/// of an endless input is no lower bound then.
fn size_hint<A, I, R>(run: Option<&Run<'_, I, R>>, policy: FailurePolicy) -> (usize, Option<usize>)
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
    let Some((least, most)) = run.map(Run::size_hint) else { return (0, Some(0)) };
    let is_sure = policy == FailurePolicy::CollectAll || most == Some(least);
    (if is_sure { least } else { 0 }, most)
}

impl<A, I, R> ExactSizeIterator for Imap<'_, I, R>
where
    A: Serialize,
    I: ExactSizeIterator<Item = A>,
    R: DeserializeOwned,
{
}

impl<A, I, R> ExactSizeIterator for ImapUnordered<'_, I, R>
where
    A: Serialize,
    I: ExactSizeIterator<Item = A>,
    R: DeserializeOwned,
{
}

impl<A, I, R> FusedIterator for Imap<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
}

impl<A, I, R> FusedIterator for ImapUnordered<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned,
{
}

impl<I: Iterator, R> fmt::Debug for Imap<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imap { run, policy, next, early, current: _ } = self;
        f.debug_struct("Imap")
            .field("run", run)
            .field("policy", policy)
            .field("next", next)
            .field("early", &early.len())
            .finish()
    }
}

impl<I: Iterator, R> fmt::Debug for ImapUnordered<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImapUnordered { run, policy } = self;
        f.debug_struct("ImapUnordered").field("run", run).field("policy", policy).finish()
    }
}
