//! [`SealedHandshake`]: how two processes come to a [`SealedControl`].
//!
//! ```text
//! initiator ── 48 bytes: fresh public key, proof of the common key ──► responder
//! initiator ◄── 48 bytes: the same of the other side ───────────────── responder     from here on all is sealed
//! both      ── version of the protocol, hash of the executable ──────► both
//! ```
//!
//! Until the other side has proved that it knows the key, 48 bytes are read from it and nothing is allocated for it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::content_hash::ContentHash;
use super::control::SealedControl;
use super::error::SealError;
use crate::bytes::link::TryRecv;
use crate::bytes::link_error::LinkError;
use crate::bytes::sealed::key_exchange::{KeyExchange, MESSAGE_BYTES, Message};
use crate::bytes::sealed::stream::SealedStream;
use crate::os::duplex::Duplex;
use crate::os::poll::{Pollable, poll};
use crate::os::random;

/// The version of all that two hosts say to each other. It changes with every change of it.
///
/// The first frame, which has it in front, stays as it is in all versions, so that each can name the other.
const VERSION: u32 = 1;

/// A handshake that is under way, for a process that does other things meanwhile.
///
/// ```
/// use procession_core::SealedHandshake;
/// use std::os::unix::net::UnixStream;
///
/// let (here, there) = UnixStream::pair()?;
/// let mut here = SealedHandshake::initiator(here.try_clone()?.into(), here.into(), &[7; 32])?;
/// let mut there = SealedHandshake::responder(there.try_clone()?.into(), there.into(), &[7; 32])?;
/// let (mut one, mut other) = (None, None);
/// while one.is_none() || other.is_none() {
///     one = one.or(here.advance()?); // whenever it is ready
///     other = other.or(there.advance()?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SealedHandshake(Stage);

#[derive(Debug)]
enum Stage {
    Keys { duplex: Duplex, exchange: KeyExchange, message: Message, received: usize },
    Hello { stream: Box<SealedStream>, own: ContentHash },
    Over,
}

