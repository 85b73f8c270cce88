//! Why joining a queue did not go as it should.

use serde::{Deserialize, Serialize};

/// Why [`join`](crate::JoinableSender::join) failed.
///
/// # Examples
///
/// ```
/// use procession_channels::{JoinError, joinable};
///
/// let (sender, receiver) = joinable::<u32>(4)?;
/// sender.send(1)?;
/// drop(receiver);
/// assert!(matches!(sender.join(), Err(JoinError::Disconnected { unfinished: 1, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JoinError {
    /// Everything that was sent has ended, but so many items were not finished: the process that held them died, or
    /// panicked over them. Each handle tells that once.
    #[error(
        "{count} items were not finished: process {pid}, the last that held some of them, died or panicked over them"
    )]
    #[non_exhaustive]
    Lost {
        /// How many items, since this handle told it last.
        count: u64,
        /// The process that held the last of them.
        pid: u32,
    },
    /// All receivers are gone, so nobody will finish what is left.
    #[error("{unfinished} items are left, and all receivers of the queue are gone")]
    #[non_exhaustive]
    Disconnected {
        /// How many items.
        unfinished: u64,
    },
    /// The time was over first.
    #[error("{unfinished} items were not finished before the timeout")]
    #[non_exhaustive]
    Timeout {
        /// How many items.
        unfinished: u64,
    },
}

/// More items were to be finished than this process has received, from [`task_done`](crate::JoinableReceiver::task_done).
///
/// # Examples
///
/// ```
/// let (_sender, receiver) = procession_channels::joinable::<u32>(4)?;
/// assert!(receiver.task_done().is_err());
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("this process holds no item that could be finished; call `task_done` once for each item that was received")]
#[non_exhaustive]
pub struct TaskDoneError;
