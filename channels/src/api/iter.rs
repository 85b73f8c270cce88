//! Iterators over a [`Receiver`] or a [`JoinableReceiver`].

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::error::{RecvError, TryRecvError};
use super::item::Item;
use super::joinable::JoinableReceiver;
use super::receiver::Receiver;

/// Receives until all senders are gone; from [`Receiver::iter`] and [`JoinableReceiver::iter`].
///
/// A message that is no such value is an error, and the next can be received. An error of the channel itself is the last item.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue(10)?;
/// sender.send(1)?;
/// assert_eq!(receiver.iter().next().transpose()?, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Iter<'a, T, R = Receiver<T>> {
    receiver: &'a R,
    is_over: bool,
    values: PhantomData<fn() -> T>,
}

/// Receives what is there; from [`Receiver::try_iter`] and [`JoinableReceiver::try_iter`].
///
/// # Examples
///
/// ```
/// let (_sender, receiver) = procession_channels::queue::<u8>(10)?;
/// assert!(receiver.try_iter().next().is_none());
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
#[derive(Debug)]
pub struct TryIter<'a, T, R = Receiver<T>> {
    receiver: &'a R,
    is_over: bool,
    values: PhantomData<fn() -> T>,
}

/// Receives until all senders are gone; from a [`Receiver`] or [`JoinableReceiver`] by value.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue(10)?;
/// sender.send_many([1, 2])?;
/// drop(sender);
/// assert_eq!(receiver.into_iter().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IntoIter<T, R = Receiver<T>> {
    receiver: R,
    is_over: bool,
    values: PhantomData<fn() -> T>,
}

/// Receives items until all senders are gone. Each is finished when it is dropped.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::joinable(10)?;
/// sender.send(1)?;
/// assert_eq!(*receiver.iter().next().expect("there is one")?, 1);
/// sender.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type JoinableIter<'a, T> = Iter<'a, T, JoinableReceiver<T>>;

/// Receives the items that are there. Each is finished when it is dropped.
///
/// # Examples
///
/// ```
/// let (_sender, receiver) = procession_channels::joinable::<u8>(10)?;
/// assert!(receiver.try_iter().next().is_none());
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
pub type JoinableTryIter<'a, T> = TryIter<'a, T, JoinableReceiver<T>>;

/// Receives items until all senders are gone, from a receiver by value.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::joinable(10)?;
/// sender.send_many([1, 2])?;
/// drop(sender);
/// assert_eq!(receiver.into_iter().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type JoinableIntoIter<T> = IntoIter<T, JoinableReceiver<T>>;

impl<T> Receiver<T> {
    /// Receives until all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(10)?;
    /// sender.send_many([1, 2, 3])?;
    /// drop(sender);
    /// let mut sum = 0;
    /// for number in receiver.iter() {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self, is_over: false, values: PhantomData }
    }

    /// Receives what is there, without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(10)?;
    /// sender.send_many([1, 2, 3])?;
    /// assert_eq!(receiver.try_iter().filter_map(Result::ok).sum::<u32>(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self, is_over: false, values: PhantomData }
    }
}

impl<T> JoinableReceiver<T> {
    /// Receives item after item, until all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send_many([1, 2])?;
    /// drop(sender);
    /// let mut sum = 0;
    /// for item in &receiver {
    ///     sum += *item?;
    /// }
    /// assert_eq!(sum, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> JoinableIter<'_, T> {
        Iter { receiver: self, is_over: false, values: PhantomData }
    }

    /// Receives the items that are there, without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::joinable(10)?;
    /// sender.send_many([1, 2])?;
    /// assert_eq!(receiver.try_iter().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_iter(&self) -> JoinableTryIter<'_, T> {
        TryIter { receiver: self, is_over: false, values: PhantomData }
    }
}

/// Returns the next item, until the end or an error of the channel itself.
fn next_item<I>(is_over: &mut bool, recv: impl FnOnce() -> Result<I, RecvError>) -> Option<Result<I, RecvError>> {
    if *is_over {
        return None;
    }
    match recv() {
        Err(RecvError::Disconnected) => None,
        Err(RecvError::Failed(error)) => {
            // An error of the channel itself would come again and again.
            *is_over = !error.is_decode();
            Some(Err(RecvError::Failed(error)))
        }
        item => Some(item),
    }
}

/// What the end looks like to an iterator that does not wait.
fn or_end(error: TryRecvError) -> RecvError {
    match error {
        TryRecvError::Empty | TryRecvError::Disconnected => RecvError::Disconnected,
        TryRecvError::Failed(error) => RecvError::Failed(error),
    }
}

macro_rules! iterators {
    ($($receiver:ident: $item:ty;)*) => {$(
        impl<T: DeserializeOwned> Iterator for Iter<'_, T, $receiver<T>> {
            type Item = Result<$item, RecvError>;

            fn next(&mut self) -> Option<Self::Item> {
                next_item(&mut self.is_over, || self.receiver.recv())
            }
        }

        impl<T: DeserializeOwned> Iterator for IntoIter<T, $receiver<T>> {
            type Item = Result<$item, RecvError>;

            fn next(&mut self) -> Option<Self::Item> {
                next_item(&mut self.is_over, || self.receiver.recv())
            }
        }

        impl<T: DeserializeOwned> Iterator for TryIter<'_, T, $receiver<T>> {
            type Item = Result<$item, RecvError>;

            fn next(&mut self) -> Option<Self::Item> {
                next_item(&mut self.is_over, || self.receiver.try_recv().map_err(or_end))
            }
        }

        impl<'a, T: DeserializeOwned> IntoIterator for &'a $receiver<T> {
            type Item = Result<$item, RecvError>;
            type IntoIter = Iter<'a, T, $receiver<T>>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl<T: DeserializeOwned> IntoIterator for $receiver<T> {
            type Item = Result<$item, RecvError>;
            type IntoIter = IntoIter<T, $receiver<T>>;

            fn into_iter(self) -> Self::IntoIter {
                IntoIter { receiver: self, is_over: false, values: PhantomData }
            }
        }
    )*};
}

iterators! {
    Receiver: T;
    JoinableReceiver: Item<T>;
}
