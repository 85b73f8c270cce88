//! [`AsyncResult`]: a result that will be there.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use procession_core::os::poll::deadline_after;

use crate::TaskError;
use crate::callbacks::{self, Callback};
use crate::parcel::Parcel;
use crate::pending::{End, Pending, WatchId};

/// A result that will be there. Made by [`Pool::apply_async`](crate::Pool::apply_async) and [`Pool::map_async`](crate::Pool::map_async).
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let six = pool.apply_async(|n: u64| n * 2, 3);
/// let nine = pool.apply_async(|n: u64| n * n, 3);
/// assert_eq!(six.get()? + nine.get()?, 15);
/// # Ok(())
/// # }
/// ```
///
/// It can be asked as often as one likes, and each time answers a value of its own; its clones stand for the same result. Dropping it
/// cancels nothing: the task runs to its end, and what it brings is forgotten, unless [`cancel_on_drop`](AsyncResult::cancel_on_drop) was
/// called.
///
/// # As a future
///
/// It is a [`Future`] that any executor can drive. Where it is polled nothing blocks; the pool's own thread wakes the task.
///
/// # Differences from Python's `AsyncResult`
///
/// It can be cancelled, it always comes to an end, callbacks cannot hurt the pool, and
/// [`is_successful`](AsyncResult::is_successful) does not fail where nothing is known yet.
#[doc(alias = "MapResult")]
#[doc(alias = "concurrent.futures.Future")]
#[must_use = "what a task brings is lost with its `AsyncResult`; use `drop` where nobody wants it"]
pub struct AsyncResult<R> {
    pending: Arc<Pending>,
    decode: Decode<R>,
    /// Under which the task that polls it watches.
    watch: WatchId,
}

/// Makes a value of what has arrived.
pub(crate) type Decode<R> = fn(&[Parcel]) -> Result<R, TaskError>;

/// Calls a callback once the result is there.
struct Caller {
    pending: Arc<Pending>,
    watch: WatchId,
    callback: Mutex<Option<Callback>>,
}

impl<R> AsyncResult<R> {
    pub(crate) fn new(pending: Arc<Pending>, decode: Decode<R>) -> AsyncResult<R> {
        AsyncResult { pending, decode, watch: WatchId::new() }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// The task brought none; see [`TaskError`]. Of several tasks, the error that came first.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|text: String| text.len(), "salve".to_owned());
    /// assert_eq!(result.get()?, 5);
    /// assert_eq!(result.get()?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "result")]
    #[doc(alias = "join")]
    pub fn get(&self) -> Result<R, TaskError> {
        match self.pending.wait(None) {
            Some(end) => self.value(end),
            None => unreachable!("a wait without a deadline lasts to the end"),
        }
    }

    /// As [`get`](AsyncResult::get), waiting for `timeout` at the longest: `None` when the result is not there then.
    ///
    /// # Errors
    ///
    /// As [`get`](AsyncResult::get).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let long = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ());
    /// assert!(long.get_timeout(Duration::from_millis(1))?.is_none());
    /// # pool.terminate();
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        self.pending.wait(deadline_after(timeout)).map(|end| self.value(end)).transpose()
    }

