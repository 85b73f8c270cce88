//! The calls of a [`PoolProxy`]: `apply` and `map`, waited for or not.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::{Apply, Map};
use super::error::PoolProxyError;
use super::hosted::TaskTicket;
use super::imap::{PoolImap, PoolImapUnordered};
use super::pending::PoolPending;
use super::pool_proxy::PoolProxy;

impl PoolProxy {
    /// Applies a function to one item in a worker, and waits for the result. See [`Pool::apply`](procession_pool::Pool::apply).
    ///
    /// # Errors
    ///
    /// See [`PoolProxyError`].
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// assert_ne!(pool.apply(|(): ()| std::process::id(), ())?, manager.child().id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<A, R>(&self, function: fn(A) -> R, item: A) -> Result<R, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.apply_async(function, item)?.wait()
    }

    /// As [`apply`](PoolProxy::apply), and waits for so long at the most. The task is not stopped when the time is over.
    ///
    /// # Errors
    ///
    /// As [`apply`](PoolProxy::apply), and [`PoolProxyError::is_timeout`].
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use std::{thread, time::Duration};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let late = pool.apply_timeout(|n| thread::sleep(Duration::from_secs(n)), 3600, Duration::from_millis(10));
    /// assert!(late.unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_timeout<A, R>(&self, function: fn(A) -> R, item: A, timeout: Duration) -> Result<R, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.apply_async(function, item)?.wait_timeout(timeout)
    }

    /// Applies a function to one item in a worker, and goes on.
    ///
    /// # Errors
    ///
    /// The call cannot be sent. What happens to the task is told by the [`PoolPending`].
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(1)?;
    /// let lengths = ["so", "it", "goes"].map(|word| pool.apply_async(|word: String| word.len(), word.to_owned()));
    /// for length in lengths {
    ///     assert!(length?.wait()? < 5);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_async<A, R>(&self, function: fn(A) -> R, item: A) -> Result<PoolPending<R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        let ticket = TaskTicket::next();
        let posted = self.proxy().post_given::<Apply, A, R, _>(function, &(item, ticket))?;
        Ok(PoolPending::new(posted, ticket, self.host()))
    }

    /// Applies a function to all items, in all workers, and waits for the results, which come in the order of the items. The first
    /// error ends it.
    ///
    /// # Errors
    ///
    /// See [`PoolProxyError`].
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// assert_eq!(pool.map(|word: String| word.len(), ["so", "it", "goes"].map(String::from))?, [2, 2, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "starmap")]
    pub fn map<A, R>(&self, function: fn(A) -> R, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.map_async(function, items)?.wait()
    }

    /// As [`map`](PoolProxy::map), and waits for so long at the most. The tasks are not stopped when the time is over.
    ///
    /// # Errors
    ///
    /// As [`map`](PoolProxy::map), and [`PoolProxyError::is_timeout`].
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let doubled = manager.pool(2)?.map_timeout(|n: u32| n * 2, [1, 2], std::time::Duration::from_secs(60))?;
    /// assert_eq!(doubled, [2, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_timeout<A, R>(
        &self,
        function: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> Result<Vec<R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.map_async(function, items)?.wait_timeout(timeout)
    }

    /// Applies a function to all items, and goes on.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](PoolProxy::apply_async).
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let squares = pool.map_async(|n: u32| n * n, 0..3)?;
    /// assert_eq!(squares.wait()?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "starmap_async")]
    pub fn map_async<A, R>(
        &self,
        function: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
    ) -> Result<PoolPending<Vec<R>>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.map_in_chunks(function, items, None)
    }

    /// As [`map_async`](PoolProxy::map_async), in chunks of so many items, where `None` leaves it to the pool.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](PoolProxy::apply_async).
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let squares = pool.map_in_chunks(|n: u32| n * n, 0..3, std::num::NonZeroUsize::new(1))?;
    /// assert_eq!(squares.wait()?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "chunksize")]
    pub fn map_in_chunks<A, R>(
        &self,
        function: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
        chunk: Option<NonZeroUsize>,
    ) -> Result<PoolPending<Vec<R>>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
    {
        let ticket = TaskTicket::next();
        let argument = (items.into_iter().collect(), chunk, ticket);
        let posted = self.proxy().post_given::<Map, A, R, _>(function, &argument)?;
        Ok(PoolPending::new(posted, ticket, self.host()))
    }

    /// Applies a function to the items one by one, lazily, and brings each result in the order of the items.
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let squares: Result<Vec<u64>, _> = pool.imap(|n: u64| n * n, 0..)?.take(4).collect();
    /// assert_eq!(squares?, [0, 1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<PoolImap<I::IntoIter, A, R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = A>,
    {
        PoolImap::near(self, function, items.into_iter())
    }

    /// As [`imap`](PoolProxy::imap), and brings each result as soon as it is there, with the place of its item.
    ///
    /// # Errors
    ///
    /// As [`imap`](PoolProxy::imap).
    ///
    /// ```
    /// use procession_manager::Manager;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// for (place, square) in pool.imap_unordered(|n: u64| n * n, 0..10)? {
    ///     assert_eq!(square?, place * place);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<A, R, I>(
        &self,
        function: fn(A) -> R,
        items: I,
    ) -> Result<PoolImapUnordered<I::IntoIter, A, R>, PoolProxyError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = A>,
    {
        PoolImapUnordered::near(self, function, items.into_iter())
    }
}
