//! [`Link`]: a private connection between two processes that carries messages with their descriptors.
//!
//! A Unix stream socket with the frames of [`frame`](crate::frame). Descriptors travel beside the first bytes of their frame
//! (`SCM_RIGHTS`), at most 253 with each piece. What is larger than [`SPILL`] travels as a sealed memory file instead, so
//! that a message never waits for its reader: a process can leave a large result behind and exit.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::sys::socket::{AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair};
use thiserror::Error;

use crate::blob::Blob;
use crate::codec::Message;
use crate::frame::FrameDecoder;
use crate::os::descriptors::{above_standard, above_standard_if_possible};
use crate::os::limits;
use crate::os::poll::{Pollable, poll};
use crate::os::refusal::refused;
use crate::outgoing::{DESCRIPTORS_A_PIECE, Outgoing, SPILLED, garbled};

/// Above this size, in bytes, a message travels in a memory file and not through the socket.
///
/// ```
/// use procession_core::{Link, SPILL, codec};
///
/// let (mut here, mut there) = Link::pair()?;
/// let large = codec::encode(&vec![1_u8; 100 * SPILL])?;
/// here.send(large)?; // more than a socket holds, and nobody has read any of it
/// assert!(there.recv(None)?.expect("a message").bytes().len() > 100 * SPILL);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const SPILL: usize = 64 * 1024;

/// A link has failed.
///
/// ```
/// use procession_core::{Link, LinkError, codec};
///
/// let (mut here, there) = Link::pair()?;
/// drop(there);
/// match here.send(codec::encode("anybody there?")?) {
///     Err(LinkError::Disconnected) => {} // end of the talk
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side is gone.
    #[error("the process at the other end of the link is gone")]
    Disconnected,
    /// The other side sent something that is not a message. The link is of no use any more.
    #[error("the process at the other end of the link sent no valid message: {0}")]
    Garbled(String),
    /// The value to be sent could not be encoded.
    #[error("{0}")]
    Unsendable(String),
    /// More descriptors than one message can carry.
    #[error("a message can carry at most {limit} descriptors, not {count}")]
    TooManyDescriptors {
        /// How many it would have been.
        count: usize,
        /// How many it may be.
        limit: usize,
    },
    /// A limit of this process or of the machine.
    #[error("{0}")]
    Limit(String),
    /// The operating system refused.
    #[error("the link failed: {0}")]
    Io(#[source] io::Error),
}

/// What a look at a link has found.
///
/// ```
/// use procession_core::{Link, TryRecv, codec};
///
/// let (mut here, mut there) = Link::pair()?;
/// assert!(matches!(there.try_recv()?, TryRecv::Empty));
/// here.send(codec::encode("last words")?)?;
/// drop(here);
/// assert!(matches!(there.try_recv()?, TryRecv::Value(_)));
/// assert!(matches!(there.try_recv()?, TryRecv::End));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum TryRecv<T> {
    /// A message.
    Value(T),
    /// Nothing yet.
    Empty,
    /// Nothing any more: the other side is gone, and everything that it sent has been received.
    End,
}

/// One end of a connection that carries messages with their descriptors.
///
/// ```
/// use procession_core::{Link, codec};
///
/// let (mut here, mut there) = Link::pair()?;
/// here.send(codec::encode("hello")?)?;
/// let message = there.recv(None)?.expect("a message");
/// assert_eq!(codec::decode::<String>(message)?, "hello");
/// drop(here);
/// assert!(there.recv(None)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
    incoming: FrameDecoder,
    /// Descriptors that have arrived, for frames that are not complete yet.
    arrived: VecDeque<OwnedFd>,
    outgoing: VecDeque<Outgoing>,
    /// Where the kernel writes the numbers of descriptors.
    room: Vec<u8>,
}

