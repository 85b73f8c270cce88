//! [`Link`]: a private connection between two processes that carries messages with their descriptors.
//!
//! A Unix stream socket with the frames of [`frame`](crate::frame). Descriptors travel beside the first bytes of their frame
//! (`SCM_RIGHTS`), at most 253 with each piece. What is larger than [`SPILL`] travels as a sealed memory file instead, so
//! that a message never waits for its reader: a process can leave a large result behind and exit.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};
use thiserror::Error;

use crate::blob::{Blob, BlobError};
use crate::codec::Message;
use crate::frame::{FrameDecoder, FrameError, FrameHeader};
use crate::os::limits;
use crate::os::poll::{Pollable, poll};

/// From this size on, in bytes, a message travels in a memory file and not through the socket.
pub const SPILL: usize = 64 * 1024;

/// The kernel's limit for one piece (`SCM_MAX_FD`).
const DESCRIPTORS_A_PIECE: usize = 253;

/// Set in a frame's count of descriptors when its last descriptor is a memory file with the message.
const SPILLED: u16 = 1 << 15;

/// A link has failed.
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

/// A frame on its way out.
#[derive(Debug)]
struct Outgoing {
    header: [u8; FrameHeader::SIZE],
    payload: Vec<u8>,
    sent: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl Link {
    /// Makes a connection and answers both ends.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    pub fn pair() -> io::Result<(Link, Link)> {
        let (here, there) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Link::from(here), Link::from(there)))
    }

    /// Sends a message, waiting for room where there is none.
    ///
    /// # Errors
    ///
    /// The other side is gone, or a limit on descriptors or memory.
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
    pub fn post(&mut self, message: Message) -> Result<(), LinkError> {
        let mut next = Outgoing::new(message)?;
        if !self.flush()? || !next.send(&self.socket)? {
            self.outgoing.push_back(next);
        }
        Ok(())
    }

    /// Sends on what was kept, without waiting. Answers whether all of it is out.
    ///
    /// # Errors
    ///
    /// As [`send`](Link::send).
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        while let Some(first) = self.outgoing.front_mut() {
            if !first.send(&self.socket)? {
                return Ok(false);
            }
            self.outgoing.pop_front();
        }
        Ok(true)
    }

    /// Receives the next message, waiting until the deadline (`None`: for ever). `None` means that there will be no more.
    ///
    /// # Errors
    ///
    /// [`LinkError::Io`] of the kind `TimedOut` at the deadline; the other side died in the middle of a message, or sent no
    /// valid one; the limit on descriptors.
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
                self.arrived.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
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

impl Outgoing {
    fn new(message: Message) -> Result<Outgoing, LinkError> {
        let (payload, mut descriptors) = message.into_parts();
        let (payload, flag) = if payload.len() > SPILL {
            spilled(payload.into_blob().map_err(spill_failed)?, &mut descriptors)?
        } else {
            (payload.into_vec(), 0)
        };
        let (count, limit) = (descriptors.len(), DESCRIPTORS_A_PIECE * FrameHeader::SIZE);
        if count > limit {
            return Err(LinkError::TooManyDescriptors { count, limit });
        }
        let announced = u16::try_from(count).unwrap_or(u16::MAX) | flag;
        let header = FrameHeader::new(payload.len(), announced).map_err(garbled)?.encode();
        Ok(Outgoing { header, payload, sent: 0, descriptors: descriptors.into() })
    }

    /// Sends as much as there is room for. Answers whether the frame is out.
    fn send(&mut self, socket: &OwnedFd) -> Result<bool, LinkError> {
        loop {
            match self.send_some(socket) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Sends one piece. Answers whether the frame is out.
    fn send_some(&mut self, socket: &OwnedFd) -> io::Result<bool> {
        let piece = self.descriptors.len().min(DESCRIPTORS_A_PIECE);
        let more = self.descriptors.len() > piece;
        let fds: Vec<RawFd> = self.descriptors.iter().take(piece).map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // Every piece of descriptors needs a byte to travel with; all but the last piece take just one.
        let sent = sendmsg::<()>(socket.as_raw_fd(), &self.rest(more), rights, flags, None);
        match sent {
            Ok(count) => {
                self.sent += count;
                self.descriptors.drain(..piece);
                Ok(self.sent == self.header.len() + self.payload.len())
            }
            Err(nix::Error::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn rest(&self, only_one_byte: bool) -> [IoSlice<'_>; 2] {
        let header = &self.header[self.sent.min(self.header.len())..];
        let payload = &self.payload[self.sent.saturating_sub(self.header.len())..];
        if only_one_byte {
            return [IoSlice::new(&header[..1]), IoSlice::new(&[])];
        }
        [IoSlice::new(header), IoSlice::new(payload)]
    }
}

/// Puts a memory file among the descriptors, and answers what the frame says of it.
fn spilled(blob: Blob, descriptors: &mut Vec<OwnedFd>) -> Result<(Vec<u8>, u16), LinkError> {
    let length = blob.len() as u64;
    descriptors.push(blob.into_descriptor().map_err(failed)?);
    Ok((length.to_le_bytes().to_vec(), SPILLED))
}

fn failed(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => LinkError::Disconnected,
        _ => limits::explain(&error).map_or(LinkError::Io(error), LinkError::Limit),
    }
}

fn spill_failed(error: BlobError) -> LinkError {
    LinkError::Limit(error.to_string())
}

fn garbled(error: FrameError) -> LinkError {
    LinkError::Garbled(error.to_string())
}