impl SealedHandshake {
    /// Begins the handshake of the side that speaks first, over a socket (twice the same one) or two pipes.
    ///
    /// # Errors
    ///
    /// [`SealError::Unreadable`] and [`SealError::Link`].
    ///
    /// ```
    /// use procession_core::SealedHandshake;
    ///
    /// let ((from_there, _), (_reader, to_there)) = (std::io::pipe()?, std::io::pipe()?);
    /// let _handshake = SealedHandshake::initiator(from_there.into(), to_there.into(), &[7; 32])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initiator(read: OwnedFd, write: OwnedFd, key: &[u8; 32]) -> Result<SealedHandshake, SealError> {
        let (exchange, message) = KeyExchange::initiator(key).map_err(broken)?;
        let handshake = SealedHandshake::new(read, write, exchange)?;
        if let Stage::Keys { duplex, .. } = &handshake.0 {
            say(duplex, &message)?;
        }
        Ok(handshake)
    }

    /// Begins the handshake of the side that is spoken to.
    ///
    /// # Errors
    ///
    /// [`SealError::Unreadable`] and [`SealError::Link`].
    ///
    /// ```
    /// use procession_core::SealedHandshake;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (here, _stranger) = UnixStream::pair()?;
    /// let mut handshake = SealedHandshake::responder(here.try_clone()?.into(), here.into(), &[7; 32])?;
    /// assert!(handshake.advance()?.is_none(), "nothing has arrived");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn responder(read: OwnedFd, write: OwnedFd, key: &[u8; 32]) -> Result<SealedHandshake, SealError> {
        SealedHandshake::new(read, write, KeyExchange::responder(key).map_err(broken)?)
    }

    fn new(read: OwnedFd, write: OwnedFd, exchange: KeyExchange) -> Result<SealedHandshake, SealError> {
        let duplex = Duplex::new(read, write).map_err(LinkError::Io)?;
        Ok(SealedHandshake(Stage::Keys { duplex, exchange, message: [0; MESSAGE_BYTES], received: 0 }))
    }

    /// Goes on as far as what has arrived allows, without waiting. Returns the link when both sides have agreed.
    ///
    /// # Errors
    ///
    /// All of [`SealError`] but the deadline. The handshake has failed then.
    ///
    /// ```
    /// use procession_core::{SealError, SealedHandshake};
    /// use std::{io::Write, os::unix::net::UnixStream};
    ///
    /// let (here, mut stranger) = UnixStream::pair()?;
    /// stranger.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n")?;
    /// let mut handshake = SealedHandshake::responder(here.try_clone()?.into(), here.into(), &[7; 32])?;
    /// assert!(matches!(handshake.advance(), Err(SealError::Key)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&mut self) -> Result<Option<SealedControl>, SealError> {
        match std::mem::replace(&mut self.0, Stage::Over) {
            Stage::Keys { duplex, exchange, mut message, mut received } => {
                if !fill(&duplex, &mut message, &mut received)? {
                    self.0 = Stage::Keys { duplex, exchange, message, received };
                    return Ok(None);
                }
                let (stream, own) = greet(duplex, exchange, &message)?;
                self.meet(stream, own)
            }
            Stage::Hello { stream, own } => self.meet(stream, own),
            Stage::Over => Err(SealError::Closed),
        }
    }

    /// Returns whether the other side has sent what only a side that knows the key can have made. A copy of an old message passes too.
    ///
    /// A listener with too many handshakes under way ends one that has not.
    ///
    /// ```
    /// use procession_core::SealedHandshake;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// let mut handshake = SealedHandshake::responder(here.try_clone()?.into(), here.into(), &[7; 32])?;
    /// assert!(!handshake.has_shown_key());
    /// let _other = SealedHandshake::initiator(there.try_clone()?.into(), there.into(), &[7; 32])?;
    /// handshake.advance()?;
    /// assert!(handshake.has_shown_key());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn has_shown_key(&self) -> bool {
        matches!(self.0, Stage::Hello { .. })
    }

    /// Ready when [`advance`](Self::advance) may come further.
    ///
    /// ```
    /// use procession_core::{SealedHandshake, os::poll::poll};
    /// use std::{os::unix::net::UnixStream, time::Instant};
    ///
    /// let (here, _silent) = UnixStream::pair()?;
    /// let handshake = SealedHandshake::responder(here.try_clone()?.into(), here.into(), &[7; 32])?;
    /// assert_eq!(poll(&[handshake.pollable().unwrap()], Some(Instant::now()))?, [false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Option<Pollable<'_>> {
        match &self.0 {
            Stage::Keys { duplex, .. } => Some(duplex.pollable(false)),
            Stage::Hello { stream, .. } => Some(stream.pollable()),
            Stage::Over => None,
        }
    }

    /// Waits for the other side's version and hash.
    fn meet(&mut self, mut stream: Box<SealedStream>, own: ContentHash) -> Result<Option<SealedControl>, SealError> {
        stream.flush().map_err(closed)?;
        match stream.try_recv().map_err(closed)? {
            TryRecv::Value(hello) => compare(&hello, own).map(|()| Some(SealedControl::new(stream))),
            TryRecv::Empty => {
                self.0 = Stage::Hello { stream, own };
                Ok(None)
            }
            TryRecv::End => Err(SealError::Closed),
        }
    }
}

