//! [`SealedControl`]: the sealed link over which functions are named to another host.

use std::io;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::codec::{self, Handles, Message};
use crate::bytes::link::TryRecv;
use crate::bytes::link_error::LinkError;
use crate::bytes::sealed::stream::SealedStream;
use crate::os::poll::{Pollable, poll};

/// One end of a sealed link between two processes that know one key and run equal executables, on the same or on different hosts.
///
/// It carries what [`Control`](crate::code::control::Control) carries, but for descriptors.
///
/// ```
/// use procession_core::{Function, SealedControl};
/// use std::os::unix::net::UnixStream;
///
/// let (here, there) = UnixStream::pair()?;
/// let key = [7; 32]; // in truth random, and known to both sides alone
/// let other_host = std::thread::spawn(move || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
///     let mut link = SealedControl::respond(there.try_clone()?.into(), there.into(), &key, None)?;
///     Ok(link.recv::<Function>(None)?)
/// });
/// let mut link = SealedControl::initiate(here.try_clone()?.into(), here.into(), &key, None)?;
/// let function = Function::of(|n: u8| n + 1)?;
/// link.post(&function)?;
/// assert_eq!(other_host.join().unwrap().unwrap(), Some(function));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A copy of the process cannot send: it would seal with numbers that the original uses too, which gives the key away.
///
/// ```
/// use procession_core::{LinkError, SealedControl};
/// use procession_core::os::{exit::leave, fork::{Forked, fork}, pidfd::{Exit, PidFd}};
///
/// let (mut here, mut there) = SealedControl::pair()?;
/// let Forked::Parent(copy) = fork(&[])? else {
///     let is_refused = matches!(here.post("from the copy"), Err(LinkError::Unsendable(_)));
///     drop(here);
///     leave(is_refused.into())
/// };
/// let copy = PidFd::of_child(copy)?;
/// while !copy.has_ended()? {}
/// assert_eq!(copy.reap()?, Some(Exit::Code(1)));
/// here.post("from the original")?;
/// assert_eq!(there.recv::<String>(None)?.as_deref(), Some("from the original"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SealedControl(Box<SealedStream>);

impl SealedControl {
    /// Takes a stream whose two sides have found each other to know the key and to run equal executables.
    pub(super) fn new(stream: Box<SealedStream>) -> SealedControl {
        SealedControl(stream)
    }

