//! The iterators over a [`JoinableReceiver`].

use serde::de::DeserializeOwned;

use crate::error::RecvError;
use crate::item::Item;
use crate::iter::{next, try_next};
use crate::joinable::JoinableReceiver;

/// Receives until all senders are gone; from [`JoinableReceiver::iter`].
///
/// An item that is no such value is an error, and the next can be received. An error of the channel itself is the last. Each item is
/// finished when it is dropped, as one from [`recv`](JoinableReceiver::recv) is.
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
#[derive(Debug)]
pub struct JoinableIter<'a, T> {
    receiver: &'a JoinableReceiver<T>,
    over: bool,
}

/// Receives what is there; from [`JoinableReceiver::try_iter`].
///
/// # Examples
///
/// ```
/// let (_sender, receiver) = procession_channels::joinable::<u8>(10)?;
/// assert!(receiver.try_iter().next().is_none());
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
#[derive(Debug)]
pub struct JoinableTryIter<'a, T> {
    receiver: &'a JoinableReceiver<T>,
    over: bool,
}

/// Receives until all senders are gone; from a [`JoinableReceiver`] by value.
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
#[derive(Debug)]
pub struct JoinableIntoIter<T> {
    receiver: JoinableReceiver<T>,
    over: bool,
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
        JoinableIter { receiver: self, over: false }
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
        JoinableTryIter { receiver: self, over: false }
    }
}

impl<T: DeserializeOwned> Iterator for JoinableIter<'_, T> {
    type Item = Result<Item<T>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next(|| self.receiver.recv(), &mut self.over)
    }
}

impl<T: DeserializeOwned> Iterator for JoinableTryIter<'_, T> {
    type Item = Result<Item<T>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        try_next(|| self.receiver.try_recv(), &mut self.over)
    }
}

impl<T: DeserializeOwned> Iterator for JoinableIntoIter<T> {
    type Item = Result<Item<T>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next(|| self.receiver.recv(), &mut self.over)
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for &'a JoinableReceiver<T> {
    type Item = Result<Item<T>, RecvError>;
    type IntoIter = JoinableIter<'a, T>;

    fn into_iter(self) -> JoinableIter<'a, T> {
        self.iter()
    }
}

impl<T: DeserializeOwned> IntoIterator for JoinableReceiver<T> {
    type Item = Result<Item<T>, RecvError>;
    type IntoIter = JoinableIntoIter<T>;

    fn into_iter(self) -> JoinableIntoIter<T> {
        JoinableIntoIter { receiver: self, over: false }
    }
}
