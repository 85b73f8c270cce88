//! The iterators over a [`Receiver`].

use serde::de::DeserializeOwned;

use crate::error::{RecvError, TryRecvError};
use crate::receiver::Receiver;

/// Receives until all senders are gone; from [`Receiver::iter`].
///
/// An item that is no such value is an error, and the next can be received. An error of the channel itself is the last.
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
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
    over: bool,
}

/// Receives what is there; from [`Receiver::try_iter`].
///
/// # Examples
///
/// ```
/// let (_sender, receiver) = procession_channels::queue::<u8>(10)?;
/// assert!(receiver.try_iter().next().is_none());
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
    over: bool,
}

/// Receives until all senders are gone; from a [`Receiver`] by value.
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
pub struct IntoIter<T> {
    receiver: Receiver<T>,
    over: bool,
}

impl<'a, T> Iter<'a, T> {
    pub(crate) fn new(receiver: &'a Receiver<T>) -> Self {
        Iter { receiver, over: false }
    }
}

impl<'a, T> TryIter<'a, T> {
    pub(crate) fn new(receiver: &'a Receiver<T>) -> Self {
        TryIter { receiver, over: false }
    }
}

impl<T> IntoIter<T> {
    pub(crate) fn new(receiver: Receiver<T>) -> Self {
        IntoIter { receiver, over: false }
    }
}

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = Result<T, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next(|| self.receiver.recv(), &mut self.over)
    }
}

impl<T: DeserializeOwned> Iterator for IntoIter<T> {
    type Item = Result<T, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        next(|| self.receiver.recv(), &mut self.over)
    }
}

impl<T: DeserializeOwned> Iterator for TryIter<'_, T> {
    type Item = Result<T, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        try_next(|| self.receiver.try_recv(), &mut self.over)
    }
}

/// The next that is there, until an error of the channel itself was met.
pub(crate) fn try_next<R>(
    try_recv: impl FnOnce() -> Result<R, TryRecvError>,
    over: &mut bool,
) -> Option<Result<R, RecvError>> {
    if *over {
        return None;
    }
    match try_recv() {
        Ok(value) => Some(Ok(value)),
        Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        Err(TryRecvError::Failed(error)) => {
            *over = !error.is_decode();
            Some(Err(RecvError::Failed(error)))
        }
    }
}

/// The next that comes, until an error of the channel itself was met.
pub(crate) fn next<R>(recv: impl FnOnce() -> Result<R, RecvError>, over: &mut bool) -> Option<Result<R, RecvError>> {
    if *over {
        return None;
    }
    match recv() {
        Err(RecvError::Disconnected) => None,
        Err(RecvError::Failed(error)) => {
            *over = !error.is_decode();
            Some(Err(RecvError::Failed(error)))
        }
        value => Some(value),
    }
}