impl Link {
    /// Makes a connection and answers both ends.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// use procession_core::{Link, codec};
    ///
    /// let (mut here, mut there) = Link::pair()?;
    /// there.send(codec::encode(&1_u8)?)?; // both ends send, and both receive
    /// assert_eq!(codec::decode::<u8>(here.recv(None)?.expect("a message"))?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair() -> io::Result<(Link, Link)> {
        let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC);
        let (here, there) = pair.map_err(|error| refused("socketpair", error))?;
        Ok((Link::from(above_standard(here)?), Link::from(above_standard(there)?)))
    }

    /// Sends a message, waiting for room where there is none.
    ///
    /// # Errors
    ///
    /// The other side is gone, or a limit on descriptors or memory.
    ///
    /// ```
    /// use procession_core::{Link, codec};
    /// use std::{fs::File, os::fd::OwnedFd};
    ///
    /// let (mut here, mut there) = Link::pair()?;
    /// here.send(codec::encode(&codec::Descriptor::from(OwnedFd::from(File::open("/dev/null")?)))?)?;
    /// assert_eq!(there.recv(None)?.expect("a message").descriptors().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&mut self, message: Message) -> Result<(), LinkError> {
        self.post(message)?;
        while !self.flush()? {
            poll(&[self.pollable()], None).map_err(LinkError::Io)?;
            // A side that writes to us while it does not read would otherwise keep `poll` from ever waiting.
            self.take_in()?;
        }
        Ok(())
    }

    /// Sends as much of a message as there is room for and keeps the rest for [`flush`](Link::flush). Never waits.
    ///
    /// # Errors
    ///
    /// As [`send`](Link::send).
    ///
    /// ```
    /// use procession_core::{Link, codec, os::poll::poll};
    ///
    /// let (mut here, mut there) = Link::pair()?;
    /// here.post(codec::encode("when it suits you")?)?;
    /// while !here.flush()? {
    ///     poll(&[here.pollable()], None)?; // a program would do something else as well
    /// }
    /// assert!(there.recv(None)?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post(&mut self, message: Message) -> Result<(), LinkError> {
        let mut next = Outgoing::new(message)?;
        if self.flush()? {
            match next.send(&self.socket) {
                Ok(true) => return Ok(()),
                // Half of it is out: nothing can be sent after it, and each further attempt says why.
                Err(error) if !next.has_begun() => return Err(error),
                Err(error) => {
                    self.outgoing.push_back(next);
                    return Err(error);
                }
                Ok(false) => {}
            }
        }
        self.outgoing.push_back(next);
        Ok(())
    }

    /// Sends on what was kept, without waiting. Answers whether all of it is out.
    ///
    /// # Errors
    ///
    /// As [`send`](Link::send).
    ///
    /// ```
    /// use procession_core::{Link, TryRecv, codec};
    ///
    /// let (mut here, mut there) = Link::pair()?;
    /// while here.flush()? {
    ///     here.post(codec::encode("word")?)?; // until the socket is full, and the last one is kept
    /// }
    /// while let TryRecv::Value(_) = there.try_recv()? {}
    /// assert!(here.flush()?, "there is room again");
    /// assert!(matches!(there.try_recv()?, TryRecv::Value(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        while let Some(first) = self.outgoing.front_mut() {
            let sent = first.send(&self.socket);
            // What cannot be sent at all must not be in the way of what comes after it.
            let is_hopeless = sent.is_err() && !first.has_begun();
            if is_hopeless || matches!(sent, Ok(true)) {
                self.outgoing.pop_front();
            }
            if !sent? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Receives the next message, waiting until the deadline (`None`: for ever). `None` means that there will be no more.
    ///
    /// # Errors
    ///
    /// [`LinkError::Io`] of the kind `TimedOut` at the deadline; the other side died in the middle of a message, or sent no
    /// valid one; the limit on descriptors.
    ///
    /// ```
    /// use procession_core::{Link, LinkError};
    /// use std::{io::ErrorKind, time::Instant};
    ///
    /// let (here, mut there) = Link::pair()?;
    /// let late = there.recv(Some(Instant::now()));
    /// assert!(matches!(late, Err(LinkError::Io(error)) if error.kind() == ErrorKind::TimedOut));
    /// drop(here);
    /// assert!(there.recv(None)?.is_none(), "nobody can send any more");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&mut self, deadline: Option<Instant>) -> Result<Option<Message>, LinkError> {
        loop {
            match self.try_recv()? {
                TryRecv::Value(message) => return Ok(Some(message)),
                TryRecv::End => return Ok(None),
                TryRecv::Empty => {}
            }
            let ready = poll(&[Pollable::readable(self.socket.as_fd())], deadline).map_err(LinkError::Io)?;
            if !ready[0] {
                return Err(LinkError::Io(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// Receives the next message if there is one, without waiting.
    ///
    /// # Errors
    ///
    /// As [`recv`](Link::recv), but for the deadline.
    ///
    /// ```
    /// use procession_core::{Link, TryRecv, codec};
    ///
    /// let (mut here, mut there) = Link::pair()?;
    /// assert!(matches!(there.try_recv()?, TryRecv::Empty));
    /// here.send(codec::encode("hello")?)?;
    /// let TryRecv::Value(message) = there.try_recv()? else { panic!("it is there") };
    /// assert_eq!(codec::decode::<String>(message)?, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&mut self) -> Result<TryRecv<Message>, LinkError> {
        loop {
            if let Some(frame) = self.incoming.next().map_err(garbled)? {
                return self.message(frame.payload, frame.descriptors).map(TryRecv::Value);
            }
            match self.read_some() {
                Ok(0) => {
                    self.incoming.finish().map_err(garbled)?;
                    return Ok(TryRecv::End);
                }
                Ok(_) => {}
                Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(TryRecv::Empty),
                Err(error) => return Err(error),
            }
        }
    }

    /// Ready when there may be something to receive, or room for what [`post`](Link::post) has kept.
    ///
    /// ```
    /// use procession_core::{Link, codec, os::poll::poll};
    ///
    /// let (mut here, there) = Link::pair()?;
    /// let (_other, another) = Link::pair()?;
    /// here.send(codec::encode("news")?)?;
    /// assert_eq!(poll(&[there.pollable(), another.pollable()], None)?, [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.socket.as_fd()).writable_too(!self.outgoing.is_empty())
    }

    pub(crate) fn close_in_copy(self) {
        let Link { socket, incoming, arrived, outgoing, room } = self;
        drop(socket);
        std::mem::forget((incoming, arrived, outgoing, room));
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Reads what is there without making messages of it.
    fn take_in(&mut self) -> Result<(), LinkError> {
        match self.read_some() {
            Ok(0) => Err(LinkError::Disconnected),
            Ok(_) => Ok(()),
            Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read_some(&mut self) -> Result<usize, LinkError> {
        let mut pieces = [IoSliceMut::new(self.incoming.space())];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let received = loop {
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut pieces, Some(&mut self.room), flags) {
                Err(nix::Error::EINTR) => {}
                // What the other side had sent before it went has been read by then.
                Err(nix::Error::ECONNRESET) => return Ok(0),
                other => break other.map_err(|errno| LinkError::Io(errno.into()))?,
            }
        };
        let (count, cut) = (received.bytes, received.flags.contains(MsgFlags::MSG_CTRUNC));
        for message in received.cmsgs().map_err(|errno| LinkError::Io(errno.into()))? {
            if let ControlMessageOwned::ScmRights(fds) = message {
                // SAFETY: the kernel just made these descriptors for us; nobody else owns them.
                let arrived = fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                self.arrived.extend(arrived.map(above_standard_if_possible));
            }
        }
        if cut {
            let full = io::Error::from_raw_os_error(nix::libc::EMFILE);
            return Err(LinkError::Limit(limits::explain(&full).unwrap_or_default()));
        }
        self.incoming.filled(count);
        Ok(count)
    }

    /// Puts a frame and its descriptors together again.
    fn message(&mut self, payload: Vec<u8>, count: u16) -> Result<Message, LinkError> {
        let wanted = usize::from(count & !SPILLED);
        if self.arrived.len() < wanted {
            return Err(LinkError::Garbled(format!("{wanted} descriptors announced, {} sent", self.arrived.len())));
        }
        let mut descriptors: Vec<OwnedFd> = self.arrived.drain(..wanted).collect();
        if count & SPILLED == 0 {
            return Ok(Message::new(payload, descriptors));
        }
        let missing = || LinkError::Garbled("a large message without its memory file".to_owned());
        let length = payload.try_into().map(u64::from_le_bytes).map_err(|_| missing())?;
        let file = descriptors.pop().ok_or_else(missing)?;
        let blob = Blob::from_descriptor(file, length).map_err(|error| LinkError::Garbled(error.to_string()))?;
        Ok(Message::from_blob(blob, descriptors))
    }
}

impl From<OwnedFd> for Link {
    /// Takes over a connected Unix stream socket.
    fn from(socket: OwnedFd) -> Link {
        let (limit, room) = (SPILL + 64, nix::cmsg_space!([RawFd; DESCRIPTORS_A_PIECE]));
        Link { socket, incoming: FrameDecoder::new(limit), arrived: VecDeque::new(), outgoing: VecDeque::new(), room }
    }
}
