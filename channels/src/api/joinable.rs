//! [`joinable`]: a queue that knows when everything that was sent has been completed.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use procession_core::os::futex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::channel_error::ChannelError;
use super::error::{
    RecvError, RecvTimeoutError, SendError, SendManyError, SendTimeoutError, TryRecvError, TrySendError,
};
use super::item::Item;
use super::join_error::{JoinError, TaskDoneError};
use super::queue::queue;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::ends::backoff::timer;
use crate::ends::error::RawRecvError;
use crate::memory::outstanding::{Completion, JoinState};
use crate::memory::shared_memory::Memory;
use crate::memory::until::Until;

/// Makes a queue with room for `capacity` items that can be [joined](JoinableSender::join).
///
/// # Errors
///
/// As for [`queue`](crate::queue).
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::joinable::<u32>(10)?;
/// sender.send_many(0..5)?;
/// for _ in 0..5 {
///     let item = receiver.recv()?;
///     println!("working on {}", *item);
/// } // Each item is finished when it is dropped.
/// sender.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "JoinableQueue")]
pub fn joinable<T>(capacity: usize) -> Result<(JoinableSender<T>, JoinableReceiver<T>), ChannelError> {
    let (sender, receiver) = queue(capacity)?;
    Ok((JoinableSender::new(sender), JoinableReceiver::new(receiver)))
}

/// The end of a [joinable](joinable) queue where items go in.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::joinable(10)?;
/// sender.send("work".to_string())?;
/// receiver.recv()?.done();
/// sender.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "JoinableQueue")]
pub struct JoinableSender<T> {
    sender: Sender<T>,
    /// Number of losses that this handle has reported.
    reported: AtomicU64,
}

impl<T> JoinableSender<T> {
    fn new(sender: Sender<T>) -> Self {
        JoinableSender { sender, reported: AtomicU64::new(0) }
    }

    /// Waits until every item that was sent has been completed.
    ///
    /// An item is completed when its [`Item`] is dropped or [done](Item::done), or with [`task_done`](JoinableReceiver::task_done). The items
    /// of a process that dies are completed as well: as lost.
    ///
    /// # Errors
    ///
    /// - [`JoinError::Lost`]: everything was completed, but items were lost.
    /// - [`JoinError::Disconnected`]: items are left, and all receivers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::joinable::<u8>(10)?;
    /// sender.join()?; // Nothing was sent.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_until(Until::FOREVER)
    }

    /// Waits as [`join`](Self::join) does, until the timeout.
    ///
    /// # Errors
    ///
    /// - [`JoinError::Timeout`]: items are left.
    /// - [`JoinError::Lost`] and [`JoinError::Disconnected`]: as for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::JoinError;
    ///
    /// let (sender, _receiver) = procession_channels::joinable(10)?;
    /// sender.send(1)?;
    /// let error = sender.join_timeout(std::time::Duration::from_millis(1)).unwrap_err();
    /// assert!(matches!(error, JoinError::Timeout { unfinished: 1, .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), JoinError> {
        self.join_until(Until::after(timeout))
    }

    /// Returns the number of items that were sent and are not completed.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::joinable(10)?;
    /// sender.send(1)?;
    /// assert_eq!(sender.unfinished(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.memory().join_state().unfinished
    }

    fn memory(&self) -> &Memory {
        self.sender.raw.memory()
    }

    fn join_until(&self, until: Until) -> Result<(), JoinError> {
        let memory = self.memory();
        let mut sleeps = timer(until);
        loop {
            let epoch = &memory.outstanding().epoch;
            // Pairs with the SeqCst in `Memory::complete_one`, which changes it after the completion: what is completed after the
            // count below ends the sleep.
            let before = epoch.load(SeqCst);
            // Asked before the count, which then has everything that receivers completed before they were gone.
            let gone = self.sender.is_disconnected();
            memory.count_lost(until);
            let JoinState { unfinished, lost, last_lost_by } = memory.join_state();
            if unfinished == 0 {
                return self.report_losses(lost, last_lost_by);
            }
            if gone {
                return Err(JoinError::Disconnected { unfinished });
            }
            if until.is_over() {
                return Err(JoinError::Timeout { unfinished });
            }
            // In slices, because the death of a process wakes no sleeper.
            let _looks_again_anyway = futex::wait(epoch, before, sleeps.next_sleep());
        }
    }

    fn report_losses(&self, lost: u64, last_lost_by: Option<u32>) -> Result<(), JoinError> {
        let count = lost.saturating_sub(self.reported.swap(lost, Relaxed));
        if count == 0 { Ok(()) } else { Err(JoinError::Lost { count, pid: last_lost_by.unwrap_or(0) }) }
    }
}

