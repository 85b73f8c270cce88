//! [`Control`]: the private link over which functions are named.
//!
//! Both ends are made here, one stays and the other goes to a child that runs the same image, or along another control
//! link. The descriptor is never shown, so no other code can write to it, and what arrives can be believed to be names
//! that [`Function`](crate::code::function::Function) made.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::sys::socket::{Shutdown, shutdown};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec;
use crate::bytes::link::{Link, TryRecv};
use crate::bytes::link_error::LinkError;
use crate::os::fork::{Forked, fork};
use crate::os::poll::Pollable;

/// What vouches for an end inside a message.
const TRUSTED_KIND: u64 = u64::from_le_bytes(*b"control ");

/// What an end is beside a message.
const KIND: codec::Kind = codec::Kind::own(*b"control ");

/// One end of a private link between two processes of the same program.
///
/// ```
/// use procession_core::{Control, Function};
///
/// let (mut here, mut there) = Control::pair()?;
/// here.send(&Function::of(|n: u8| n + 1)?)?;
/// let named: Function = there.recv(None)?.expect("a name");
/// # assert_eq!(named, named);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Control(Link);

impl Control {
    /// Makes a link and returns both ends.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// use procession_core::Control;
    ///
    /// let (mut here, mut there) = Control::pair()?;
    /// here.send("ready")?;
    /// assert_eq!(there.recv::<String>(None)?.as_deref(), Some("ready"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair() -> io::Result<(Control, Control)> {
        Link::pair().map(|(here, there)| (Control(here), Control(there)))
    }

    /// Sends a value, and waits until there is room.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded ([`LinkError::Unsendable`] with the text), or as [`Link::send`].
    ///
    /// ```
    /// use procession_core::{Control, Function};
    ///
    /// let (mut here, mut there) = Control::pair()?;
    /// let (inner, outer) = Control::pair()?;
    /// here.send(&("run this", Function::of(|n: u8| n + 1)?, outer))?; // all of it can cross
    /// let (text, function, mut outer): (String, Function, Control) = there.recv(None)?.expect("a value");
    /// # drop((text, function, inner));
    /// # assert!(outer.recv::<u8>(None)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        let message = codec::encode_trusted(value).map_err(unsendable)?;
        self.0.send(message)
    }

    /// Sends as much of a value as there is room for and keeps the rest for [`flush`](Control::flush). Never waits.
    ///
    /// # Errors
    ///
    /// As [`send`](Control::send).
    ///
    /// ```
    /// use procession_core::{Control, TryRecv};
    ///
    /// let (mut here, mut there) = Control::pair()?;
    /// here.post(&7_u8)?;
    /// here.post(&8_u8)?;
    /// assert!(here.flush()?, "there was room for both");
    /// assert!(matches!(there.try_recv()?, TryRecv::Value(7_u8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        let message = codec::encode_trusted(value).map_err(unsendable)?;
        self.0.post(message)
    }

    /// Sends on what was kept, without waiting. Returns whether all of it is out.
    ///
    /// # Errors
    ///
    /// As [`Link::flush`].
    ///
    /// ```
    /// use procession_core::{Control, TryRecv};
    ///
    /// let (mut here, mut there) = Control::pair()?;
    /// let mut posted = 0_u64;
    /// while here.flush()? {
    ///     here.post(&posted)?; // until the socket is full, and the last one is kept
    ///     posted += 1;
    /// }
    /// while let TryRecv::Value(number) = there.try_recv::<u64>()? {
    ///     assert!(number < posted);
    /// }
    /// assert!(here.flush()?, "there is room again");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        self.0.flush()
    }

    /// Receives the next value, waiting until the deadline (`None`: for ever). `None` means that there will be no more.
    ///
    /// # Errors
    ///
    /// As [`Link::recv`]; what arrived is no `T` ([`LinkError::Garbled`]).
    ///
    /// ```
    /// use procession_core::{Control, LinkError};
    /// use std::{io::ErrorKind, time::Instant};
    ///
    /// let (here, mut there) = Control::pair()?;
    /// let late = there.recv::<u8>(Some(Instant::now()));
    /// assert!(matches!(late, Err(LinkError::Io(error)) if error.kind() == ErrorKind::TimedOut));
    /// drop(here);
    /// assert_eq!(there.recv::<u8>(None)?, None, "no process can send any more");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv<T: DeserializeOwned>(&mut self, deadline: Option<Instant>) -> Result<Option<T>, LinkError> {
        self.0.recv(deadline)?.map(value).transpose()
    }

    /// Receives the next value if there is one, without waiting.
    ///
    /// # Errors
    ///
    /// As [`recv`](Control::recv), but for the deadline.
    ///
    /// ```
    /// use procession_core::{Control, TryRecv};
    ///
    /// let (mut here, mut there) = Control::pair()?;
    /// assert!(matches!(there.try_recv::<u8>()?, TryRecv::Empty));
    /// here.send(&7_u8)?;
    /// assert!(matches!(there.try_recv()?, TryRecv::Value(7_u8)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv<T: DeserializeOwned>(&mut self) -> Result<TryRecv<T>, LinkError> {
        Ok(match self.0.try_recv()? {
            TryRecv::Value(message) => TryRecv::Value(value(message)?),
            TryRecv::Empty => TryRecv::Empty,
            TryRecv::End => TryRecv::End,
        })
    }

    /// Ready when there may be something to receive, or room for what [`post`](Control::post) has kept.
    ///
    /// ```
    /// use procession_core::{Control, os::poll::poll};
    ///
    /// let (mut here, there) = Control::pair()?;
    /// let (_other, another) = Control::pair()?;
    /// here.send("news")?;
    /// assert_eq!(poll(&[there.pollable(), another.pollable()], None)?, [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        self.0.pollable()
    }

    /// Closes this end in a copy of the process that uses it, without freeing the memory around it: each page that a copy
    /// writes to costs more than the rest of the work.
    ///
    /// ```
    /// use procession_core::Control;
    ///
    /// let (mut here, there) = Control::pair()?;
    /// there.close_in_copy(); // what a fresh copy does with links that are its original's
    /// assert!(here.recv::<u8>(None)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_in_copy(self) {
        self.0.close_in_copy();
    }

    /// Ends sending, in all copies of this end; what has been sent can still be received. The other side finds this end gone, so that what it
    /// has not said by now it never will have said.
    ///
    /// # Errors
    ///
    /// The other side is gone already.
    ///
    /// ```
    /// use procession_core::{Control, LinkError};
    ///
    /// let (mut here, mut there) = Control::pair()?;
    /// there.send("in time")?;
    /// here.stop_listening()?;
    /// assert!(matches!(there.send("too late"), Err(LinkError::Disconnected)));
    /// assert_eq!(here.recv::<String>(None)?.as_deref(), Some("in time"));
    /// assert!(here.recv::<String>(None)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_listening(&self) -> io::Result<()> {
        Ok(shutdown(self.socket().as_raw_fd(), Shutdown::Read)?)
    }

    /// Copies this process; in the copy, every descriptor but the standard three and this end's leads nowhere.
    ///
    /// # Errors
    ///
    /// As [`fork`](crate::os::fork::fork).
    ///
    /// ```
    /// use procession_core::Control;
    /// use procession_core::os::{exit::leave, fork::Forked};
    ///
    /// let (mut here, there) = Control::pair()?;
    /// let (side, mut there) = there.fork()?;
    /// if side == Forked::Child {
    ///     let sent = there.send("hello from the copy");
    ///     leave(sent.is_err().into());
    /// }
    /// drop(there);
    /// assert_eq!(here.recv::<String>(None)?.as_deref(), Some("hello from the copy"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fork(self) -> io::Result<(Forked, Control)> {
        let side = fork(&[self.socket().as_fd()])?;
        Ok((side, self))
    }

    pub(crate) fn from_socket(socket: OwnedFd) -> Control {
        Control(Link::over(socket))
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        self.0.socket()
    }

    /// Keeps only the socket. What had arrived or was on its way is lost.
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.0.into_socket()
    }
}

