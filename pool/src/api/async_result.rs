//! [`AsyncResult`]: a result that will arrive.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use procession_core::os::mutex;
use procession_core::os::poll::deadline_after;

use crate::caller::callbacks::{self, Callback};
use crate::caller::pending::{JobResult, Pending};
use crate::caller::waker_list::WakerId;
use crate::model::task_error::TaskError;
use crate::wire::results::ResultBatch;

/// A result that will arrive. Made by [`Pool::apply_async`](crate::Pool::apply_async) and [`Pool::map_async`](crate::Pool::map_async).
///
/// ```
/// use procession_pool::Pool;
///
/// # procession_pool::init();
/// let pool = Pool::new(2)?;
/// let six = pool.apply_async(|n: u64| n * 2, 3);
/// let nine = pool.apply_async(|n: u64| n * n, 3);
/// assert_eq!(six.get()? + nine.get()?, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It can be asked any number of times, and decodes a new value each time. Its clones stand for the same result. Dropping it cancels
/// nothing: the task runs to its end and its result is dropped, unless [`cancel_on_drop`](AsyncResult::cancel_on_drop) was called.
///
/// # As a future
///
/// It is a [`Future`] that any executor can drive. Polling blocks for at most 10 µs; the pool's own thread wakes the task.
///
/// # Differences from Python's `AsyncResult`
///
/// It can be cancelled, it always comes to an end, callbacks cannot hurt the pool, and
/// [`is_successful`](AsyncResult::is_successful) does not fail before the result has arrived.
#[doc(alias = "MapResult")]
#[doc(alias = "concurrent.futures.Future")]
#[must_use = "a task's result is lost with its `AsyncResult`; use `drop` if it is not wanted"]
pub struct AsyncResult<R> {
    pending: Arc<Pending>,
    decode: Decode<R>,
    /// Names the waker of the task that polls it.
    waker_id: WakerId,
}

/// Decodes the value of a job's results.
type Decode<R> = fn(&[ResultBatch]) -> Result<R, TaskError>;

/// Calls a callback once the result has arrived.
struct CallbackWaker {
    pending: Arc<Pending>,
    waker_id: WakerId,
    callback: Mutex<Option<Callback>>,
}

impl<R> AsyncResult<R> {
    pub(super) fn new(pending: Arc<Pending>, decode: Decode<R>) -> AsyncResult<R> {
        AsyncResult { pending, decode, waker_id: WakerId::new() }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] of the task. Of several tasks, the error that came first.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|text: String| text.len(), "salve".to_owned());
    /// assert_eq!(result.get()?, 5);
    /// assert_eq!(result.get()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "result")]
    #[doc(alias = "join")]
    pub fn get(&self) -> Result<R, TaskError> {
        match self.pending.wait(None) {
            Some(end) => self.value(end),
            None => unreachable!("a wait without a deadline lasts to the end"),
        }
    }

    /// Waits for the result as [`get`](AsyncResult::get) does, up to `timeout`. `None` if it has not arrived by then.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] of the task. Of several tasks, the error that came first.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let long = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ());
    /// assert!(long.get_timeout(Duration::from_millis(1))?.is_none());
    /// # pool.terminate();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        self.pending.wait(deadline_after(timeout)).map(|end| self.value(end)).transpose()
    }

    /// Waits for the result, up to `timeout`. Returns whether it has arrived.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|n: u8| n + 1, 1);
    /// assert!(result.wait_timeout(Duration::from_secs(60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "wait")]
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.pending.wait(deadline_after(timeout)).is_some()
    }

    /// Returns whether the result has arrived, a value or an error.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|n: u8| n + 1, 1);
    /// result.get()?;
    /// assert!(result.is_ready());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ready")]
    #[doc(alias = "running")]
    #[doc(alias = "done")]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending.result().is_some()
    }

    /// Returns whether the result has arrived and is a value.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let result = pool.apply_async(|n: u8| assert!(n > 1), 1);
    /// assert!(result.get().is_err());
    /// assert!(result.is_ready() && !result.is_successful());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "successful")]
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.pending.result().is_some_and(Result::is_ok)
    }

    /// Cancels the tasks that have not ended, and returns whether there were any.
    ///
    /// A task that has not started never does. One that runs is stopped together with its worker, first by SIGTERM and a little later
    /// by SIGKILL, and another worker takes the place. The call does not wait for that: soon the result is an error for which
    /// [`TaskError::is_cancelled`] holds, or the value, if it came before.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let long = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ());
    /// assert!(long.cancel());
    /// assert!(long.get().unwrap_err().is_cancelled());
    /// assert!(!long.cancel());
    /// # pool.terminate();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "cancelled")]
    pub fn cancel(&self) -> bool {
        self.pending.cancel()
    }

    /// Cancels the tasks, as [`cancel`](AsyncResult::cancel) does, when this handle, its clones and the callbacks that wait for it are gone.
    ///
    /// It is for requests whose clients may hang up: when the future of the request is dropped, the worker is free again.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::time::Duration;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let long = pool.apply_async(|()| std::thread::sleep(Duration::from_secs(3600)), ()).cancel_on_drop();
    /// drop(long);
    /// assert_eq!(pool.apply(|n: u8| n, 7)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_on_drop(self) -> Self {
        self.pending.cancel_on_drop();
        self
    }

    fn value(&self, outcome: &JobResult) -> Result<R, TaskError> {
        outcome.as_ref().map_err(TaskError::clone).and_then(|batches| (self.decode)(batches))
    }

    pub(super) fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }
}

