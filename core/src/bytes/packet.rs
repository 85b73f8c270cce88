//! [`Packet`]: one end of a pair of sockets that keeps the borders of what is sent, for small notes with descriptors beside them.
//!
//! The kernel counts who holds an end, also across `exec`, `kill -9`, and for ends that are on their way inside messages. So
//! it is also how one learns that everybody at the other side is gone.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, getsockopt, recv, send, sendmsg, socketpair, sockopt,
};
use serde::de::Error as _;
use serde::{Deserializer, Serializer};

use crate::bytes::codec::{Handles, Kind, fd};
use crate::os::descriptors::above_standard;
use crate::os::passing::{self, Piece, Room};
use crate::os::poll::Pollable;
use crate::os::refusal::check;
use crate::os::refusal::refused;

/// The kernel's limit on descriptors beside one packet (`SCM_MAX_FD`).
///
/// ```
/// use procession_core::codec::Handles;
/// use procession_core::packet::{MOST_DESCRIPTORS, Packet};
///
/// let (here, _there) = Packet::pair()?;
/// let mut many = Handles::new();
/// for _ in 0..MOST_DESCRIPTORS {
///     many.append(vec![std::fs::File::open("/dev/null")?.into()].into());
/// }
/// here.post(b"as many as can be", &many)?;
/// many.append(vec![std::fs::File::open("/dev/null")?.into()].into());
/// assert!(here.post(b"too many", &many).is_err());
/// # std::io::Result::Ok(())
/// ```
pub const MOST_DESCRIPTORS: usize = passing::MOST;

/// What the kinds of the descriptors beside a packet take up, at most.
const MOST_KINDS: usize = MOST_DESCRIPTORS * Kind::SIZE;

/// One end of a connected pair of sockets. Nothing that it does waits, but [`wait`](Packet::wait).
///
/// Its descriptor is never shown: what is beside the packets may be the inside of other people's handles.
///
/// ```
/// use procession_core::codec::Handles;
/// use procession_core::packet::{Packet, Received};
///
/// let (here, there) = Packet::pair()?;
/// here.post(b"note", &Handles::new())?;
/// let mut note = [0; 16];
/// assert!(matches!(there.take(&mut note)?, Received::Packet(4, _)));
/// assert!(matches!(there.take(&mut note)?, Received::Nothing));
/// drop(here);
/// assert!(there.is_hung_up());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Packet(OwnedFd);

/// What a look at a [`Packet`] has found.
///
/// ```
/// use procession_core::codec::Handles;
/// use procession_core::packet::{Packet, Received};
///
/// let (here, there) = Packet::pair()?;
/// here.post(b"last words", &Handles::new())?;
/// drop(here);
/// let mut room = [0; 64];
/// while let Received::Packet(length, _) = there.take(&mut room)? {
///     assert_eq!(&room[..length], b"last words");
/// }
/// assert!(matches!(there.take(&mut room)?, Received::End));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub enum Received {
    /// A packet: its number of bytes, and the descriptors beside it.
    Packet(usize, Handles),
    /// A packet beside which there were descriptors that could not be opened here, or have no kind: they are lost. This number of its bytes is
    /// there, with what was written behind them of the descriptors.
    Bare(usize, io::Error),
    /// Nothing at the moment.
    Nothing,
    /// Nothing any more: everybody at the other side is gone.
    End,
}