    /// Sends as much of a value as there is room for and keeps the rest for [`flush`](Self::flush). Never waits.
    ///
    /// What is kept has no bound: the caller stops posting while `flush` returns `false`, or looks at [`kept`](Self::kept).
    ///
    /// # Errors
    ///
    /// [`LinkError::Unsendable`] for a value that cannot be encoded, is too long, or has a descriptor inside; the link goes on.
    /// [`LinkError::Disconnected`] or [`LinkError::Io`] where the other side or the connection is gone.
    ///
    /// ```
    /// use procession_core::{SealedControl, TryRecv};
    ///
    /// let (mut here, mut there) = SealedControl::pair()?;
    /// here.post(&7_u8)?;
    /// assert!(matches!(there.try_recv()?, TryRecv::Value(7_u8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        self.enqueue(value)?;
        self.flush().map(drop)
    }

    /// Keeps a value for [`flush`](Self::flush), so that several leave in one piece.
    ///
    /// # Errors
    ///
    /// [`LinkError::Unsendable`] as for [`post`](Self::post).
    ///
    /// ```
    /// use procession_core::{SealedControl, TryRecv};
    ///
    /// let (mut here, mut there) = SealedControl::pair()?;
    /// here.enqueue(&1_u8)?;
    /// here.enqueue(&2_u8)?;
    /// assert!(matches!(there.try_recv::<u8>()?, TryRecv::Empty));
    /// assert!(here.flush()?);
    /// assert!(matches!(there.try_recv()?, TryRecv::Value(1_u8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn enqueue<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        self.0.enqueue(|buffer| match codec::append_trusted(value, buffer) {
            Ok(descriptors) if descriptors.is_empty() => Ok(()),
            Ok(_) => Err(LinkError::Unsendable("a file or socket cannot travel to another host".to_owned())),
            Err(error) if error.is_limit() => Err(LinkError::Limit(error.message().to_owned())),
            Err(error) => Err(LinkError::Unsendable(error.to_string())),
        })
    }

    /// Sends on what was kept, without waiting. Returns whether all of it is out.
    ///
    /// # Errors
    ///
    /// [`LinkError::Disconnected`] or [`LinkError::Io`] where the other side or the connection is gone.
    ///
    /// ```
    /// use procession_core::{SealedControl, TryRecv};
    ///
    /// let (mut here, mut there) = SealedControl::pair()?;
    /// while here.flush()? {
    ///     here.post(&[7_u8; 1000][..])?; // until the connection is full
    /// }
    /// while let TryRecv::Value(_) = there.try_recv::<Vec<u8>>()? {}
    /// assert!(here.flush()?, "there is room again");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        self.0.flush()
    }

    /// Returns how many bytes are kept for [`flush`](Self::flush).
    ///
    /// ```
    /// use procession_core::SealedControl;
    ///
    /// let (mut here, _there) = SealedControl::pair()?;
    /// here.enqueue("hello")?;
    /// assert!(here.kept() > 5);
    /// here.flush()?;
    /// assert_eq!(here.kept(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kept(&self) -> usize {
        self.0.kept()
    }

    /// Receives the next value, waiting until the deadline (`None`: for ever), and meanwhile sends what is kept. `None` means that the
    /// other side has ended the link.
    ///
    /// # Errors
    ///
    /// [`LinkError::Io`] of the kind `TimedOut` at the deadline. [`LinkError::Disconnected`] where the stream ends without having been
    /// ended by the other side: it was killed, or the connection was cut. [`LinkError::Garbled`] for bytes that the other side has not
    /// sealed or that are no `T`.
    ///
    /// ```
    /// use procession_core::SealedControl;
    ///
    /// let (mut here, mut there) = SealedControl::pair()?;
    /// here.post("last words")?;
    /// drop(here);
    /// assert_eq!(there.recv::<String>(None)?.as_deref(), Some("last words"));
    /// assert_eq!(there.recv::<String>(None)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv<T: DeserializeOwned>(&mut self, deadline: Option<Instant>) -> Result<Option<T>, LinkError> {
        loop {
            // The other side may wait for what is kept here. A failure shows at the next post, and hides nothing that has arrived.
            let _may_fail = self.flush();
            match self.try_recv()? {
                TryRecv::Value(value) => return Ok(Some(value)),
                TryRecv::End => return Ok(None),
                TryRecv::Empty => {}
            }
            if !poll(&[self.0.pollable()], deadline).map_err(LinkError::Io)?[0] {
                return Err(LinkError::Io(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// Receives the next value if there is one, without waiting.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), but for the deadline.
    ///
    /// ```
    /// use procession_core::{SealedControl, TryRecv};
    ///
    /// let (mut here, mut there) = SealedControl::pair()?;
    /// assert!(matches!(there.try_recv::<u8>()?, TryRecv::Empty));
    /// here.post(&7_u8)?;
    /// assert!(matches!(there.try_recv()?, TryRecv::Value(7_u8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv<T: DeserializeOwned>(&mut self) -> Result<TryRecv<T>, LinkError> {
        Ok(match self.0.try_recv()? {
            TryRecv::Value(payload) => TryRecv::Value(value(payload)?),
            TryRecv::Empty => TryRecv::Empty,
            TryRecv::End => TryRecv::End,
        })
    }

    /// Ready when there may be something to receive, or room for what is kept.
    ///
    /// ```
    /// use procession_core::{SealedControl, os::poll::poll};
    ///
    /// let (mut here, there) = SealedControl::pair()?;
    /// here.post("news")?;
    /// assert_eq!(poll(&[there.pollable(), here.pollable()], None)?, [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        self.0.pollable()
    }
}

fn value<T: DeserializeOwned>(payload: Vec<u8>) -> Result<T, LinkError> {
    codec::decode_trusted(Message::new(payload, Handles::new())).map_err(|error| LinkError::Garbled(error.to_string()))
}