fn unsendable(error: codec::EncodeError) -> LinkError {
    if error.is_limit() {
        LinkError::Limit(error.message().to_owned())
    } else {
        LinkError::Unsendable(error.to_string())
    }
}

fn value<T: DeserializeOwned>(message: codec::Message) -> Result<T, LinkError> {
    codec::decode_trusted(message).map_err(|error| LinkError::Garbled(error.to_string()))
}

/// An end travels along another control link, and nowhere else. The sender's copy should be dropped then.
impl Serialize for Control {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Only the place of the descriptor in the trusted table counts: a number among the bytes could be chosen by safe code.
        let place = codec::put(KIND, self.socket().as_fd()).map_err(S::Error::custom)?;
        let number = codec::put_trusted(TRUSTED_KIND, [place.into(), 0])
            .ok_or_else(|| S::Error::custom("a control link can only be sent over another control link"))?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Control {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Control, D::Error> {
        // Both tables must agree on what it is: the entry leads to a descriptor, and the descriptor has the kind of a link.
        let place = codec::take_trusted(TRUSTED_KIND, u32::deserialize(deserializer)?)
            .and_then(|[place, _]| place.try_into().ok());
        let none = || D::Error::custom("a control link can only be received over another control link");
        codec::take(KIND, place.ok_or_else(none)?).map(Control::from_socket).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::function::Function;

    #[test]
    fn names_and_ends_travel() {
        let (mut here, mut there) = Control::pair().unwrap();
        let (mut inner, end) = Control::pair().unwrap();
        here.send(&(Function::of(|n: u8| n + 1).unwrap(), end)).unwrap();
        let (name, mut end): (Function, Control) = there.recv(None).unwrap().unwrap();
        end.send(&name).unwrap();
        assert_eq!(inner.recv::<Function>(None).unwrap(), Some(name));
    }

    #[test]
    fn what_only_looks_like_a_name_or_an_end_is_none() {
        let (mut here, mut there) = Control::pair().unwrap();
        here.send(&(0_u32, 64_u64, 64_u64)).unwrap();
        assert!(there.recv::<(Function, u64, u64)>(None).unwrap_err().to_string().contains("name"));
        let (own, _) = std::os::unix::net::UnixStream::pair().unwrap();
        here.send(&codec::Descriptor::from(OwnedFd::from(own))).unwrap();
        assert!(there.recv::<Control>(None).unwrap_err().to_string().contains("control link"));
    }

    #[test]
    fn an_end_does_not_cross_an_ordinary_message() {
        let (_here, there) = Control::pair().unwrap();
        assert!(codec::encode(&there).unwrap_err().to_string().contains("control link"));
    }

    #[test]
    fn what_was_sent_before_the_end_is_received() {
        let (mut here, mut there) = Control::pair().unwrap();
        here.send(&vec![7_u8; 1 << 20]).unwrap();
        drop(here);
        assert_eq!(there.recv::<Vec<u8>>(None).unwrap().unwrap().len(), 1 << 20);
        assert!(there.recv::<Vec<u8>>(None).unwrap().is_none());
    }
}