impl Packet {
    /// Makes a pair.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// use procession_core::packet::Packet;
    ///
    /// let (here, there) = Packet::pair()?;
    /// assert!(!here.is_hung_up());
    /// drop(there);
    /// assert!(here.is_hung_up());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(Packet, Packet)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
        let (here, there) = pair.map_err(|error| refused("socketpair", error))?;
        Ok((Packet(above_standard(here)?), Packet(above_standard(there)?)))
    }

    /// Sends a packet.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is no room, `BrokenPipe` when everybody at the other side is gone; a limit on descriptors.
    ///
    /// ```
    /// use procession_core::codec::Handles;
    /// use procession_core::packet::{Packet, Received};
    /// let (here, there) = Packet::pair()?;
    /// here.post(b"one", &Handles::new())?;
    /// here.post(b"three", &Handles::from(vec![std::fs::File::open("/dev/null")?.into()]))?;
    /// let mut room = [0; 64];
    /// assert!(matches!(there.take(&mut room)?, Received::Packet(3, _)), "packets are never joined");
    /// assert!(matches!(there.take(&mut room)?, Received::Packet(5, fds) if fds.len() == 1));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn post(&self, bytes: &[u8], descriptors: &Handles) -> io::Result<()> {
        let fds: Vec<RawFd> = descriptors.as_slice().iter().map(|one| one.fd.as_raw_fd()).collect();
        // The kinds follow the bytes in the same packet, so that no reader sees the one without the other.
        let kinds: Vec<u8> = descriptors.kinds().flatten().collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let bytes = [IoSlice::new(bytes), IoSlice::new(&kinds)];
        loop {
            match sendmsg::<()>(self.0.as_raw_fd(), &bytes, rights, flags, None) {
                Err(error) if is_passing(&error.into()) => {}
                other => return other.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// Sends a packet of one byte.
    ///
    /// # Errors
    ///
    /// As [`post`](Packet::post).
    ///
    /// ```
    /// use procession_core::packet::Packet;
    ///
    /// let (here, there) = Packet::pair()?;
    /// here.ring()?;
    /// assert_eq!(there.wait(None)?, (true, false), "there is something to take, and the other side lives");
    /// assert_eq!(there.skip(), Some(1));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn ring(&self) -> io::Result<()> {
        loop {
            match send(self.0.as_raw_fd(), &[1], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Err(error) if is_passing(&error.into()) => {}
                other => return other.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// Takes the next packet. What is longer than `room` is cut off; beside descriptors, a packet must fit.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// ```
    /// use procession_core::codec::Handles;
    /// use procession_core::packet::{Packet, Received};
    ///
    /// let (here, there) = Packet::pair()?;
    /// here.post(b"a long story", &Handles::new())?;
    /// let mut room = [0; 6];
    /// assert!(matches!(there.take(&mut room)?, Received::Packet(6, _)));
    /// assert_eq!(&room, b"a long");
    /// assert!(matches!(there.take(&mut room)?, Received::Nothing), "the rest is lost");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take(&self, room: &mut [u8]) -> io::Result<Received> {
        let mut space = Room::new();
        let mut tail = [0; MOST_KINDS];
        let piece = loop {
            match passing::receive(self.0.as_fd(), room, &mut tail, &mut space) {
                Err(error) if is_passing(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Nothing),
                other => break other?,
            }
        };
        // No packet is sent without a byte, so this is the end.
        if piece.count == 0 {
            return Ok(Received::End);
        }
        if piece.is_cut {
            // The count includes what has run into the tail, which the caller does not see.
            // The descriptors that did arrive are closed here: half of them would be taken for all.
            return Ok(Received::Bare(piece.count.min(room.len()), io::Error::from_raw_os_error(libc::EMFILE)));
        }
        Ok(apart(piece, room, &tail))
    }

    /// Returns the length of the next packet, without taking it (at most `room` bytes); `None` when no packet is there. Descriptors count: what they
    /// are is written behind the bytes.
    ///
    /// ```
    /// use procession_core::codec::Handles;
    /// use procession_core::packet::Packet;
    ///
    /// let (here, there) = Packet::pair()?;
    /// here.post(b"hello", &Handles::new())?;
    /// let mut room = [0; 64];
    /// assert_eq!(there.peek(&mut room), Some(5));
    /// assert_eq!(there.peek(&mut room), Some(5), "it is still there");
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn peek(&self, room: &mut [u8]) -> Option<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        loop {
            match recv(self.0.as_raw_fd(), room, flags) {
                Err(error) if is_passing(&error.into()) => {}
                // A count of 0 is the end: no packet is sent without a byte.
                other => return other.ok().filter(|count| *count > 0),
            }
        }
    }

    /// Throws the next packet away, with its descriptors, and returns its first byte; `None` when no packet is there.
    ///
    /// ```
    /// use procession_core::codec::Handles;
    /// use procession_core::packet::Packet;
    ///
    /// let (here, there) = Packet::pair()?;
    /// here.post(b"hello", &Handles::new())?;
    /// assert_eq!(there.skip(), Some(b'h'));
    /// assert_eq!(there.skip(), None);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn skip(&self) -> Option<u8> {
        let mut first = [0];
        loop {
            match recv(self.0.as_raw_fd(), &mut first, MsgFlags::MSG_DONTWAIT) {
                Err(error) if is_passing(&error.into()) => {}
                other => return other.ok().filter(|count| *count > 0).map(|_| first[0]),
            }
        }
    }

    /// Returns whether everybody at the other side is gone. There may still be packets to take.
    ///
    /// ```
    /// use procession_core::packet::Packet;
    ///
    /// let (here, there) = Packet::pair()?;
    /// assert!(!here.is_hung_up());
    /// drop(there);
    /// assert!(here.is_hung_up());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn is_hung_up(&self) -> bool {
        // The kernel reports a hang-up also where no event is asked for. Asking for none leaves out what there is to read.
        self.poll(0, Some(Duration::ZERO)).is_ok_and(|seen| seen & (libc::POLLHUP | libc::POLLERR) != 0)
    }

    /// Waits until there is a packet, everybody at the other side is gone, or the time is over. Returns whether there is
    /// something to take, and whether the others are gone.
    ///
    /// # Errors
    ///
    /// What `ppoll` reports, interruptions aside.
    ///
    /// ```
    /// use procession_core::packet::Packet;
    /// use std::time::Instant;
    ///
    /// let (here, there) = Packet::pair()?;
    /// assert_eq!(there.wait(Some(Instant::now()))?, (false, false));
    /// drop(here);
    /// assert_eq!(there.wait(None)?, (true, true), "the end can be taken");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait(&self, until: Option<Instant>) -> io::Result<(bool, bool)> {
        loop {
            // Computed anew in each round, so that signals do not prolong the wait.
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self.poll(libc::POLLIN, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(|seen| (seen & libc::POLLIN != 0, seen & libc::POLLHUP != 0)),
            }
        }
    }

    /// Ready when there is something to take.
    ///
    /// ```
    /// use procession_core::{os::poll::poll, packet::Packet};
    ///
    /// let (here, there) = Packet::pair()?;
    /// here.ring()?;
    /// assert_eq!(poll(&[there.pollable()], None)?, [true]);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.0.as_fd())
    }

    /// Serializes this end as something of this kind.
    ///
    /// # Errors
    ///
    /// It is not inside a message to another process.
    ///
    /// ```
    /// use procession_core::{codec::Kind, packet::Packet};
    ///
    /// fn pack<S: serde::Serializer>(end: &Packet, kind: Kind, to: S) -> Result<S::Ok, S::Error> {
    ///     end.serialize_as(kind, to)
    /// }
    /// ```
    pub fn serialize_as<S: Serializer>(&self, kind: Kind, serializer: S) -> Result<S::Ok, S::Error> {
        fd::serialize_as(kind, &self.0, serializer)
    }

    /// Deserializes what was [serialized](Self::serialize_as) as something of this kind.
    ///
    /// # Errors
    ///
    /// It is something else.
    ///
    /// ```
    /// use procession_core::{codec::Kind, packet::Packet};
    ///
    /// fn unpack<'de, D: serde::Deserializer<'de>>(kind: Kind, from: D) -> Result<Packet, D::Error> {
    ///     Packet::deserialize_as(kind, from)
    /// }
    /// ```
    pub fn deserialize_as<'de, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Packet, D::Error> {
        Packet::adopt(fd::deserialize_as(kind, deserializer)?).map_err(D::Error::custom)
    }

    fn adopt(socket: OwnedFd) -> io::Result<Packet> {
        match getsockopt(&socket, sockopt::SockType) {
            // A stream would join notes that were sent apart, and their kinds would be looked for in the wrong place.
            Ok(SockType::SeqPacket) => Ok(Packet(socket)),
            Ok(_) => Err(io::Error::other("the socket does not keep packets apart")),
            Err(error) => Err(error.into()),
        }
    }

    fn poll(&self, events: libc::c_short, timeout: Option<Duration>) -> io::Result<libc::c_short> {
        let mut entry = libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 };
        let timeout = timeout.map(crate::os::poll::timespec);
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: one entry that lives across the call; the timeout is null or lives as long.
        check(unsafe { libc::ppoll(&raw mut entry, 1, timeout, std::ptr::null()) })?;
        Ok(entry.revents)
    }
}

