//! The macro that writes the methods of the handles on a managed pool, which differ in how they name a function.

/// Writes them for a handle with a method `managed`, and a method `job` that takes the function. The literals are code for the
/// examples: what makes a `pool` of two workers, and a function that squares a `u64`.
macro_rules! pool_methods {
    ($pool:ident, $function:ident: $type:ty, $setup:literal, $square:literal) => {
        impl $pool {
            /// Returns the number of workers of the pool.
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            ///
            /// ```
            #[doc = concat!($setup)]
            /// assert_eq!(pool.workers()?, 2);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn workers(&self) -> Result<usize, CallError> {
                self.managed().workers()
            }

            /// Takes no more tasks, and lets those end that there are. See [`Pool::close`](procession_pool::Pool::close).
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("let last = pool.apply_async::<u64, u64>(", $square, ", 3)?;")]
            /// pool.close()?;
            /// pool.join()?;
            /// assert_eq!(last.wait()?, 9);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn close(&self) -> Result<(), CallError> {
                self.managed().close()
            }

            /// Stops all workers now. Tasks that have not ended bring errors. See
            /// [`Pool::terminate`](procession_pool::Pool::terminate).
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            ///
            /// ```
            #[doc = concat!($setup)]
            /// pool.terminate()?;
            #[doc = concat!("assert!(pool.apply::<u64, u64>(", $square, ", 3).is_err());")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn terminate(&self) -> Result<(), CallError> {
                self.managed().terminate()
            }

            /// Waits until all workers have left, after [`close`](Self::close) or [`terminate`](Self::terminate), which another
            /// client may still call meanwhile. See [`Pool::join`](procession_pool::Pool::join).
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("let last = pool.map_async::<u64, u64>(", $square, ", [1, 2])?;")]
            /// pool.close()?;
            /// pool.join()?;
            /// assert_eq!(last.wait()?, [1, 4]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn join(&self) -> Result<(), CallError> {
                self.managed().join()
            }

            /// Waits up to `timeout` until all workers have left. Returns whether they have.
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            ///
            /// ```
            #[doc = concat!($setup)]
            /// pool.terminate()?;
            /// assert!(pool.join_timeout(std::time::Duration::from_secs(60))?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
                self.managed().join_timeout(timeout)
            }

            /// Calls [`ManagedJob::apply`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Task`] or [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("assert_eq!(pool.apply::<u64, u64>(", $square, ", 7)?, 49);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn apply<A, R>(&self, $function: $type, item: A) -> Result<R, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).apply(item)
            }

            /// Calls [`ManagedJob::apply_timeout`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Task`] or [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("assert_eq!(pool.apply_timeout::<u64, u64>(", $square, ", 7, std::time::Duration::from_secs(60))?, 49);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn apply_timeout<A, R>(&self, $function: $type, item: A, timeout: Duration) -> Result<R, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).apply_timeout(item, timeout)
            }

            /// Calls [`ManagedJob::apply_async`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("assert_eq!(pool.apply_async::<u64, u64>(", $square, ", 7)?.wait()?, 49);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn apply_async<A, R>(&self, $function: $type, item: A) -> Result<PoolPending<R>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).apply_async(item)
            }

            /// Calls [`ManagedJob::map`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Task`] or [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("assert_eq!(pool.map::<u64, u64>(", $square, ", [3, 4])?, [9, 16]);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "starmap")]
            pub fn map<A, R>(
                &self,
                $function: $type,
                items: impl IntoIterator<Item = A>,
            ) -> Result<Vec<R>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).map(items)
            }

            /// Calls [`ManagedJob::map_timeout`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Task`] or [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("assert_eq!(pool.map_timeout::<u64, u64>(", $square, ", [3, 4], std::time::Duration::from_secs(60))?, [9, 16]);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn map_timeout<A, R>(
                &self,
                $function: $type,
                items: impl IntoIterator<Item = A>,
                timeout: Duration,
            ) -> Result<Vec<R>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).map_timeout(items, timeout)
            }

            /// Calls [`ManagedJob::map_async`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("assert_eq!(pool.map_async::<u64, u64>(", $square, ", [3, 4])?.wait()?, [9, 16]);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "starmap_async")]
            pub fn map_async<A, R>(
                &self,
                $function: $type,
                items: impl IntoIterator<Item = A>,
            ) -> Result<PoolPending<Vec<R>>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).map_async(items)
            }

            /// Calls [`ManagedJob::map_in_chunks`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            /// let chunk = std::num::NonZeroUsize::new(1);
            #[doc = concat!("assert_eq!(pool.map_in_chunks::<u64, u64>(", $square, ", [3, 4], chunk)?.wait()?, [9, 16]);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "chunksize")]
            pub fn map_in_chunks<A, R>(
                &self,
                $function: $type,
                items: impl IntoIterator<Item = A>,
                chunk: Option<NonZeroUsize>,
            ) -> Result<PoolPending<Vec<R>>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
            {
                self.job($function).map_in_chunks(items, chunk)
            }

            /// Calls [`ManagedJob::imap`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("let squares: Result<Vec<u64>, _> = pool.imap::<u64, u64, _>(", $square, ", 0..)?.take(3).collect();")]
            /// assert_eq!(squares?, [0, 1, 4]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn imap<A, R, I>(
                &self,
                $function: $type,
                items: I,
            ) -> Result<PoolImap<I::IntoIter, A, R>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
                I: IntoIterator<Item = A>,
            {
                self.job($function).imap(items)
            }

            /// Calls [`ManagedJob::imap_unordered`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Call`].
            ///
            /// ```
            #[doc = concat!($setup)]
            #[doc = concat!("let squares = pool.imap_unordered::<u64, u64, _>(", $square, ", 0..3)?;")]
            /// assert_eq!(squares.map(|(_, square)| square.unwrap()).sum::<u64>(), 5);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn imap_unordered<A, R, I>(
                &self,
                $function: $type,
                items: I,
            ) -> Result<PoolImapUnordered<I::IntoIter, A, R>, PoolProxyError>
            where
                A: Serialize + DeserializeOwned,
                R: Serialize + DeserializeOwned + 'static,
                I: IntoIterator<Item = A>,
            {
                self.job($function).imap_unordered(items)
            }
        }
    };
}

pub(super) use pool_methods;
