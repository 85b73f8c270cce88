//! [`Outgoing`]: a message on its way into a link, sent piece by piece as there is room.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::blob::{Blob, BlobError};
use crate::codec::Message;
use crate::frame::{FrameError, FrameHeader};
use crate::link::{LinkError, SPILL};
use crate::os::limits;

/// The kernel's limit for one piece (`SCM_MAX_FD`).
pub(crate) const DESCRIPTORS_A_PIECE: usize = 253;

/// Set in a frame's count of descriptors when its last descriptor is a memory file with the message.
pub(crate) const SPILLED: u16 = 1 << 15;

/// A frame on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    header: [u8; FrameHeader::SIZE],
    payload: Vec<u8>,
    sent: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl Outgoing {
    pub(crate) fn new(message: Message) -> Result<Outgoing, LinkError> {
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
    pub(crate) fn send(&mut self, socket: &OwnedFd) -> Result<bool, LinkError> {
        loop {
            match self.send_some(socket) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Whether any of it is out.
    pub(crate) fn has_begun(&self) -> bool {
        self.sent > 0
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

pub(crate) fn garbled(error: FrameError) -> LinkError {
    LinkError::Garbled(error.to_string())
}
