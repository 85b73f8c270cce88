//! [`Job`]: one call of a pool before it is made, with what is asked for beside the function.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::time::Duration;

use procession_core::{Function, Method, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::run::Run;
use crate::task_error::Kind;
use crate::terms::{Tenure, Terms};
use crate::works::Work;
use crate::{FailurePolicy, Imap, ImapUnordered, Pool, TaskError};

/// A function that a pool is to apply, and on which terms. Made by [`Pool::job`].
///
/// ```
/// use procession_pool::Pool;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let lengths = pool.job(|word: String| word.len()).retries(2).timeout(Duration::from_secs(60));
/// assert_eq!(lengths.map(["salve", "ave"].map(str::to_owned))?, [5, 3]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a job does nothing until it is given items"]
pub struct Job<'pool, A, R> {
    plan: Plan<'pool>,
    types: PhantomData<fn(A) -> R>,
}

/// A job without its types.
pub(crate) struct Plan<'pool> {
    pub(crate) pool: &'pool Pool,
    /// Or why no task can be sent at all.
    pub(crate) work: Result<Work, Kind>,
    pub(crate) terms: Terms,
}

impl<'pool, A, R> Job<'pool, A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    pub(crate) fn new(pool: &'pool Pool, function: fn(A) -> R) -> Self {
        let work = Function::of(function).map(Work::Plain).map_err(|error| Kind::Unsendable(error.to_string()));
        Job::of(pool, work)
    }

    pub(crate) fn with<C>(pool: &'pool Pool, context: &C, function: fn(&C, A) -> R) -> Self
    where
        C: Serialize + DeserializeOwned + Any + Send + Sync,
    {
        Job::of(pool, with(context, function).map_err(Kind::Unsendable))
    }

    fn of(pool: &'pool Pool, work: Result<Work, Kind>) -> Self {
        let terms = Terms { chunk: pool.chunk_size(), ..Terms::default() };
        Job { plan: Plan { pool, work, terms }, types: PhantomData }
    }

    pub(crate) fn into_plan(self) -> Plan<'pool> {
        self.plan
    }

    /// What was asked for, or what is usual.
    fn policy(&self, usual: FailurePolicy) -> FailurePolicy {
        self.plan.terms.on_failure.unwrap_or(usual)
    }

    /// How many tasks stay together: a worker begins them at once, and none of them is given to somebody else then. Without
    /// this the pool measures how long they take, and chooses.
    ///
    /// A worker that dies loses one task, whatever the size of the chunks.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::num::NonZeroUsize;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).chunk_size(NonZeroUsize::MIN).map([1, 2])?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "chunksize")]
    pub fn chunk_size(mut self, size: NonZeroUsize) -> Self {
        self.plan.terms.chunk = Some(size);
        self
    }

    /// Declares that tasks may be repeated, and how often one that failed is tried again: because it panicked, its worker died or it
    /// ran for too long. Without this a task runs once at the most.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let dies_at_first = |marker: std::path::PathBuf| {
    ///     if std::fs::remove_file(marker).is_ok() {
    ///         std::process::abort();
    ///     }
    /// };
    /// let marker = tempfile::NamedTempFile::new()?.into_temp_path();
    /// Pool::new(1)?.job(dies_at_first).retries(1).map([marker.to_path_buf()])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retries(mut self, count: u32) -> Self {
        self.plan.terms.retries = count;
        self
    }

    /// How long a task may run, counted from its start. One that takes longer is stopped together with its worker, first by
    /// SIGTERM and a little later by SIGKILL, and another worker takes the place. Zero is refused: the tasks are errors, and none
    /// begins.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let naps = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    /// let results: Vec<_> = pool.job(naps).timeout(Duration::from_secs(2)).imap([0, 3600]).collect();
    /// assert!(results[0].is_ok() && results[1].as_ref().unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.terms.timeout = Some(timeout);
        if timeout.is_zero() {
            let text = "its time limit is zero, which leaves no task any time; leave `timeout` out for no limit";
            self.plan.work = Err(Kind::Unfit(text.to_owned()));
        }
        self
    }

    /// How long a task may wait, from when it was read from the input, before it begins. One that is not begun by then is not run
    /// at all.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.job(|n: u8| n + 1).deadline(Duration::from_secs(60)).map([1, 2])?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, patience: Duration) -> Self {
        self.plan.terms.patience = Some(patience);
        self
    }

    /// How many items [`imap`](Job::imap), [`imap_unordered`](Job::imap_unordered) and [`map`](Job::map) read ahead of the results
    /// that were given out, at the most. Without this the pool measures how long they take, and chooses.
    ///
    /// The input is read on the thread that asks for results, and while it blocks there, that thread cannot give any. So an input that
    /// is slow, or of which nobody knows how long it is, is read with care by `imap` and `imap_unordered`: each item is handed over before
    /// the next is read, results that are there go first, and those of tasks that are short against the pauses of the input are
    /// waited for. The result of a long task may still come behind the next item. With 1, never: an item is read only when the result
    /// of the one before it was given out, and one worker is busy at a time. That is for the lines that somebody types.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::num::NonZeroUsize;
    /// # use std::sync::mpsc;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let (say, said) = mpsc::channel();
    /// let mut answers = pool.job(|word: String| word.len()).read_ahead(NonZeroUsize::MIN).imap(said);
    /// for word in ["salve", "ave"] {
    ///     say.send(word.to_owned())?; // it does not wait for the next word
    ///     assert_eq!(answers.next().unwrap()?, word.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "buffersize")]
    pub fn read_ahead(mut self, items: NonZeroUsize) -> Self {
        self.plan.terms.read_ahead = Some(items);
        self
    }

    /// What becomes of the rest when a task fails. Without this it depends on where the results go.
    ///
    /// | | without this | [`FailFast`](FailurePolicy::FailFast) | [`CollectAll`](FailurePolicy::CollectAll) |
    /// | --- | --- | --- | --- |
    /// | `map`, `map_async` | fail fast | the error that came up first, at once | every task runs; then, of all errors, that of the first item |
    /// | `imap` | collect all | ends after the first error, in the order of the items | each item brings its result or error |
    /// | `imap_unordered` | collect all | ends after the first error to arrive | each item brings its result or error |
    /// | [`collect_all`](Job::collect_all) | collect all | the same | the same |
    ///
    /// What was cancelled never runs, unless a worker had it already and had begun. A single task has no rest, so `apply` and
    /// `apply_async` are the same under either.
    ///
    /// ```
    /// # use procession_pool::{FailurePolicy, Pool};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let job = pool.job(|n: u32| 12 / n).on_failure(FailurePolicy::CollectAll);
    /// assert_eq!(job.map([3, 0, 4, 0]).unwrap_err().index(), 1);
    /// assert_eq!((pool.stats().done, pool.stats().failed), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "return_when")]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.plan.terms.on_failure = Some(policy);
        self
    }

    /// As [`Pool::map`].
    ///
    /// # Errors
    ///
    /// As [`Pool::map`]; which of several errors it is, and when, is the [policy](Job::on_failure)'s to say.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.job(|n: u8| n + 1).map([1, 2])?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map(mut self, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError> {
        self.plan.terms.wants_all = true;
        if self.policy(FailurePolicy::FailFast) == FailurePolicy::FailFast {
            return Run::new(self.plan, items.into_iter()).collect();
        }
        let mut results = self.results(items);
        let all = results.by_ref().collect();
        // An error ends the collecting, and not the job.
        results.for_each(drop);
        all
    }

    /// Applies the function to each item, and answers what became of each: errors cancel nothing.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let results = Pool::new(2)?.job(|n: u32| 12 / n).collect_all([3, 0, 4]);
    /// assert_eq!(results.len(), 3);
    /// assert_eq!(results[2].as_ref().unwrap(), &3);
    /// assert!(results[1].as_ref().unwrap_err().is_panic());
    /// # Ok(())
    /// # }
    /// ```
    pub fn collect_all(mut self, items: impl IntoIterator<Item = A>) -> Vec<Result<R, TaskError>> {
        self.plan.terms.wants_all = true;
        self.on_failure(FailurePolicy::CollectAll).results(items).collect()
    }

    /// As [`Pool::imap`].
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sum: u64 = pool.job(|n: u64| n * n).imap(0..4).sum::<Result<_, _>>()?;
    /// assert_eq!(sum, 14);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<I: IntoIterator<Item = A>>(mut self, items: I) -> Imap<'pool, I::IntoIter, R> {
        self.plan.terms.tenure = Tenure::Stream;
        self.results(items)
    }

    /// As [`Pool::imap_unordered`].
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let sum: u64 = pool.job(|n: u64| n * n).imap_unordered(0..4).sum::<Result<_, _>>()?;
    /// assert_eq!(sum, 14);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<I: IntoIterator<Item = A>>(mut self, items: I) -> ImapUnordered<'pool, I::IntoIter, R> {
        self.plan.terms.tenure = Tenure::Stream;
        let policy = self.policy(FailurePolicy::CollectAll);
        ImapUnordered::new(Run::new(self.plan, items.into_iter()), policy)
    }

    /// As [`Pool::apply`].
    ///
    /// # Errors
    ///
    /// As [`Pool::apply`].
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// assert_eq!(Pool::new(1)?.job(|n: u8| n + 1).apply(1)?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply(self, item: A) -> Result<R, TaskError> {
        let mut run = Run::new(self.plan, std::iter::once(item));
        match run.next_any(None) {
            Ok(Some((_, result))) => result,
            _ => unreachable!("one item brings one result"),
        }
    }

    fn results<I: IntoIterator<Item = A>>(self, items: I) -> Imap<'pool, I::IntoIter, R> {
        let policy = self.policy(FailurePolicy::CollectAll);
        Imap::new(Run::new(self.plan, items.into_iter()), policy)
    }
}

impl<A, R> fmt::Debug for Job<'_, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Job { plan: Plan { work, terms, .. }, types: _ } = self;
        f.debug_struct("Job").field("work", work).field("terms", terms).finish()
    }
}

fn with<C, A, R>(context: &C, function: fn(&C, A) -> R) -> Result<Work, String>
where
    C: Serialize + DeserializeOwned + Any + Send + Sync,
    A: DeserializeOwned,
    R: Serialize,
{
    let method = Method::shared(function).map_err(|error| error.to_string())?;
    let make = Method::maker(same::<C>).map_err(|error| error.to_string())?;
    let context = codec::encode(context).map_err(|error| error.to_string())?;
    Ok(Work::With { make, context, method })
}

fn same<C>(context: C) -> C {
    context
}
