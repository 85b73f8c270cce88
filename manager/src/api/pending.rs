//! [`Pending`]: a call that was sent and not waited for.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::codec::Message;
use procession_core::os::poll::deadline_after;
use serde::de::DeserializeOwned;

use crate::client::handle::{Handle, Posted, Route};
use crate::wire::error::{CallError, decoded};

/// The result of a call that was sent with [`Proxy::post`](crate::Proxy::post).
///
/// Dropping it does not take the call back: its result, or its failure, is then dropped.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let list = manager.create(|list: Vec<u32>| list, vec![])?;
/// let first = list.post(|list, n| { list.push(n); list.len() }, 7)?;
/// drop(list.post(|list, n| list.push(n), 8)?);
/// assert_eq!(first.wait()?, 1);
/// assert_eq!(list.get()?, [7, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "AsyncResult")]
#[must_use = "only `wait` returns whether the call has succeeded"]
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
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// assert_eq!(number.post(|n, ()| *n * 2, ())?.wait()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(self) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        self.wait_until(None)
    }

    /// Waits for the result up to `timeout`. A call that has not begun by then never will.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], otherwise as [`wait`](Pending::wait).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// assert_eq!(number.post(|n, ()| *n * 2, ())?.wait_timeout(std::time::Duration::from_secs(60))?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(self, timeout: Duration) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        self.wait_until(deadline_after(timeout))
    }

    /// Returns whether the call is over, so that [`wait`](Pending::wait) would not wait.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let (first, second) = (number.post(|n, ()| *n, ())?, number.post(|n, ()| *n, ())?);
    /// second.wait()?;
    /// assert!(first.is_ready(), "calls to one value end in their order");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ready")]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match (&self.posted, &self.handle.route) {
            (Some(Posted::Sent(sent)), Route::Connected(connection)) => connection.is_answered(*sent),
            _ => true,
        }
    }

    /// Waits up to `timeout` until the call is over. Returns whether it is. The call is not taken back when it is not.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let double = number.post(|n, ()| *n * 2, ())?;
    /// assert!(double.is_ready_timeout(Duration::from_secs(60)));
    /// assert_eq!(double.wait()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_ready_timeout(&self, timeout: Duration) -> bool {
        match (&self.posted, &self.handle.route) {
            (Some(Posted::Sent(sent)), Route::Connected(connection)) => {
                connection.is_answered_by(*sent, deadline_after(timeout))
            }
            _ => true,
        }
    }

    /// Waits until one of several calls to objects of one manager is over, and returns its place among them.
    ///
    /// # Errors
    ///
    /// The manager is gone, or there are several; [`CallError::Unknown`] when there are no calls.
    ///
    /// ```
    /// use procession_manager::Pending;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let mut calls = vec![number.post(|n, ()| *n, ())?, number.post(|n, ()| *n + 1, ())?];
    /// let mut sum = 0;
    /// while !calls.is_empty() {
    ///     sum += calls.swap_remove(Pending::first(&calls)?).wait()?;
    /// }
    /// assert_eq!(sum, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first<'a>(calls: impl IntoIterator<Item = &'a Pending<R>>) -> Result<usize, CallError>
    where
        R: 'a,
    {
        Pending::first_until(calls, None)?.ok_or(CallError::ManagerGone)
    }

    fn first_until<'a>(
        calls: impl IntoIterator<Item = &'a Pending<R>>,
        deadline: Option<Instant>,
    ) -> Result<Option<usize>, CallError>
    where
        R: 'a,
    {
        let (mut sent, mut way) = (Vec::new(), None);
        for (place, call) in calls.into_iter().enumerate() {
            let (Some(Posted::Sent(one)), Route::Connected(connection)) = (&call.posted, &call.handle.route) else {
                // Inside the manager each call is over when it was sent, so it is the first.
                return Ok(Some(place));
            };
            if !Arc::ptr_eq(way.get_or_insert(connection), connection) {
                return Err(CallError::Unknown("the calls are to objects of several managers".to_owned()));
            }
            sent.push(*one);
        }
        let way = way.ok_or_else(|| CallError::Unknown("there are no calls to wait for".to_owned()))?;
        way.wait_any(&sent, deadline)
    }

    /// Calls [`first`](Pending::first), and waits up to `timeout`. Returns `None` when no call is over by then.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], or [`CallError::Unknown`] as for [`first`](Pending::first).
    ///
    /// ```
    /// use std::time::Duration;
    /// use procession_manager::Pending;
    ///
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let calls = [number.post(|n, ()| *n, ())?];
    /// assert_eq!(Pending::first_timeout(&calls, Duration::from_secs(60))?, Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_timeout<'a>(
        calls: impl IntoIterator<Item = &'a Pending<R>>,
        timeout: Duration,
    ) -> Result<Option<usize>, CallError>
    where
        R: 'a,
    {
        Pending::first_until(calls, deadline_after(timeout))
    }

    /// Calls `callback` with the result as soon as it is there, which may be at once, on a thread that does nothing else.
    ///
    /// A callback that panics ends there, with the usual message on stderr. One that never returns keeps its thread, and no other
    /// callback. Inside the manager, where a call is over when it has been sent, it is called at once, on this thread.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let number = manager.create(|n: u32| n, 3)?;
    /// let (done, when_done) = mpsc::channel();
    /// number.post(|n, ()| *n * 2, ())?.on_done(move |result| done.send(result.unwrap()).unwrap());
    /// assert_eq!(when_done.recv()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "callback")]
    #[doc(alias = "error_callback")]
    pub fn on_done(mut self, callback: impl FnOnce(Result<R, CallError>) + Send + 'static)
    where
        R: DeserializeOwned + 'static,
    {
        let handle = Arc::clone(&self.handle);
        let finish = move |answer: Result<Message, CallError>| {
            callback(answer.and_then(decoded));
            // Up to here the object has stayed, because a reply to it was awaited.
            drop(handle);
        };
        match (self.posted.take(), &self.handle.route) {
            (Some(Posted::Sent(sent)), Route::Connected(connection)) => connection.call_back(sent, Box::new(finish)),
            (Some(Posted::Over(result)), _) => finish(result),
            (Some(Posted::Sent(_)) | None, _) => finish(Err(CallError::ManagerGone)),
        }
    }

    fn wait_until(mut self, deadline: Option<Instant>) -> Result<R, CallError>
    where
        R: DeserializeOwned,
    {
        let posted = self.posted.take().ok_or(CallError::ManagerGone)?;
        decoded(self.handle.wait(posted, deadline)?)
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if let (Some(Posted::Sent(sent)), Route::Connected(connection)) = (&self.posted, &self.handle.route) {
            connection.forget(*sent);
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending<{}>(object {})", std::any::type_name::<R>(), self.handle.object.0)
    }
}
