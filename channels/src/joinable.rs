//! [`joinable`]: a queue that knows when everything that went in has been dealt with.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use procession_core::os::futex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{
    RecvError, RecvTimeoutError, SendError, SendManyError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::fault::ChannelError;
use crate::inlet::{Unreceived, with_buffer};
use crate::item::Item;
use crate::join_error::{JoinError, TaskDoneError};
use crate::patience::{Slices, Until};
use crate::receiver::Receiver;
use crate::ring::Memory;
use crate::sender::Sender;
use crate::tally::Ending;
use crate::typed::{decode, until};

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
    let (sender, receiver) = crate::queue(capacity)?;
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
    /// How many losses this handle has told of.
    told: AtomicU64,
}

impl<T> JoinableSender<T> {
    fn new(sender: Sender<T>) -> Self {
        JoinableSender { sender, told: AtomicU64::new(0) }
    }

    /// Waits until every item that was sent has ended.
    ///
    /// An item ends when its [`Item`] is dropped or [done](Item::done), or with [`task_done`](JoinableReceiver::task_done). The items of
    /// a process that dies end as well: as lost.
    ///
    /// # Errors
    ///
    /// Items were lost, or are left while all receivers are gone.
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

    /// As [`join`](Self::join), and waits at most so long.
    ///
    /// # Errors
    ///
    /// Items are left when the time is over; else as for [`join`](Self::join).
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
        self.join_until(until(timeout))
    }

    /// How many items were sent and have not ended.
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
        self.memory().standing().unfinished
    }

    fn memory(&self) -> &Memory {
        self.sender.outlet.memory()
    }

    fn join_until(&self, until: Until) -> Result<(), JoinError> {
        let memory = self.memory();
        let mut slices = Slices::new(until);
        loop {
            let moves = &memory.tally().moves;
            let before = moves.load(std::sync::atomic::Ordering::SeqCst);
            // Asked before the count: whatever was finished by receivers that are gone is counted then.
            let gone = self.sender.outlet.is_disconnected();
            memory.bury_the_dead(until);
            let standing = memory.standing();
            if standing.unfinished == 0 {
                return self.tell_losses(standing.lost, standing.culprit);
            }
            if gone {
                return Err(JoinError::Disconnected { unfinished: standing.unfinished });
            }
            if until.is_over() {
                return Err(JoinError::Timeout { unfinished: standing.unfinished });
            }
            let _look_again_anyway = futex::wait(moves, before, slices.next());
        }
    }

    fn tell_losses(&self, lost: u64, culprit: Option<u32>) -> Result<(), JoinError> {
        let count = lost.saturating_sub(self.told.swap(lost, Relaxed));
        if count == 0 { Ok(()) } else { Err(JoinError::Lost { count, pid: culprit.unwrap_or(0) }) }
    }
}

impl<T: Serialize> JoinableSender<T> {
    /// See [`Sender::send`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`Sender::try_send`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`Sender::send_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`Sender::send_many`].
    ///
    /// # Errors
    ///
    /// As there.
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
    row: Arc<AtomicU32>,
}

impl<T> JoinableReceiver<T> {
    fn new(receiver: Receiver<T>) -> Self {
        JoinableReceiver { receiver, row: Arc::new(AtomicU32::new(0)) }
    }

    /// Says that an item which was taken out of its [`Item`] is finished. Items that are dropped need no such call.
    ///
    /// # Errors
    ///
    /// This process holds no item.
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
        if self.memory().end_one(&self.row, Ending::Finished) { Ok(()) } else { Err(TaskDoneError) }
    }

    fn memory(&self) -> &Memory {
        self.receiver.inlet.memory()
    }
}

impl<T: DeserializeOwned> JoinableReceiver<T> {
    /// Receives the next item, waiting until there is one.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv`]. An item that cannot be decoded counts as finished.
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
    /// As for [`Receiver::try_recv`].
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

    /// Receives the next item, waiting at most so long.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = procession_channels::joinable::<u8>(10)?;
    /// assert!(receiver.recv_timeout(std::time::Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Item<T>, RecvTimeoutError> {
        Ok(self.recv_until(until(timeout))?)
    }

    fn recv_until(&self, until: Until) -> Result<Item<T>, Unreceived> {
        let held = std::cell::Cell::new(false);
        let hold = |memory: &Memory, _: u64| memory.hold_one(&self.row).inspect(|()| held.set(true));
        let inlet = &self.receiver.inlet;
        let value = with_buffer(|buffer| {
            let parcel = inlet.recv_checked(buffer, until, hold)?;
            decode(buffer, parcel)
        });
        if value.is_err() && held.get() {
            // The caller learns of it, so nobody need wait for it.
            self.memory().end_one(&self.row, Ending::Finished);
        }
        Ok(Item::new(value?, Arc::clone(inlet), Arc::clone(&self.row)))
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
                let $crate::tally::Standing { unfinished, lost, .. } = self.memory().standing();
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
