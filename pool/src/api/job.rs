//! [`Job`]: one call of a pool before it is made, with its options.

use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::async_result::AsyncResult;
use super::imap::{Imap, ImapUnordered};
use crate::caller::detached::{decode_all, decode_one, submit_all};
use crate::caller::feed::JobFeed;
use crate::caller::job_spec::JobSpec;
use crate::model::failure_info::FailureKind;
use crate::model::failure_policy::FailurePolicy;
use crate::model::options::JobLifetime;
use crate::model::task_error::TaskError;

/// A function that a pool is to apply, with the options of the call. Made by [`Pool::job`](crate::Pool::job).
///
/// ```
/// use procession_pool::Pool;
/// use std::time::Duration;
///
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let lengths = pool.job(|word: String| word.len()).retries(2).timeout(Duration::from_secs(60));
/// assert_eq!(lengths.map(["salve", "ave"].map(str::to_owned))?, [5, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a job does nothing until it is given items"]
pub struct Job<'pool, A, R> {
    spec: JobSpec<'pool>,
    types: PhantomData<fn(A) -> R>,
}

impl<'pool, A, R> Job<'pool, A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    pub(super) fn new(spec: JobSpec<'pool>) -> Self {
        Job { spec, types: PhantomData }
    }

    /// Returns the policy that was asked for, or the default of the call.
    fn policy(&self, default: FailurePolicy) -> FailurePolicy {
        self.spec.options.on_failure.unwrap_or(default)
    }

    /// Sets the number of tasks that a worker starts together; they stay with that worker then. Without it, the pool measures how
    /// long tasks take and chooses.
    ///
    /// A worker that dies loses one task, whatever the size of the chunks.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).chunk_size(2.try_into()?).map([1, 2])?, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "chunksize")]
    pub fn chunk_size(mut self, size: NonZeroUsize) -> Self {
        self.spec.options.chunk_size = Some(size);
        self
    }

    /// Sets how often a failed task is tried again: it panicked, its worker died, or it ran for too long. It declares that tasks may be
    /// repeated. Without it a task runs at most once.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let dies_at_first = |marker: std::path::PathBuf| {
    ///     if std::fs::remove_file(marker).is_ok() {
    ///         std::process::abort();
    ///     }
    /// };
    /// let marker = tempfile::NamedTempFile::new()?.into_temp_path();
    /// Pool::new(1)?.job(dies_at_first).retries(1).map([marker.to_path_buf()])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(mut self, count: u32) -> Self {
        self.spec.options.retries = count;
        self
    }

    /// Limits the time that a task runs, from its start.
    ///
    /// A task that takes longer is stopped together with its worker, first by SIGTERM and a little later by SIGKILL, and another
    /// worker takes the place. Zero is refused: the tasks are errors, and none starts.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let naps = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    /// let results: Vec<_> = pool.job(naps).timeout(Duration::from_secs(2)).imap([0, 3600]).collect();
    /// assert!(results[0].is_ok() && results[1].as_ref().unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.spec.options.timeout = Some(timeout);
        if timeout.is_zero() {
            let text = "its time limit is zero, which leaves no task any time; leave `timeout` out for no limit";
            self.spec.function = Err(FailureKind::Invalid(text.to_owned()));
        }
        self
    }

    /// Limits the time that a task waits, from when it was read from the input until it starts. A task that has not started by then
    /// is not run.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).queue_timeout(Duration::from_secs(60)).map([1, 2])?, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.spec.options.queue_timeout = Some(timeout);
        self
    }

    /// The former name of [`queue_timeout`](Job::queue_timeout).
    ///
    /// ```
    /// # #![allow(deprecated)]
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.job(|n: u8| n + 1).deadline(std::time::Duration::from_secs(60)).map([1])?, [2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[deprecated(note = "use `queue_timeout`, which is the same")]
    pub fn deadline(self, timeout: Duration) -> Self {
        self.queue_timeout(timeout)
    }

    /// Limits the number of items that [`imap`](Job::imap), [`imap_unordered`](Job::imap_unordered) and [`map`](Job::map) read before
    /// the results of earlier ones were given out. Without it, the pool measures how long tasks take and chooses.
    ///
    /// The input is read on the thread that asks for results, and while the input blocks, that thread can return none. So `imap` and
    /// `imap_unordered` are careful with an input that was slow, or whose length is unknown: each item is submitted before the next is
    /// read, results that are there go first, and those of short tasks are waited for. The result of a long task may still come behind
    /// the next item. With 1 it never does: an item is read only when the result of the one before was given out, and one worker is
    /// busy at a time. That suits lines typed by a person.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::sync::mpsc;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let (sender, words) = mpsc::channel();
    /// let mut lengths = pool.job(|word: String| word.len()).read_ahead(1.try_into()?).imap(words);
    /// for word in ["salve", "ave"] {
    ///     sender.send(word.to_owned())?; // it does not wait for the next word
    ///     assert_eq!(lengths.next().unwrap()?, word.len());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "buffersize")]
    pub fn read_ahead(mut self, items: NonZeroUsize) -> Self {
        self.spec.options.read_ahead = Some(items);
        self
    }

    /// Sets what happens to the rest when a task fails. The default depends on the call.
    ///
    /// | | default | [`FailFast`](FailurePolicy::FailFast) | [`CollectAll`](FailurePolicy::CollectAll) |
    /// | --- | --- | --- | --- |
    /// | `map`, `map_async` | fail fast | the first error to arrive, at once | every task runs; then, of all errors, that of the first item |
    /// | `imap` | collect all | ends after the first error, in the order of the items | each item yields its result or error |
    /// | `imap_unordered` | collect all | ends after the first error to arrive | each item yields its result or error |
    /// | [`collect_all`](Job::collect_all) | collect all | the same | the same |
    ///
    /// A cancelled task never runs, unless a worker had started it. A single task has no rest, so `apply` and `apply_async` are the
    /// same under either.
    ///
    /// ```
    /// # use procession_pool::{FailurePolicy, Pool};
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let job = pool.job(|n: u32| 12 / n).on_failure(FailurePolicy::CollectAll);
    /// assert_eq!(job.map([3, 0, 4, 0]).unwrap_err().index(), 1);
    /// assert_eq!((pool.stats().done, pool.stats().failed), (2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "return_when")]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.spec.options.on_failure = Some(policy);
        self
    }

    /// Applies the function as [`Pool::map`](crate::Pool::map) does.
    ///
    /// # Errors
    ///
    /// A [`TaskError`]: the first to arrive, or that of the first item, as the [policy](Job::on_failure) says.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.job(|n: u8| n + 1).map([1, 2])?, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map(mut self, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError> {
        self.spec.options.collect_all = true;
        if self.policy(FailurePolicy::FailFast) == FailurePolicy::FailFast {
            return JobFeed::new(self.spec, items.into_iter()).collect();
        }
        let mut results = self.ordered(items);
        let all = results.by_ref().collect();
        // An error ends the collecting, and not the job.
        results.for_each(drop);
        all
    }

    /// Applies the function to each item, and returns every result and every error. Errors cancel nothing.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let results = Pool::new(2)?.job(|n: u32| 12 / n).collect_all([3, 0, 4]);
    /// assert_eq!(results.len(), 3);
    /// assert_eq!(results[2].as_ref().unwrap(), &3);
    /// assert!(results[1].as_ref().unwrap_err().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect_all(mut self, items: impl IntoIterator<Item = A>) -> Vec<Result<R, TaskError>> {
        self.spec.options.collect_all = true;
        self.on_failure(FailurePolicy::CollectAll).ordered(items).collect()
    }

    /// Applies the function as [`Pool::imap`](crate::Pool::imap) does.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sum: u64 = pool.job(|n: u64| n * n).imap(0..4).sum::<Result<_, _>>()?;
    /// assert_eq!(sum, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap<I: IntoIterator<Item = A>>(mut self, items: I) -> Imap<'pool, I::IntoIter, R> {
        self.spec.options.lifetime = JobLifetime::Stream;
        self.ordered(items)
    }

    /// Applies the function as [`Pool::imap_unordered`](crate::Pool::imap_unordered) does.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sum: u64 = pool.job(|n: u64| n * n).imap_unordered(0..4).sum::<Result<_, _>>()?;
    /// assert_eq!(sum, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered<I: IntoIterator<Item = A>>(mut self, items: I) -> ImapUnordered<'pool, I::IntoIter, R> {
        self.spec.options.lifetime = JobLifetime::Stream;
        let policy = self.policy(FailurePolicy::CollectAll);
        ImapUnordered::new(JobFeed::new(self.spec, items.into_iter()), policy)
    }

    /// Applies the function as [`Pool::apply`](crate::Pool::apply) does.
    ///
    /// # Errors
    ///
    /// [`TaskError`]: the function panicked, its worker died, or a value could not be sent.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.job(|n: u8| n + 1).apply(1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(self, item: A) -> Result<R, TaskError> {
        let mut feed = JobFeed::new(self.spec, iter::once(item));
        match feed.next_any(None) {
            Ok(Some((_, result))) => result,
            _ => unreachable!("one item brings one result"),
        }
    }

    /// Submits one task as [`Pool::apply_async`](crate::Pool::apply_async) does.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).retries(1).apply_async(1).get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_async(self, argument: A) -> AsyncResult<R> {
        AsyncResult::new(submit_all(self.spec, [argument]), decode_one)
    }

    /// Submits a task for each item as [`Pool::map_async`](crate::Pool::map_async) does. The [policy](Job::on_failure) says which of several errors it
    /// returns, and when.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).retries(1).map_async([1, 2]).get()?, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_async(mut self, items: impl IntoIterator<Item = A>) -> AsyncResult<Vec<R>> {
        self.spec.options.collect_all = true;
        AsyncResult::new(submit_all(self.spec, items), decode_all)
    }

    fn ordered<I: IntoIterator<Item = A>>(self, items: I) -> Imap<'pool, I::IntoIter, R> {
        let policy = self.policy(FailurePolicy::CollectAll);
        Imap::new(JobFeed::new(self.spec, items.into_iter()), policy)
    }
}

impl<A, R> fmt::Debug for Job<'_, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Job { spec: JobSpec { function, options, .. }, types: _ } = self;
        f.debug_struct("Job").field("function", function).field("options", options).finish()
    }
}
