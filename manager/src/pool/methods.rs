//! The macro that writes the methods of the handles on a managed pool, which differ in how they name a function.

/// Writes them for a handle with a method `managed`, and a method `job` that takes the function.
macro_rules! pool_methods {
    ($pool:ident, $function:ident: $type:ty) => {
        impl $pool {
            /// Returns the number of workers of the pool.
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            pub fn workers(&self) -> Result<usize, CallError> {
                self.managed().workers()
            }

            /// Takes no more tasks, and lets those end that there are. See [`Pool::close`](procession_pool::Pool::close).
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            pub fn close(&self) -> Result<(), CallError> {
                self.managed().close()
            }

            /// Stops all workers now. Tasks that have not ended bring errors. See
            /// [`Pool::terminate`](procession_pool::Pool::terminate).
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            pub fn terminate(&self) -> Result<(), CallError> {
                self.managed().terminate()
            }

            /// Waits until all workers have left, after [`close`](Self::close) or [`terminate`](Self::terminate), which another
            /// client may still call meanwhile. See [`Pool::join`](procession_pool::Pool::join).
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            pub fn join(&self) -> Result<(), CallError> {
                self.managed().join()
            }

            /// Waits up to `timeout` until all workers have left. Returns whether they have.
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`](crate::CallError::ManagerGone).
            pub fn join_timeout(&self, timeout: Duration) -> Result<bool, CallError> {
                self.managed().join_timeout(timeout)
            }

            /// Calls [`ManagedJob::apply`] of this [`job`](Self::job).
            ///
            /// # Errors
            ///
            /// [`PoolProxyError::Task`] or [`PoolProxyError::Call`].
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
