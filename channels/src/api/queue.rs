//! [`queue`] and [`unbounded`]: many senders, many receivers.

use super::channel_error::ChannelError;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::ends::values::chain;
use crate::memory::error::ChainError;
use crate::memory::limits::Limits;
use crate::memory::shared_memory::Memory;

/// Makes a queue for up to `capacity` values.
///
/// Values come out in the order in which they were sent, each at one receiver. A sender waits while the queue is full, so
/// nothing grows without bounds. Values that carry descriptors (files, sockets, handles of this library) also wait while the kernel
/// holds as many as it lets one queue have on their way: some 250 such values, whatever the capacity.
///
/// # Errors
///
/// [`ChannelError`]: `capacity` is 0, there is no memory, or the limit on descriptors is reached.
///
/// # Examples
///
/// ```
/// use procession_process::Process;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_process::init();
///     let (sender, receiver) = procession_channels::queue(8)?;
///     let child = Process::spawn(|sender: procession_channels::Sender<u32>| {
///         sender.send_many(0..100).expect("the parent receives");
///     }, sender)?;
///     assert_eq!(receiver.iter().map(|number| number.unwrap()).sum::<u32>(), 4950);
///     child.join()?;
///     Ok(())
/// }
/// ```
#[doc(alias = "Queue")]
#[doc(alias = "maxsize")]
pub fn queue<T>(capacity: usize) -> Result<(Sender<T>, Receiver<T>), ChannelError> {
    if capacity == 0 {
        return Err(ChainError::NoCapacity.into());
    }
    with_limits(Limits { items: capacity as u64, bytes: Limits::UNLIMITED })
}

/// Makes a queue without a limit: sending never waits.
///
/// The values lie in shared memory that grows as needed, and that is given back when they were received. Descriptors
/// (files, sockets, handles of this library) do not lie in memory: the kernel holds them, and not more than those of some 250 values.
/// One more is an error of [`send`](Sender::send), [`Full`](crate::TrySendError::Full) for `try_send`, and waited for with a timeout,
/// in tasks, and in a [`queue`] with a capacity.
///
/// # Errors
///
/// [`ChannelError`]: there is no memory, or the limit on descriptors is reached.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::unbounded()?;
/// sender.send_many(0..10_000)?;
/// drop(sender);
/// assert_eq!(receiver.iter().count(), 10_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Queue")]
#[doc(alias = "SimpleQueue")]
pub fn unbounded<T>() -> Result<(Sender<T>, Receiver<T>), ChannelError> {
    with_limits(Limits { items: Limits::UNLIMITED, bytes: Limits::UNLIMITED })
}

/// Makes a queue for up to `bytes` bytes, rather than for a number of values: senders wait while at least as many are queued, in values as
/// they are encoded. One value always fits an empty queue, however long it is.
///
/// # Errors
///
/// [`ChannelError`]: `bytes` is 0, there is no memory, or the limit on descriptors is reached.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue_of_bytes(1000)?;
/// sender.send("a".repeat(600))?;
/// sender.send("b".repeat(600))?;
/// assert!(sender.is_full() && sender.capacity().is_none());
/// assert_eq!(receiver.recv()?.len(), 600);
/// assert!(sender.try_send("c".to_owned()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn queue_of_bytes<T>(bytes: u64) -> Result<(Sender<T>, Receiver<T>), ChannelError> {
    if bytes == 0 {
        return Err(ChainError::NoCapacity.into());
    }
    with_limits(Limits { items: Limits::UNLIMITED, bytes: bytes.min(Limits::UNLIMITED) })
}

fn with_limits<T>(limits: Limits) -> Result<(Sender<T>, Receiver<T>), ChannelError> {
    let memory = Memory::create().map_err(ChainError::from)?;
    let (sender, receiver) = chain(&memory, 0, limits)?;
    Ok((Sender::new(sender), Receiver::new(receiver)))
}