impl<R: 'static> AsyncResult<R> {
    /// Calls `callback` with the result as soon as it has arrived, which may be at once, on a thread for callbacks.
    ///
    /// The panic of a callback is written to standard error and ends there. A callback that never returns keeps its thread, and holds up
    /// neither the pool, nor its end, nor other callbacks. There can be several; each gets a value of its own.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// use std::sync::mpsc;
    ///
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let (done, when_done) = mpsc::channel();
    /// pool.apply_async(|n: u64| n * 2, 21).on_done(move |result| done.send(result.unwrap()).unwrap());
    /// assert_eq!(when_done.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "callback")]
    #[doc(alias = "error_callback")]
    #[doc(alias = "add_done_callback")]
    pub fn on_done(&self, callback: impl FnOnce(Result<R, TaskError>) + Send + 'static) {
        let result = self.clone();
        let callback: Callback = Box::new(move || callback(result.get()));
        let (pending, waker_id) = (self.pending.clone(), WakerId::new());
        let waker = Arc::new(CallbackWaker { pending, waker_id, callback: Mutex::new(Some(callback)) });
        // An idle callback thread that polls for the result of a short task itself has it sooner than one that is woken for it.
        let polled = waker.clone();
        let is_polled = self.pending.is_instant()
            && callbacks::run_if_idle(Box::new(move || {
                polled.pending.poll_briefly();
                if !polled.call_if_finished() {
                    polled.register();
                }
            }))
            .is_ok();
        if !is_polled {
            waker.register();
        }
    }
}

impl CallbackWaker {
    fn register(self: Arc<Self>) {
        self.pending.clone().register_waker(self.waker_id, &Waker::from(self));
    }

    /// Calls the callback if the result has arrived, and returns whether it has.
    fn call_if_finished(&self) -> bool {
        let has_finished = self.pending.result().is_some();
        if has_finished {
            self.pending.remove_waker(self.waker_id);
            let callback = mutex::lock(&self.callback).take();
            callback.into_iter().for_each(|callback| callback());
        }
        has_finished
    }
}

/// The thread that wakes it may hold locks of the pool, so another thread looks for the result.
impl Wake for CallbackWaker {
    fn wake(self: Arc<Self>) {
        callbacks::run(Box::new(move || _ = self.call_if_finished()));
    }
}

impl<R> Future for AsyncResult<R> {
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let is_there =
            self.pending.result().is_some() || self.pending.is_instant() && self.pending.poll_briefly().is_some();
        if !is_there {
            self.pending.register_waker(self.waker_id, context.waker());
        }
        self.pending.result().map_or(Poll::Pending, |end| Poll::Ready(self.value(end)))
    }
}

impl<R> Drop for AsyncResult<R> {
    fn drop(&mut self) {
        self.pending.remove_waker(self.waker_id);
    }
}

impl<R> Clone for AsyncResult<R> {
    fn clone(&self) -> AsyncResult<R> {
        AsyncResult::new(self.pending.clone(), self.decode)
    }
}

/// Shows the state: `waiting`, `running`, or how the job ended: `value`, `error`, `cancelled`.
impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AsyncResult { pending, decode: _, waker_id: _ } = self;
        f.debug_struct("AsyncResult").field("state", &format_args!("{}", pending.describe())).finish_non_exhaustive()
    }
}
