//! The methods of [`Manager`] that make a pool in it.

use procession_pool::{Pool, PoolBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apply_on::Open;
use super::error::PoolProxyError;
use super::hosted::Hosted;
use super::pool_proxy::PoolProxy;
use crate::api::manager::Manager;

impl Manager {
    /// Makes a [`Pool`] of so many workers in the manager.
    ///
    /// # Errors
    ///
    /// The pool could not be made, or the manager is gone.
    ///
    /// ```
    /// use procession_manager::{Manager, PoolProxy};
    /// use procession_process::Process;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool(2)?;
    /// let client = |pool: PoolProxy| pool.map(|n: u64| n * n, 0..5).unwrap();
    /// let process = Process::spawn(client, pool.clone())?;
    /// assert_eq!(process.join()?, [0, 1, 4, 9, 16]);
    /// assert_eq!(pool.apply(|(a, b): (u32, u32)| a + b, (3, 4))?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SyncManager.Pool")]
    pub fn pool(&self, workers: usize) -> Result<PoolProxy, PoolProxyError> {
        self.pool_from(|workers| Pool::builder().workers(workers), workers)
    }

    /// Makes a [`Pool`] in the manager, as a function describes it that runs there.
    ///
    /// # Errors
    ///
    /// As [`pool`](Manager::pool).
    ///
    /// ```
    /// use procession_manager::Manager;
    /// use procession_pool::Pool;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let pool = manager.pool_from(|greeting: String| {
    ///     Pool::builder().workers(1).initializer(|greeting: String| println!("{greeting}"), greeting)
    /// }, "a worker begins".to_owned())?;
    /// assert_eq!(pool.apply(|n: u8| n + 1, 1)?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool_from<A>(&self, describe: fn(A) -> PoolBuilder, argument: A) -> Result<PoolProxy, PoolProxyError>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        let proxy = self.create(|(): ()| Hosted::default(), ())?;
        let opened = proxy.post_given::<Open<A>, A, PoolBuilder, _>(describe, &argument)?;
        opened.wait()?.map_err(PoolProxyError::Start)?;
        Ok(PoolProxy::new(proxy))
    }
}