impl SealedControl {
    /// Makes a link and returns both ends, with a key of their own.
    ///
    /// # Errors
    ///
    /// [`SealError::Unreadable`] and [`SealError::Link`].
    ///
    /// ```
    /// use procession_core::SealedControl;
    ///
    /// let (mut here, mut there) = SealedControl::pair()?;
    /// here.post("ready")?;
    /// assert_eq!(there.recv::<String>(None)?.as_deref(), Some("ready"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair() -> Result<(SealedControl, SealedControl), SealError> {
        let mut key = [0; 32];
        random::fill(&mut key).map_err(LinkError::Io)?;
        let ends = || -> io::Result<[OwnedFd; 4]> {
            let (here, there) = UnixStream::pair()?;
            Ok([here.try_clone()?.into(), here.into(), there.try_clone()?.into(), there.into()])
        };
        let [read, write, other_read, other_write] = ends().map_err(LinkError::Io)?;
        let mut here = SealedHandshake::initiator(read, write, &key)?;
        let mut there = SealedHandshake::responder(other_read, other_write, &key)?;
        // Each call finds what it waits for: the other side has sent it by then.
        let early = there.advance()?;
        let (here, there) = (here.advance()?, early.or(there.advance()?));
        here.zip(there).ok_or(SealError::Closed)
    }

    /// Comes to a link as the side that speaks first, over a socket (twice the same one) or two pipes. Waits until the deadline
    /// (`None`: for ever).
    ///
    /// A driver that is connected to its agents by pipes is killed by SIGPIPE when one ends, unless the program ignores that signal, as
    /// programs of Rust do. Sockets are free of it.
    ///
    /// # Errors
    ///
    /// All of [`SealError`].
    ///
    /// ```
    /// use procession_core::{SealError, SealedControl};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// drop(there);
    /// let error = SealedControl::initiate(here.try_clone()?.into(), here.into(), &[7; 32], None);
    /// assert!(matches!(error, Err(SealError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initiate(
        read: OwnedFd,
        write: OwnedFd,
        key: &[u8; 32],
        deadline: Option<Instant>,
    ) -> Result<SealedControl, SealError> {
        finish(SealedHandshake::initiator(read, write, key)?, deadline)
    }

    /// Comes to a link as the side that is spoken to. Waits until the deadline (`None`: for ever).
    ///
    /// # Errors
    ///
    /// All of [`SealError`].
    ///
    /// ```
    /// use procession_core::{SealError, SealedControl};
    /// use std::{os::unix::net::UnixStream, thread};
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// let other = thread::spawn(|| SealedControl::initiate(there.try_clone()?.into(), there.into(), &[1; 32], None)
    ///     .map_err(std::io::Error::other));
    /// let error = SealedControl::respond(here.try_clone()?.into(), here.into(), &[2; 32], None);
    /// assert!(matches!(error, Err(SealError::Key)), "the keys differ");
    /// assert!(other.join().unwrap().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn respond(
        read: OwnedFd,
        write: OwnedFd,
        key: &[u8; 32],
        deadline: Option<Instant>,
    ) -> Result<SealedControl, SealError> {
        finish(SealedHandshake::responder(read, write, key)?, deadline)
    }
}

fn finish(mut handshake: SealedHandshake, deadline: Option<Instant>) -> Result<SealedControl, SealError> {
    loop {
        if let Some(link) = handshake.advance()? {
            return Ok(link);
        }
        let Some(pollable) = handshake.pollable() else { return Err(SealError::Closed) };
        if !poll(&[pollable], deadline).map_err(LinkError::Io)?[0] {
            return Err(SealError::TimedOut);
        }
    }
}

/// Reads on, up to the end of the message and not beyond. Returns whether it is whole.
fn fill(duplex: &Duplex, message: &mut Message, received: &mut usize) -> Result<bool, SealError> {
    while *received < message.len() {
        match duplex.read(&mut message[*received..]) {
            Ok(Some(0)) => return Err(SealError::Closed),
            Ok(Some(count)) => *received += count,
            Ok(None) => return Ok(false),
            Err(error) => return Err(closed(LinkError::Io(error))),
        }
    }
    Ok(true)
}

/// Replies to the other side's proof of the key, and says which version and executable this side is of.
fn greet(
    duplex: Duplex,
    exchange: KeyExchange,
    message: &Message,
) -> Result<(Box<SealedStream>, ContentHash), SealError> {
    let (cipher, reply) = exchange.receive(message).map_err(|_| SealError::Key)?;
    if let Some(reply) = reply {
        say(&duplex, &reply)?;
    }
    // Only now: the hash takes a while, and strangers shall not cause that.
    let own = ContentHash::own().map_err(SealError::Unreadable)?;
    let mut stream = Box::new(SealedStream::new(duplex, cipher));
    stream.enqueue(|buffer| {
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.extend_from_slice(&own.to_bytes());
        Ok(())
    })?;
    Ok((stream, own))
}

