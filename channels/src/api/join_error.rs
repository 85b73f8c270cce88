//! [`JoinError`] and [`TaskDoneError`]: the errors of joinable queues.

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
    /// Everything that was sent was completed, but some items were lost: the process that held them died, or
    /// panicked. Each handle reports a loss once.
    #[error(
        "{count} items were not finished: process {pid}, the last that held some of them, died or panicked over them"
    )]
    #[non_exhaustive]
    Lost {
        /// Number of lost items, since this handle reported some last.
        count: u64,
        /// The process that lost the last of them.
        pid: u32,
    },
    /// All receivers are gone, so what is left will not be finished.
    #[error("{unfinished} items are left, and all receivers of the queue are gone")]
    #[non_exhaustive]
    Disconnected {
        /// Number of items that are left.
        unfinished: u64,
    },
    /// The time was over before.
    #[error("{unfinished} items were not finished before the timeout")]
    #[non_exhaustive]
    Timeout {
        /// Number of items that are left.
        unfinished: u64,
    },
}

/// This process holds no item, from [`task_done`](crate::JoinableReceiver::task_done).
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
