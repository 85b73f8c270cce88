//! [`Queue`]: a queue that many processes share.

use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use procession_core::{FunctionError, Method};
use serde::de::DeserializeOwned;

use super::collection::Item;
use super::macros::{proxy_type, remote_methods};
use super::owner;
use super::queue_state::{InFlight, QueueState};
use crate::api::proxy::Proxy;
use crate::client::limit::at_once;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A queue in a manager.
///
/// A queue of the crate `procession-channels` is a hundred times faster, and ends when its senders are gone. This one is for
/// queues that are made by the thousand, or that lie in other managed values.
///
/// ```
/// use procession_manager::{Manager, Queue};
/// use procession_process::Process;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let queue = manager.queue::<String>(10)?;
/// let sender = Process::spawn(|queue: Queue<String>| queue.send("hello".to_owned()), queue.clone())?;
/// assert_eq!(queue.recv()?, "hello");
/// queue.task_done()?;
/// queue.join()?;
/// # sender.join()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Differences from Python's queues
///
/// An item is the receiver's as soon as it has got there: where the process dies before, it is the first of the queue again. A process
/// that dies with items for which it has not called [`task_done`](Queue::task_done) is reported of by [`join`](Queue::join).
///
/// Every queue counts its tasks, as `JoinableQueue` does; who does not want that need not call
/// [`task_done`](Queue::task_done).
#[doc(alias = "JoinableQueue")]
pub struct Queue<T: Item> {
    proxy: Proxy<QueueState<T>>,
}

proxy_type!(debug hidden [T: Item] Queue<T>, QueueState<T>, "manager.queue::<u8>(2)");

impl<T: Item> Queue<T> {
    /// Adds an item at the end, waiting until there is room.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// queue.send(7)?;
    /// queue.send(8)?;
    /// assert!(queue.send_timeout(9, std::time::Duration::from_millis(10)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "put")]
    pub fn send(&self, item: T) -> Result<(), CallError> {
        self.send_until(item, None)
    }