/// Sends a message of the key exchange. Its few bytes fit an empty connection, so one without room is at fault.
fn say(duplex: &Duplex, message: &Message) -> Result<(), SealError> {
    match duplex.write(message) {
        Ok(Some(MESSAGE_BYTES)) => Ok(()),
        Ok(_) => Err(LinkError::Io(io::ErrorKind::WouldBlock.into()).into()),
        Err(error) => Err(closed(LinkError::Io(error))),
    }
}

fn compare(hello: &[u8], own: ContentHash) -> Result<(), SealError> {
    let garbled = || LinkError::Garbled("it names no version and executable".to_owned());
    let (version, rest) = hello.split_first_chunk().ok_or_else(garbled)?;
    let version = u32::from_le_bytes(*version);
    // First: what follows may be anything in another version.
    if version != VERSION {
        return Err(SealError::Version { own: VERSION, peer: version });
    }
    let hash = <[u8; 32]>::try_from(rest).map_err(|_| garbled())?;
    let peer = ContentHash::from_bytes(hash);
    if peer == own { Ok(()) } else { Err(SealError::Executable { own, peer }) }
}

/// Says of a connection that is gone that it was during the handshake.
fn closed(error: LinkError) -> SealError {
    match error {
        LinkError::Disconnected => SealError::Closed,
        LinkError::Io(error) if is_gone(&error) => SealError::Closed,
        // The first sealed record: a side that repeats another's message of the key exchange cannot seal one.
        LinkError::Garbled(_) => SealError::Key,
        error => SealError::Link(error),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted)
}

/// The cipher refused what it never should.
fn broken(error: snow::Error) -> SealError {
    LinkError::Limit(format!("cannot make keys for a sealed link: {error}")).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// What a side finds of another that knows the key and says this first.
    fn finding(hello: &[u8]) -> SealError {
        let (end, mut peer) = UnixStream::pair().expect("a pair");
        let both = |socket: &UnixStream| {
            (socket.try_clone().expect("a copy").into(), socket.try_clone().expect("a copy").into())
        };
        let (read, write) = both(&end);
        let mut handshake = SealedHandshake::responder(read, write, &[7; 32]).expect("a socket");
        let (exchange, mut message) = KeyExchange::initiator(&[7; 32]).expect("a key");
        peer.write_all(&message).expect("there is room");
        assert!(handshake.advance().expect("the key is right").is_none());
        peer.read_exact(&mut message).expect("a reply");
        let (cipher, _) = exchange.receive(&message).expect("the key is right");
        let (read, write) = both(&peer);
        let mut stream = SealedStream::new(Duplex::new(read, write).expect("a socket"), cipher);
        let written = stream.enqueue(|buffer| {
            buffer.extend_from_slice(hello);
            Ok(())
        });
        written.expect("it is short");
        stream.flush().expect("there is room");
        handshake.advance().expect_err("it is another")
    }

    #[test]
    fn another_version_is_named_whatever_follows_it() {
        for rest in [&[][..], &[1; 32], &[1; 100]] {
            let error = finding(&[&9_u32.to_le_bytes()[..], rest].concat());
            assert!(matches!(error, SealError::Version { own: VERSION, peer: 9 }), "{error:?}");
            assert!(error.to_string().contains("version 9"));
        }
    }

    #[test]
    fn half_a_hello_is_none() {
        for hello in [&[][..], &[1], &VERSION.to_le_bytes(), &[VERSION.to_le_bytes(), [0; 4]].concat()] {
            let error = finding(hello);
            assert!(matches!(error, SealError::Link(LinkError::Garbled(_))), "{error:?}");
        }
        assert!(matches!(finding(&[&VERSION.to_le_bytes()[..], &[0; 32]].concat()), SealError::Executable { .. }));
    }
}
