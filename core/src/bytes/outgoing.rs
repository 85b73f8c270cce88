//! [`Outgoing`]: a message on its way into a link, sent piece by piece as there is room.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::bytes::blob::{Blob, BlobError};
use crate::bytes::codec::{Handle, Kind, Message};
use crate::bytes::frame::{FrameError, FrameHeader};
use crate::bytes::link_error::LinkError;
use crate::os::limits;
use crate::os::passing;
use crate::tuning::SPILL;

/// The kernel's limit for one piece (`SCM_MAX_FD`).
pub(crate) const DESCRIPTORS_A_PIECE: usize = passing::MOST;

/// How many descriptors a message can have: each piece of them needs a byte of the header to travel with.
pub(crate) const MOST_DESCRIPTORS: usize = DESCRIPTORS_A_PIECE * FrameHeader::SIZE;

/// The longest payload of a frame: a message that is not spilled, and the kinds of its descriptors.
pub(crate) const MOST_PAYLOAD: usize = SPILL + MOST_DESCRIPTORS * Kind::SIZE;

/// Set in a frame's count of descriptors when its last descriptor is a memory file with the message.
pub(crate) const SPILLED: u16 = 1 << 15;

/// A frame on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    header: [u8; FrameHeader::SIZE],
    payload: Vec<u8>,
    sent: usize,
    descriptors: VecDeque<OwnedFd>,
    /// Whether the kernel has refused the last piece because too many descriptors are on their way. No event says when they are fewer.
    is_refused: bool,
}

impl Outgoing {
    pub(crate) fn new(message: Message) -> Result<Outgoing, LinkError> {
        let (payload, handles) = message.into_parts();
        let is_large = payload.len() > SPILL;
        let count = handles.len() + usize::from(is_large);
        if count > MOST_DESCRIPTORS {
            return Err(LinkError::TooManyDescriptors { count, limit: MOST_DESCRIPTORS });
        }
        // The kinds of the value's own descriptors: the file that may join them below has none.
        let kinds: Vec<u8> = handles.kinds().flatten().collect();
        let mut descriptors: VecDeque<OwnedFd> = handles.into_vec().into_iter().map(|Handle { fd, .. }| fd).collect();
        let (mut payload, flag) = if is_large {
            spilled(payload.into_blob().map_err(spill_failed)?, &mut descriptors)?
        } else {
            (payload.into_vec(), 0)
        };
        payload.extend_from_slice(&kinds);
        // At most `MOST_DESCRIPTORS`, which leaves the bit of the flag free; so the conversion never falls back.
        let announced = u16::try_from(count).unwrap_or(u16::MAX) | flag;
        let header = FrameHeader::new(payload.len(), announced).map_err(garbled)?.encode();
        Ok(Outgoing { header, payload, sent: 0, descriptors, is_refused: false })
    }

    /// Has the kernel look at the descriptors of all pieces but those that go out at once (`next` of them). What it does not pass on it
    /// must refuse now: when the first piece is out nothing can take that back, and later the caller would not know which message it was.
    pub(crate) fn rehearse(&self, next: usize) -> Result<(), LinkError> {
        if self.descriptors.len() <= next * DESCRIPTORS_A_PIECE {
            return Ok(());
        }
        let fds: Vec<RawFd> = self.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        for piece in fds.chunks(DESCRIPTORS_A_PIECE).skip(next) {
            // A pair for each piece: a full socket would look like a refusal, and what is on its way there is given back at
            // the end of the step, so that the pieces do not add up to the limit on descriptors in flight.
            let (stage, _audience) = UnixDatagram::pair().map_err(failed)?;
            let rights = [ControlMessage::ScmRights(piece)];
            let sent = sendmsg::<()>(stage.as_raw_fd(), &[IoSlice::new(&[0])], &rights, MsgFlags::MSG_DONTWAIT, None);
            sent.map_err(|errno| failed(errno.into()))?;
        }
        Ok(())
    }

    /// Sends as much as there is room for. Returns whether the frame is out.
    pub(crate) fn send(&mut self, socket: &OwnedFd) -> Result<bool, LinkError> {
        self.is_refused = false;
        loop {
            match self.send_some(socket) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // Others, or this link, have too many on their way; they become fewer as they are received.
                Err(error) if self.has_begun() && is_passing(&error) => {
                    self.is_refused = true;
                    return Ok(false);
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Returns whether any of it is out.
    pub(crate) fn has_begun(&self) -> bool {
        self.sent > 0
    }

    /// Returns whether it waits for others to receive descriptors, and not for room.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Sends one piece. Returns whether the frame is out.
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
                // The kernel holds its own references by now. Closing ours at once gives their numbers back to this process.
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
            // There is one left: `MOST_DESCRIPTORS` allows as many pieces as the header has bytes.
            return [IoSlice::new(&header[..1]), IoSlice::new(&[])];
        }
        [IoSlice::new(header), IoSlice::new(payload)]
    }
}

/// Puts a memory file among the descriptors, and returns what the frame says of it.
fn spilled(blob: Blob, descriptors: &mut VecDeque<OwnedFd>) -> Result<(Vec<u8>, u16), LinkError> {
    let length = blob.len() as u64;
    descriptors.push_back(blob.into_descriptor().map_err(failed)?);
    Ok((length.to_le_bytes().to_vec(), SPILLED))
}

fn failed(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => LinkError::Disconnected,
        // The error of the kernel for descriptors that it never passes on, such as those of io_uring.
        io::ErrorKind::InvalidInput => LinkError::Refused(error),
        _ => limits::explain(&error).map_or(LinkError::Io(error), LinkError::Limit),
    }
}

/// Returns whether a limit was reached that is not so for long.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETOOMANYREFS | libc::ENOMEM | libc::ENOBUFS))
}

fn spill_failed(error: BlobError) -> LinkError {
    LinkError::Limit(error.to_string())
}

pub(crate) fn garbled(error: FrameError) -> LinkError {
    LinkError::Garbled(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_full_socket_is_no_refusal() {
        let (here, _there) = UnixStream::pair().expect("a pair");
        let here = OwnedFd::from(here);
        let mut full = loop {
            let mut next = Outgoing::new(Message::new(vec![0; SPILL], Vec::new())).expect("a small message");
            if !next.send(&here).expect("a socket that works") {
                break next;
            }
        };
        assert!(full.has_begun(), "the socket takes a part of it");
        assert!(
            !full.send(&here).expect("a socket that works") && !full.is_refused(),
            "its event says when there is room"
        );
    }
}
