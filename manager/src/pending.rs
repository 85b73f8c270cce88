//! [`Pending`]: a call that was sent and not waited for.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::codec;
use procession_core::os::poll::deadline_after;
use serde::de::DeserializeOwned;

use crate::client::{Handle, Link, Posted};
use crate::error::CallError;

/// The result of a call that was sent with [`Proxy::post`](crate::Proxy::post).
///
/// Dropping it does not take the call back: its result, or its failure, is then of interest to nobody.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// # let manager = procession_manager::Manager::start()?;
/// let list = manager.create(|list: Vec<u32>| list, vec![])?;
/// let first = list.post(|list, n| { list.push(n); list.len() }, 7)?;
/// drop(list.post(|list, n| list.push(n), 8)?);
/// assert_eq!(first.wait()?, 1);
/// assert_eq!(list.get()?, [7, 8]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AsyncResult")]
#[must_use = "only `wait` tells whether the call has succeeded"]
pub struct Pending<R> {
    handle: Arc<Handle>,
    posted: Option<Posted>,
    result: PhantomData<fn() -> R>,
}

impl<R> Pending<R> {
    pub(crate) fn new(handle: Arc<Handle>, posted: Posted) -> Pending<R> {
        Pending { handle, posted: Some(posted), result: PhantomData }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// assert_eq!(number.post(|n, ()| *n * 2, ())?.wait()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(self) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        self.wait_until(None)
    }

    /// Waits for the result for so long at the most. A call that has not begun by then never will.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], otherwise as [`wait`](Pending::wait).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// assert_eq!(number.post(|n, ()| *n * 2, ())?.wait_timeout(std::time::Duration::from_secs(60))?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(self, timeout: Duration) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        self.wait_until(deadline_after(timeout))
    }

    fn wait_until(mut self, deadline: Option<Instant>) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        let posted = self.posted.take().ok_or(CallError::ManagerGone)?;
        Ok(codec::decode(self.handle.wait(posted, deadline)?)?)
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if let (Some(Posted::Sent(sent)), Link::Far(connection)) = (&self.posted, &self.handle.link) {
            connection.forget(*sent);
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending<{}>(object {})", std::any::type_name::<R>(), self.handle.object.0)
    }
}
