//! [`Link`]: a private connection between two processes that carries messages with their descriptors.
//!
//! A Unix stream socket with the frames of [`frame`](crate::bytes::frame). Descriptors travel beside the first bytes of their frame
//! (`SCM_RIGHTS`), at most 253 with each piece. What is larger than [`SPILL`] travels as a sealed memory file instead, so
//! that a message never waits for its reader: a process can leave a large result behind and exit.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Instant;

use crate::bytes::arrivals::Arrivals;
use crate::bytes::blob::Blob;
use crate::bytes::codec::{Handles, Kind, Message};
use crate::bytes::frame::FrameDecoder;
use crate::bytes::link_error::LinkError;
use crate::bytes::outgoing::{MOST_PAYLOAD, Outgoing, SPILLED, garbled};
use crate::os::descriptors::above_standard;
use crate::os::passing::{self, Room};
use crate::os::poll::{Pollable, poll};
use crate::os::refusal::refused;
use crate::tuning::DESCRIPTOR_RETRY;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

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
    arrived: Arrivals,
    outgoing: VecDeque<Outgoing>,
    /// Where the kernel writes the numbers of descriptors.
    room: Box<Room>,
}

impl Link {
    /// Makes a connection and returns both ends.
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
        // A program may have closed a standard stream. A socket that got its number would receive what is printed there.
        Ok((Link::over(above_standard(here)?), Link::over(above_standard(there)?)))
    }

    /// Sends a message, and waits until there is room.
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
            self.await_room()?;
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
        // A message that cannot be sent at all errs here, before the flush can meet an error of an earlier one.
        let mut next = Outgoing::new(message)?;
        // What was kept goes first: the frames of one link arrive in the order in which they were posted.
        let is_clear = self.flush()?;
        // The first piece of a clear link goes out at once, and the kernel looks at it then. A kept message is looked at whole.
        next.rehearse(is_clear.into())?;
        // The queue takes memory, which a fresh copy pays dearly for: mostly it is not needed.
        let sent = if is_clear { next.send(&self.socket) } else { Ok(false) };
        // What cannot be sent at all must not be in the way of what comes after it.
        if matches!(sent, Ok(false)) || sent.is_err() && next.has_begun() {
            self.outgoing.push_back(next);
        }
        sent.map(drop)
    }

    /// Sends on what was kept, without waiting. Returns whether all of it is out.
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
            // The error is returned after the pop, so that the next call goes on with the message behind it.
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
    /// assert!(there.recv(None)?.is_none(), "no process can send any more");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&mut self, deadline: Option<Instant>) -> Result<Option<Message>, LinkError> {
        loop {
            // Looks before it sleeps: the decoder may hold a whole frame already, of which the socket shows nothing.
            match self.try_recv()? {
                TryRecv::Value(message) => return Ok(Some(message)),
                TryRecv::End => return Ok(None),
                TryRecv::Empty => {}
            }
            let ready = poll(&[Pollable::readable(self.socket.as_fd())], deadline).map_err(LinkError::Io)?;
            // Without a deadline `poll` does not return before something is ready.
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
            // Before more is read: a peer that sends descriptors without frames would fill the table of this process.
            self.arrived.refuse_strays(&self.incoming)?;
            match self.read_some() {
                Ok(0) => {
                    // An end inside of a frame is an error and no end: the writer died while it sent.
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
        // Only the socket counts: the other side must see it closed. The other fields are left as they are, since to free their
        // memory would write to pages that a fresh copy shares with its original until then.
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
            // The rest of the message in `send` can no longer reach a reader, so waiting for room would never end.
            Ok(0) => Err(LinkError::Disconnected),
            Ok(_) => Ok(()),
            Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn await_room(&self) -> Result<(), LinkError> {
        let until_there_is_any = poll(&[self.pollable()], None).map(drop).map_err(LinkError::Io);
        if self.outgoing.front().is_some_and(Outgoing::is_refused) {
            // The socket has room, and the kernel none for descriptors on their way.
            thread::sleep(DESCRIPTOR_RETRY);
        }
        until_there_is_any
    }

    fn read_some(&mut self) -> Result<usize, LinkError> {
        let piece = loop {
            match passing::receive(self.socket.as_fd(), self.incoming.space(), &mut [], &mut self.room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What the other side had sent before it went has been read by then.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
                other => break other.map_err(LinkError::Io)?,
            }
        };
        let count = piece.count;
        self.arrived.push(piece);
        self.incoming.filled(count);
        Ok(count)
    }

    /// Puts a frame and its descriptors together again.
    fn message(&mut self, mut payload: Vec<u8>, count: u16) -> Result<Message, LinkError> {
        let wanted = usize::from(count & !SPILLED);
        // Taken first: an error further down must leave the descriptors of the next frame in front.
        let mut descriptors = self.arrived.take(wanted)?;
        // The last one, where `spilled` has put it, behind those that the value names.
        let file = if count & SPILLED == 0 { None } else { Some(descriptors.pop().ok_or_else(no_file)?) };
        // The kinds lie behind the bytes of the value, as `Outgoing::new` has appended them. The file has none.
        let kinds = payload.len().checked_sub(descriptors.len() * Kind::SIZE).map(|end| payload.split_off(end));
        let handles = kinds.and_then(|kinds| Handles::with_kinds(descriptors, &kinds));
        let handles = handles.ok_or_else(|| LinkError::Garbled("descriptors of no kind".to_owned()))?;
        let Some(file) = file else { return Ok(Message::new(payload, handles)) };
        // Of a message that travels in a file the frame holds only the length.
        let length = payload.try_into().map(u64::from_le_bytes).map_err(|_| no_file())?;
        // This looks at the seals: a file that the sender could still write to would change after it was checked.
        let blob = Blob::from_descriptor(file, length).map_err(|error| LinkError::Garbled(error.to_string()))?;
        Ok(Message::from_blob(blob, handles))
    }

    /// A link over a connected Unix stream socket.
    pub(crate) fn over(socket: OwnedFd) -> Link {
        let incoming = FrameDecoder::new(MOST_PAYLOAD);
        let (arrived, outgoing) = (Arrivals::default(), VecDeque::new());
        Link { socket, incoming, arrived, outgoing, room: Box::new(Room::new()) }
    }

    /// Takes over a connected Unix stream socket.
    ///
    /// # Safety
    ///
    /// Whatever is written to the other end, is written by a link, and is read by one: a link believes what it reads about the kinds
    /// of descriptors, and writes its own.
    ///
    /// ```
    /// use procession_core::{Link, codec};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// // SAFETY: no code but these two links has the sockets.
    /// let (mut here, mut there) = unsafe { (Link::from_socket(here.into()), Link::from_socket(there.into())) };
    /// here.send(codec::encode("hello")?)?;
    /// assert!(there.recv(None)?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub unsafe fn from_socket(socket: OwnedFd) -> Link {
        Link::over(socket)
    }
}

#[cold]
fn no_file() -> LinkError {
    LinkError::Garbled("a large message without its memory file".to_owned())
}