impl<T: Serialize> JoinableSender<T> {
    /// Sends an item, as [`Sender::send`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::send`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send(1)?;
    /// assert_eq!(*receiver.recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "put")]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.sender.send(item)
    }

    /// Sends an item if there is space for it now, as [`Sender::try_send`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::try_send`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::joinable(1)?;
    /// sender.try_send(1)?;
    /// assert!(sender.try_send(2).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(item)
    }

    /// Sends an item, and waits for space until the timeout, as [`Sender::send_timeout`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::send_timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::joinable(1)?;
    /// sender.send_timeout(1, std::time::Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.sender.send_timeout(item, timeout)
    }

    /// Sends many items, as [`Sender::send_many`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::send_many`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::joinable(10)?;
    /// assert_eq!(sender.send_many(0..5)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_many(&self, items: impl IntoIterator<Item = T>) -> Result<usize, SendManyError<T>> {
        self.sender.send_many(items)
    }
}

/// The end of a [joinable](joinable) queue where items come out.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::joinable(10)?;
/// sender.send(vec![1, 2, 3])?;
/// let item = receiver.recv()?;
/// assert_eq!(item.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "JoinableQueue")]
pub struct JoinableReceiver<T> {
    pub(crate) receiver: Receiver<T>,
    /// Where the process counts its items, in [`Outstanding`](crate::memory::layout::Outstanding).
    slot: Arc<AtomicU32>,
}

impl<T> JoinableReceiver<T> {
    fn new(receiver: Receiver<T>) -> Self {
        JoinableReceiver { receiver, slot: Arc::new(AtomicU32::new(0)) }
    }

    /// Finishes an item that was taken out of its [`Item`]. Items that are dropped need no such call. Never waits.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError`]: this process holds no item.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::Item;
    ///
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send("work".to_string())?;
    /// assert_eq!(Item::into_inner(receiver.recv()?), "work");
    /// receiver.task_done()?;
    /// sender.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        if self.memory().complete_one(&self.slot, Completion::Finished) { Ok(()) } else { Err(TaskDoneError) }
    }

    fn memory(&self) -> &Memory {
        self.receiver.raw.memory()
    }
}

impl<T: DeserializeOwned> JoinableReceiver<T> {
    /// Receives the next item, and waits until there is one.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Disconnected`]: everything was received, and all senders are gone.
    /// - [`RecvError::Failed`]: the message is no such value, or a limit was reached. It counts as finished.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send(5)?;
    /// assert_eq!(*receiver.recv()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get")]
    pub fn recv(&self) -> Result<Item<T>, RecvError> {
        Ok(self.recv_until(Until::FOREVER)?)
    }

    /// Receives the next item if there is one now.
    ///
    /// # Errors
    ///
    /// - [`TryRecvError::Empty`]: there is no message.
    /// - [`TryRecvError::Disconnected`] and [`TryRecvError::Failed`]: as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = procession_channels::joinable::<u8>(10)?;
    /// assert!(receiver.try_recv().is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn try_recv(&self) -> Result<Item<T>, TryRecvError> {
        Ok(self.recv_until(Until::Now)?)
    }

    /// Receives the next item, and waits for it until the timeout.
    ///
    /// # Errors
    ///
    /// - [`RecvTimeoutError::Timeout`]: there was no message until then.
    /// - [`RecvTimeoutError::Disconnected`] and [`RecvTimeoutError::Failed`]: as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = procession_channels::joinable::<u8>(10)?;
    /// assert!(receiver.recv_timeout(std::time::Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Item<T>, RecvTimeoutError> {
        Ok(self.recv_until(Until::after(timeout))?)
    }

    fn recv_until(&self, until: Until) -> Result<Item<T>, RawRecvError> {
        let is_counted = Cell::new(false);
        let count = |memory: &Memory, _| memory.count_taken(&self.slot).inspect(|()| is_counted.set(true));
        // Counted before it is taken: a death in between loses no item silently.
        let value = self.receiver.raw.recv_value(until, count);
        if value.is_err() && is_counted.get() {
            // The caller learns of it, so no sender need wait for it.
            self.memory().complete_one(&self.slot, Completion::Finished);
        }
        Ok(Item::new(value?, self.memory().clone(), Arc::clone(&self.slot)))
    }
}

macro_rules! handle {
    ($($name:ident: $inner:ident as $field:ident;)*) => {$(
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                Self::new(self.$field.clone())
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let JoinState { unfinished, lost, .. } = self.memory().join_state();
                let mut shown = f.debug_struct(stringify!($name));
                shown.field(stringify!($field), &self.$field).field("unfinished", &unfinished).field("lost", &lost);
                shown.finish_non_exhaustive()
            }
        }

        impl<T> Serialize for $name<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.$field.serialize(serializer)
            }
        }

        impl<'de, T> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $inner::deserialize(deserializer).map(Self::new)
            }
        }
    )*};
}

handle! {
    JoinableSender: Sender as sender;
    JoinableReceiver: Receiver as receiver;
}