    /// Waits until the result is there, for `timeout` at the longest. Answers whether it is.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|n: u8| n + 1, 1);
    /// assert!(result.wait_timeout(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait")]
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.pending.wait(deadline_after(timeout)).is_some()
    }

    /// Whether the result is there, be it a value or an error.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|n: u8| n + 1, 1);
    /// result.get()?;
    /// assert!(result.is_ready());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ready")]
    #[doc(alias = "running")]
    #[doc(alias = "done")]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending.end().is_some()
    }

    /// Whether the result is there and is no error of its task.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|n: u8| assert!(n > 1), 1);
    /// assert!(result.get().is_err());
    /// assert!(result.is_ready() && !result.is_successful());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "successful")]
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.pending.end().is_some_and(Result::is_ok)
    }

    /// Cancels what has not ended, and answers whether there was something to cancel.
    ///
    /// A task that has not begun never does. One that runs is stopped together with its worker, first by SIGTERM and a little later
    /// by SIGKILL, and another worker takes the place. It does not wait for that: the result soon is an error for which
    /// [`TaskError::is_cancelled`] holds, or the value, if it came before.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let long = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ());
    /// assert!(long.cancel());
    /// assert!(long.get().unwrap_err().is_cancelled());
    /// assert!(!long.cancel());
    /// # pool.terminate();
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cancelled")]
    pub fn cancel(&self) -> bool {
        self.pending.cancel()
    }

    /// Has the tasks cancelled, as [`cancel`](AsyncResult::cancel) does, when nobody is left who could ask for the result: when this handle, its
    /// clones and the callbacks that wait for it are gone.
    ///
    /// It is for requests whose clients may hang up: where the future of the request is dropped, the worker is free again.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let long = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ()).cancel_on_drop();
    /// drop(long);
    /// assert_eq!(pool.apply(|n: u8| n, 7)?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_on_drop(self) -> Self {
        self.pending.cancel_on_drop();
        self
    }

    /// A value of its own.
    fn value(&self, end: &End) -> Result<R, TaskError> {
        end.as_ref().map_err(TaskError::clone).and_then(|parcels| (self.decode)(parcels))
    }

    pub(crate) fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }
}

impl<R: 'static> AsyncResult<R> {
    /// Calls `callback` with the result as soon as it is there, which may be at once, on a thread that does nothing else.
    ///
    /// A callback that panics ends there, with the usual message on stderr. One that never returns keeps its thread, and nothing else:
    /// not the pool, no other callback, and not the end of the pool. There can be several; each has a value of its own.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::sync::mpsc;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let (done, when_done) = mpsc::channel();
    /// pool.apply_async(|n: u64| n * 2, 21).on_done(move |result| done.send(result.unwrap()).unwrap());
    /// assert_eq!(when_done.recv()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "callback")]
    #[doc(alias = "error_callback")]
    #[doc(alias = "add_done_callback")]
    pub fn on_done(&self, callback: impl FnOnce(Result<R, TaskError>) + Send + 'static) {
        let result = self.clone();
        let callback: Callback = Box::new(move || callback(result.get()));
        let (pending, watch) = (self.pending.clone(), WatchId::new());
        let caller = Caller { pending, watch, callback: Mutex::new(Some(callback)) };
        self.pending.watch(watch, &Waker::from(Arc::new(caller)));
    }
}

impl Caller {
    fn call_if_ended(&self) {
        if self.pending.end().is_some() {
            self.pending.unwatch(self.watch);
            let callback = self.callback.lock().unwrap_or_else(PoisonError::into_inner).take();
            callback.into_iter().for_each(|callback| callback());
        }
    }
}

/// Whoever wakes it may hold locks of the pool, so looking is left to another thread.
impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        callbacks::run(Box::new(move || self.call_if_ended()));
    }
}

impl<R> Future for AsyncResult<R> {
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.pending.end().is_none() && self.pending.glance().is_none() {
            self.pending.watch(self.watch, context.waker());
        }
        self.pending.end().map_or(Poll::Pending, |end| Poll::Ready(self.value(end)))
    }
}

impl<R> Drop for AsyncResult<R> {
    fn drop(&mut self) {
        self.pending.unwatch(self.watch);
    }
}

impl<R> Clone for AsyncResult<R> {
    fn clone(&self) -> AsyncResult<R> {
        AsyncResult::new(self.pending.clone(), self.decode)
    }
}

/// Tells whether its first task that has not ended is `waiting` or `running`, or what came of it: a `value`, an `error`, or that it was
/// `cancelled`.
impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AsyncResult { pending, decode: _, watch: _ } = self;
        // What has arrived and was not looked at yet is taken in, unless a thread is at it.
        pending.look();
        f.debug_struct("AsyncResult").field("state", &format_args!("{}", pending.standing())).finish_non_exhaustive()
    }
}