/// A signal came, or the other side went without having read everything, which is reported once and hides what there is to read.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset)
}

/// Takes the kinds of the descriptors off the end of a packet, which lies in `room` and goes on in `tail`.
fn apart(piece: Piece, room: &[u8], tail: &[u8]) -> Received {
    let size = piece.descriptors.len() * Kind::SIZE;
    if size == 0 {
        // What has run into the tail is longer than the room, and is cut off as the kernel does it with packets.
        return Received::Packet(piece.count.min(room.len()), Handles::new());
    }
    // The kinds are the last bytes, but only the caller knows how large its room is: they may begin inside of it.
    let written = piece.count.checked_sub(size).filter(|len| *len <= room.len());
    let kinds = written.map(|len| room.iter().chain(tail).copied().skip(len).take(size).collect::<Vec<u8>>());
    match written.zip(kinds.and_then(|kinds| Handles::with_kinds(piece.descriptors, &kinds))) {
        Some((len, handles)) => Received::Packet(len, handles),
        None => Received::Bare(piece.count.min(room.len()), io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(descriptors: Vec<OwnedFd>) -> Handles {
        Handles::from(descriptors)
    }

    #[test]
    fn descriptors_travel_and_packets_stay_apart() {
        let (here, there) = Packet::pair().expect("a pair");
        here.ring().expect("room");
        here.post(b"with", &some(vec![io::pipe().unwrap().0.into(), io::pipe().unwrap().0.into()])).expect("room");
        let mut room = [0; 9];
        assert_eq!(there.peek(&mut room), Some(1));
        assert!(matches!(there.take(&mut room), Ok(Received::Packet(1, fds)) if fds.is_empty()));
        assert_eq!(there.peek(&mut room[..4]), Some(4));
        assert!(matches!(there.take(&mut room), Ok(Received::Packet(4, fds)) if fds.len() == 2));
        assert!(matches!(there.take(&mut room), Ok(Received::Nothing)));
    }

    #[test]
    fn the_end_is_seen_and_what_was_sent_before_it() {
        let (here, there) = Packet::pair().expect("a pair");
        here.ring().expect("room");
        assert!(!there.is_hung_up());
        drop(here);
        assert!(there.is_hung_up());
        there.wait(None).expect("it does not wait");
        assert!(matches!(there.take(&mut [0; 1]), Ok(Received::Packet(1, _))));
        assert!(matches!(there.take(&mut [0; 1]), Ok(Received::End)));
        assert_eq!(there.ring().expect_err("nobody is there").kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_was_sent_is_there_although_the_sender_left_something_unread() {
        let (here, there) = Packet::pair().expect("a pair");
        here.ring().expect("room");
        there.ring().expect("room");
        drop(here);
        assert_eq!(there.peek(&mut [0; 1]), Some(1));
        let (here, there) = Packet::pair().expect("a pair");
        here.ring().expect("room");
        there.ring().expect("room");
        drop(here);
        assert_eq!(there.ring().expect_err("nobody is there").kind(), io::ErrorKind::BrokenPipe);
        assert!(matches!(there.take(&mut [0; 1]), Ok(Received::Packet(1, _))));
    }

    #[test]
    fn packets_are_skipped_with_their_descriptors() {
        let (here, there) = Packet::pair().expect("a pair");
        let (reader, writer) = io::pipe().expect("a pipe");
        here.post(b"with", &some(vec![writer.into()])).expect("room");
        here.ring().expect("room");
        assert_eq!((there.skip(), there.skip(), there.skip()), (Some(b'w'), Some(1), None));
        assert_eq!(io::read_to_string(reader).expect("nobody writes to it any more"), "");
    }

    #[test]
    fn a_full_socket_says_so() {
        let (here, _there) = Packet::pair().expect("a pair");
        let error = (0..1_000_000).find_map(|_| here.ring().err()).expect("it is finite");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn other_sockets_are_refused() {
        let (stream, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert!(Packet::adopt(stream.into()).is_err());
        let (reader, _writer) = io::pipe().expect("a pipe");
        assert!(Packet::adopt(reader.into()).is_err());
    }
}