    /// Adds an item at the end, and waits up to `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], whose `started` says whether the item may have been sent all the same; otherwise as [`send`](Queue::send).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(1)?;
    /// queue.send_timeout(7, Duration::from_secs(60))?;
    /// assert!(queue.send_timeout(8, Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), CallError> {
        self.send_until(item, deadline_after(timeout))
    }

    /// Takes the first item, waiting until there is one.
    ///
    /// An item that does not get so far, because the time is over or the process dies, is the first again.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`](crate::CallError::ManagerGone), [`CallError::ObjectGone`](crate::CallError::ObjectGone), and [`CallError::Timeout`](crate::CallError::Timeout) where a limit was set.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(queue.recv_timeout(std::time::Duration::from_millis(10)).is_err());
    /// queue.send(7)?;
    /// assert_eq!(queue.recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get")]
    pub fn recv(&self) -> Result<T, CallError> {
        self.recv_until(None)
    }

    /// Takes the first item, and waits up to `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], and then no item was taken; otherwise as [`recv`](Queue::recv).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(1)?;
    /// assert!(queue.recv_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// queue.send(7)?;
    /// assert_eq!(queue.recv_timeout(Duration::from_secs(60))?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, CallError> {
        self.recv_until(deadline_after(timeout))
    }

    /// Adds an item at the end if there is room. Returns whether there was.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`] when the manager does not respond at once; [`CallError::ManagerGone`] or [`CallError::ObjectGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(queue.try_send(7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "put_nowait")]
    pub fn try_send(&self, item: T) -> Result<bool, CallError> {
        let method = Method::exclusive(|queue: &mut QueueState<T>, (item,): (T,)| queue.push(item).is_some());
        self.proxy.perform(RequestKind::Exclusive, method, &(item,), Some(at_once()))
    }

    /// Takes the first item, if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`] when the manager does not respond at once; [`CallError::ManagerGone`] or [`CallError::ObjectGone`].
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert_eq!(queue.try_recv()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&self) -> Result<Option<T>, CallError> {
        let method = Method::exclusive(QueueState::<T>::hand_out);
        let item: Option<InFlight<T>> = self.take(RequestKind::Exclusive, method, Some(at_once()), Option::is_some)?;
        Ok(item.map(InFlight::into_inner))
    }

    /// Waits until [`task_done`](Queue::task_done) was called for every item that was ever sent.
    ///
    /// # Errors
    ///
    /// [`CallError::Lost`] when a process has died with items that it had received and not said to be done; they count as done.
    /// Each process is reported once. Otherwise see [`CallError`](crate::CallError).
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// queue.join()?;
    /// queue.send(7)?;
    /// assert!(queue.join_timeout(std::time::Duration::from_millis(10)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), CallError> {
        self.join_until(None)
    }

    /// Calls [`join`](Queue::join), and waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`]; otherwise as [`join`](Queue::join).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(1)?;
    /// queue.send(7)?;
    /// assert!(queue.join_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// queue.recv()?;
    /// queue.task_done()?;
    /// queue.join_timeout(Duration::from_secs(60))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), CallError> {
        self.join_until(deadline_after(timeout))
    }

    fn send_until(&self, item: T, deadline: Option<Instant>) -> Result<(), CallError> {
        let method = Method::conditional(|queue: &mut QueueState<T>, (item,): (T,)| queue.push(item));
        self.proxy.perform(RequestKind::Conditional, method, &(item,), deadline)
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<T, CallError> {
        let method = Method::conditional(QueueState::<T>::hand_out);
        self.take(RequestKind::Conditional, method, deadline, |_: &InFlight<T>| true).map(InFlight::into_inner)
    }

    /// Takes an item, and says that it has got here, before anybody sees it; or that it never will.
    fn take<R: DeserializeOwned>(
        &self,
        kind: RequestKind,
        method: Result<Method, FunctionError>,
        deadline: Option<Instant>,
        has_item: impl Fn(&R) -> bool,
    ) -> Result<R, CallError> {
        // The manager keeps the item under this number until its arrival is reported.
        let number = owner::unique();
        let put_back = || self.proxy.notify(Method::exclusive(QueueState::<T>::put_back), &number);
        // It counts as soon as it lies in shared memory, where the manager finds it even after the death of this process.
        let arrived = || self.proxy.notify_lazily(Method::exclusive(QueueState::<T>::arrived), &number);
        match self.proxy.perform(kind, method, &number, deadline) {
            Ok(taken) => {
                if has_item(&taken) {
                    arrived();
                }
                Ok(taken)
            }
            Err(CallError::Timeout { .. }) => {
                put_back();
                Err(CallError::Timeout { started: false })
            }
            // Put back, one that cannot be read would be in everybody's way for ever.
            Err(error @ CallError::Result(_)) => {
                arrived();
                Err(error)
            }
            Err(error) => {
                put_back();
                Err(error)
            }
        }
    }

    fn join_until(&self, deadline: Option<Instant>) -> Result<(), CallError> {
        let method = Method::conditional(QueueState::<T>::joined);
        let (count, lost): (u64, u64) = self.proxy.perform(RequestKind::Conditional, method, &(), deadline)?;
        if count == 0 {
            return Ok(());
        }
        // In a call of its own, after the count has arrived: a reply that is lost on its way must not count as a report.
        self.proxy.notify(Method::exclusive(QueueState::<T>::mark_reported), &lost);
        Err(CallError::Lost { count })
    }
}

remote_methods! {
    impl[T: Item] Queue<T> => QueueState<T>;

    /// Returns how many items there are.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert_eq!(queue.len()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "qsize")]
    shared fn len[]() -> usize = |queue, ()| queue.items.len();

    /// Returns whether there are none.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(queue.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "empty")]
    shared fn is_empty[]() -> bool = |queue, ()| queue.items.is_empty();

    /// Returns whether there is no room.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(!queue.is_full()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "full")]
    shared fn is_full[]() -> bool = |queue, ()| !queue.has_room();

    /// Marks a received item as done. Returns `false` if all items are done already.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(!queue.task_done()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn task_done[]() -> bool = |queue, ()| queue.end_one();
}
