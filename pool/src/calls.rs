//! The calls of a [`Pool`]: `map` and `imap`, `apply`, and those with options.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Imap, ImapUnordered, Job, Pool, TaskError};

impl Pool {
    /// Applies a function to each item, and answers the results in the order of the items.
    ///
    /// The function is a plain one, a generic one, a method path, or a closure that captures nothing; several arguments are a tuple.
    /// The items are read on the calling thread, and not far ahead of the workers.
    ///
    /// # Errors
    ///
    /// The first error that comes up, at once; what has not begun is cancelled. To have every result and every error, use
    /// [`imap`](Pool::imap).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let words = ["salve", "ave"].map(str::to_owned);
    /// assert_eq!(pool.map(|word: String| word.len(), words)?, [5, 3]);
    /// assert_eq!(pool.map(|(base, exponent): (u64, u32)| base.pow(exponent), [(2, 10), (3, 4)])?, [1024, 81]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "starmap")]
    pub fn map<A, R>(&self, function: fn(A) -> R, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).map(items)
    }

    /// Applies a function to each item, lazily, and gives the results in the order of the items.
    ///
    /// Items are read when results are asked for, on the asking thread, so the input need not be finite, nor `'static`, nor
    /// `Send`. How far it is read ahead adapts to how long the items take, and is bounded: a few items for each worker where they take
    /// long, some thousands where they are short, and never more than 64 MiB of arguments and results beyond one item for
    /// each worker.
    ///
    /// Each item brings one `Result`, and errors do not end the iteration. With `?` or a `collect` into a `Result` it ends
    /// at the first error.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let halves = pool.imap(|n: u32| if n % 2 == 0 { n / 2 } else { panic!("{n} is odd") }, [6, 7, 8]);
    /// assert_eq!(halves.len(), 3);
    /// let halves: Vec<Option<u32>> = halves.map(Result::ok).collect();
    /// assert_eq!(halves, [Some(3), None, Some(4)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<A, R, I>(&self, function: fn(A) -> R, items: I) -> Imap<'_, I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.job(function).imap(items)
    }

    /// As [`imap`](Pool::imap), with each result as soon as it is there.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let mut squares: Vec<u64> = pool.imap_unordered(|n: u64| n * n, 0..4).collect::<Result<_, _>>()?;
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "as_completed")]
    pub fn imap_unordered<A, R, I>(&self, function: fn(A) -> R, items: I) -> ImapUnordered<'_, I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.job(function).imap_unordered(items)
    }

    /// Applies a function to one item, and waits for the result.
    ///
    /// # Errors
    ///
    /// It panicked, its worker died, or something could not be carried.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert_eq!(pool.apply(|(a, b): (u64, u64)| a * b, (6, 7))?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<A, R>(&self, function: fn(A) -> R, item: A) -> Result<R, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job(function).apply(item)
    }

    /// As [`map`](Pool::map), with something that all the tasks look at: it is sent to each worker once.
    ///
    /// # Errors
    ///
    /// As [`map`](Pool::map).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// let dictionary = vec!["salve".to_owned(), "vale".to_owned()];
    /// let known = pool.map_with(&dictionary, |words, word: String| words.contains(&word), ["vale".to_owned(), "hello".to_owned()])?;
    /// assert_eq!(known, [true, false]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_with<C, A, R>(
        &self,
        context: &C,
        function: fn(&C, A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, TaskError>
    where
        C: Serialize + DeserializeOwned + Any + Send + Sync,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.job_with(context, function).map(items)
    }

    /// A call with options: how often a failed task is tried again, how long it may take, and so on.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.job(|n: u64| n * n).retries(3).map(0..4)?, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn job<A, R>(&self, function: fn(A) -> R) -> Job<'_, A, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Job::new(self, function)
    }

    /// A call with options and with something that all the tasks look at, as in [`map_with`](Pool::map_with).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.job_with(&10, |base, n: u64| base + n).retries(1).map(0..3)?, [10, 11, 12]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn job_with<C, A, R>(&self, context: &C, function: fn(&C, A) -> R) -> Job<'_, A, R>
    where
        C: Serialize + DeserializeOwned + Any + Send + Sync,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Job::with(self, context, function)
    }
}
