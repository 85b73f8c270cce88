//! [`Queue`]: a queue that many processes share.

use std::collections::VecDeque;
use std::fmt;

use super::collection::Item;
use super::operations::{face, operations};
use crate::proxy::Proxy;

/// A queue in a manager.
///
/// A queue of the crate `procession-channels` is a hundred times faster, and ends when its senders are gone. This one is for
/// queues that are made by the thousand, or that lie in other managed values.
///
/// ```
/// use procession_manager::{Manager, Queue};
/// use procession_process::Process;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let manager = Manager::start()?;
/// let queue = manager.queue::<String>(10)?;
/// let sender = Process::spawn(|queue: Queue<String>| queue.send("hello".to_owned()), queue.clone())?;
/// assert_eq!(queue.recv()?, "hello");
/// queue.task_done()?;
/// queue.join()?;
/// # sender.join()??;
/// # Ok(())
/// # }
/// ```
///
/// # Differences from Python's queues
///
/// Every queue counts its tasks, as `JoinableQueue` does; who does not want that need not call
/// [`task_done`](Queue::task_done).
#[doc(alias = "JoinableQueue")]
pub struct Queue<T: Item> {
    proxy: Proxy<QueueState<T>>,
}

/// What the manager knows of a [`Queue`]. It has no methods of its own.
///
/// ```
/// # use procession_manager::{Manager, Proxy, QueueState};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// # let manager = Manager::start()?;
/// let proxy: Proxy<QueueState<u8>> = manager.queue(1)?.proxy().clone();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct QueueState<T> {
    items: VecDeque<T>,
    capacity: usize,
    /// Those for which `task_done` was not called yet.
    unfinished: usize,
}

face!([T: Item] Queue<T>, QueueState<T>, "manager.queue::<u8>(2)");

operations! {
    impl[T: Item] Queue<T> => QueueState<T>;

    /// Adds an item at the end, waiting until there is room.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// queue.send(7)?;
    /// queue.send(8)?;
    /// assert!(queue.send_timeout(9, std::time::Duration::from_millis(10)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "put")]
    conditional fn send,
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(1)?;
    /// queue.send_timeout(7, Duration::from_secs(60))?;
    /// assert!(queue.send_timeout(8, Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    send_timeout(item: T) -> () = |queue, (item,)| queue.push(item).then_some(());

    /// Takes the first item, waiting until there is one.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(queue.recv_timeout(std::time::Duration::from_millis(10)).is_err());
    /// queue.send(7)?;
    /// assert_eq!(queue.recv()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get")]
    conditional fn recv,
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(1)?;
    /// assert!(queue.recv_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// queue.send(7)?;
    /// assert_eq!(queue.recv_timeout(Duration::from_secs(60))?, 7);
    /// # Ok(())
    /// # }
    /// ```
    recv_timeout() -> T = |queue, ()| queue.items.pop_front();

    /// Adds an item at the end if there is room. Answers whether there was.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(queue.try_send(7)?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "put_nowait")]
    exclusive fn try_send[](item: T) -> bool = |queue, (item,)| queue.push(item);

    /// Takes the first item, if there is one.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert_eq!(queue.try_recv()?, None);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_nowait")]
    exclusive fn try_recv[]() -> Option<T> = |queue, ()| queue.items.pop_front();

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert_eq!(queue.len()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qsize")]
    shared fn len[]() -> usize = |queue, ()| queue.items.len();

    /// Whether there are none.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(queue.is_empty()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "empty")]
    shared fn is_empty[]() -> bool = |queue, ()| queue.items.is_empty();

    /// Whether there is no room.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(!queue.is_full()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "full")]
    shared fn is_full[]() -> bool = |queue, ()| queue.items.len() >= queue.capacity;

    /// Says that an item that was received has been worked on. Answers `false` if that has been said of all.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// assert!(!queue.task_done()?);
    /// # Ok(())
    /// # }
    /// ```
    exclusive fn task_done[]() -> bool = |queue, ()| {
        let left = queue.unfinished.checked_sub(1);
        queue.unfinished = left.unwrap_or(0);
        left.is_some()
    };

    /// Waits until [`task_done`](Queue::task_done) was called for every item that was ever sent.
    ///
    /// # Errors
    ///
    /// See [`CallError`](crate::CallError).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u32>(2)?;
    /// queue.join()?;
    /// queue.send(7)?;
    /// assert!(queue.join_timeout(std::time::Duration::from_millis(10)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    conditional fn join,
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let queue = manager.queue::<u8>(1)?;
    /// queue.send(7)?;
    /// assert!(queue.join_timeout(Duration::from_millis(10)).unwrap_err().is_timeout());
    /// queue.recv()?;
    /// queue.task_done()?;
    /// queue.join_timeout(Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    join_timeout() -> () = |queue, ()| (queue.unfinished == 0).then_some(());
}

impl<T> QueueState<T> {
    pub(super) fn new(capacity: usize) -> QueueState<T> {
        QueueState { items: VecDeque::new(), capacity, unfinished: 0 }
    }

    /// Answers whether there was room.
    fn push(&mut self, item: T) -> bool {
        let has_room = self.items.len() < self.capacity;
        if has_room {
            self.items.push_back(item);
            self.unfinished += 1;
        }
        has_room
    }
}

impl<T: Item> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.proxy).finish()
    }
}
