//! [`RequestSender`]: the transport on which calls go out, to a manager of this program or of another one.
//!
//! Nothing here waits for longer than a moment: who may wait longer tries again, and lets others in meanwhile. What must go out
//! whatever happens, and finds no room, stays in the *backlog*, before everything that comes later.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use procession_channels::{PipeSender, SendTimeoutError, TrySendError};
use procession_core::codec::Message;
use procession_core::os::poll::Pollable;
use procession_core::{Control, Method};

use super::reply_reader::ReplyReader;
use super::request::MethodRef;
use crate::wire::error::CallError;
use crate::wire::frame_reader;
use crate::wire::ids::IdMap;
use crate::wire::protocol::ControlMessage;
use crate::wire::tuning::FRAMES_PER_DRAIN;

/// The sending half of a connection, for one thread at a time.
#[derive(Debug)]
pub(super) struct RequestSender {
    /// Where frames go out.
    transport: Transport,
    /// The numbers of the methods that the manager knows.
    learned: IdMap<Method, u32>,
    /// The number of frames so far.
    frames: u64,
    /// Frames for which there was no room. An empty frame goes out after the message on the link that it announces.
    backlog: VecDeque<Vec<u8>>,
    /// Whether a thread sees to the backlog.
    pub(super) has_flusher: bool,
}

/// The way to the manager.
#[derive(Debug)]
pub(super) enum Transport {
    /// To a manager of this program.
    Local { requests: Control, frames: PipeSender<()> },
    /// To a manager of another one.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "nothing connects to other programs"))]
    Remote(UnixStream),
}

impl RequestSender {
    pub(super) fn new(transport: Transport) -> RequestSender {
        RequestSender { transport, learned: IdMap::default(), frames: 0, backlog: VecDeque::new(), has_flusher: false }
    }

    /// Returns whether the manager is one of another program, which takes neither functions nor descriptors.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.transport, Transport::Remote(_))
    }

    /// Returns the number for the header of a call; 0 where no method is called.
    pub(super) fn number_of_which(&mut self, replies: &ReplyReader, method_ref: MethodRef) -> Result<u32, CallError> {
        match method_ref {
            MethodRef::None => Ok(0),
            MethodRef::Named(method) => self.number_of(replies, method),
            MethodRef::Number(number) => Ok(number),
        }
    }

    /// Returns the number of a method, which is introduced to the manager before its first call.
    pub(super) fn number_of(&mut self, replies: &ReplyReader, method: Method) -> Result<u32, CallError> {
        if let Some(index) = self.learned.get(&method) {
            return Ok(*index);
        }
        // Numbers are given in order, so that the manager can keep the methods in a list.
        let index = u32::try_from(self.learned.len()).map_err(|_| {
            CallError::Unsendable(
                "cannot name another function: a program has at most 2^32 of them for one manager".to_owned(),
            )
        })?;
        self.send_control(replies, &ControlMessage::<&Message>::Learn { index, method })?;
        // After it was sent: a method whose introduction fails must not be named by a number.
        self.learned.insert(method, index);
        Ok(index)
    }

    /// Sends over the link, and says so in the pipe: now, or from the backlog.
    pub(super) fn send_control(
        &mut self,
        replies: &ReplyReader,
        signal: &ControlMessage<&Message>,
    ) -> Result<(), CallError> {
        let Transport::Local { requests, .. } = &mut self.transport else { return Err(not_over_a_network()) };
        requests.post(signal).map_err(CallError::from_link)?;
        // The empty frame keeps the order between link and pipe: the manager reads the link when it comes.
        self.backlog.push_back(Vec::new());
        self.flush_backlog(replies, Duration::ZERO).map(drop)
    }

    /// Sends a frame if there is room for it before long. Returns whether it was sent.
    pub(super) fn try_send(
        &mut self,
        replies: &ReplyReader,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<bool, CallError> {
        if !self.flush_backlog(replies, timeout)? {
            return Ok(false);
        }
        self.frames += 1;
        if !self.is_remote() {
            return self.send_local(replies, bytes, timeout);
        }
        let too_long = || CallError::Unsendable(format!("it has {} bytes, too many for one message", bytes.len()));
        let frame = frame_reader::frame(bytes).ok_or_else(too_long)?;
        // Replies to posted calls pile up in the manager if the caller only sends.
        if self.frames.is_multiple_of(FRAMES_PER_DRAIN) {
            replies.drain()?;
        }
        let sent = self.send_remote(replies, &frame, timeout)?;
        // Half a frame must be followed by its rest before anything else.
        if 0 < sent && sent < frame.len() {
            self.backlog.push_back(frame[sent..].to_vec());
        }
        Ok(sent > 0)
    }

    /// Sends a frame, now or later.
    pub(super) fn send_or_queue(&mut self, replies: &ReplyReader, bytes: Vec<u8>) -> Result<(), CallError> {
        if !self.try_send(replies, &bytes, Duration::ZERO)? {
            // On a socket the length goes before the bytes, and is a part of what waits; the pipe keeps frames apart itself.
            self.backlog.push_back(if self.is_remote() {
                frame_reader::frame(&bytes).unwrap_or_default()
            } else {
                bytes
            });
        }
        Ok(())
    }

    /// Sends a frame of which the manager need not hear before it hears something else: it is not woken by it.
    pub(super) fn send_lazily(&mut self, replies: &ReplyReader, bytes: Vec<u8>) -> Result<(), CallError> {
        // With a backlog this frame would overtake what was sent before it.
        if let Transport::Local { frames, .. } = &self.transport
            && self.backlog.is_empty()
        {
            match frames.send_bytes_unnotified(&bytes) {
                Ok(true) => return Ok(()),
                Err(TrySendError::Disconnected(())) => return Err(CallError::ManagerGone),
                Ok(false) | Err(_) => {}
            }
        }
        self.send_or_queue(replies, bytes)
    }

    /// Returns whether anything waits for room.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends the backlog as far as there is room for it before long. Returns whether nothing is left of it.
    pub(super) fn flush_backlog(&mut self, replies: &ReplyReader, timeout: Duration) -> Result<bool, CallError> {
        while let Some(mut bytes) = self.backlog.pop_front() {
            let sent = match &self.transport {
                Transport::Local { .. } => {
                    // The link first: the frame may be the announcement of what the link still has.
                    self.flush(replies, timeout)? && self.send_local(replies, &bytes, timeout)?
                }
                Transport::Remote(_) => {
                    let sent = self.send_remote(replies, &bytes, timeout)?;
                    bytes.drain(..sent);
                    bytes.is_empty()
                }
            };
            if !sent {
                // Back to the front, where it was, so that the order stays.
                self.backlog.push_front(bytes);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends what the link still has. Returns whether nothing is left of it.
    fn flush(&mut self, replies: &ReplyReader, timeout: Duration) -> Result<bool, CallError> {
        let Transport::Local { requests, .. } = &mut self.transport else { return Ok(true) };
        if requests.flush().map_err(CallError::from_link)? {
            return Ok(true);
        }
        // The manager does not read from a client whose replies pile up, so room may depend on this.
        replies.drain()?;
        if !timeout.is_zero() {
            replies.poll_with(requests.pollable(), timeout)?;
        }
        requests.flush().map_err(CallError::from_link)
    }

    /// Sends through the pipe, and takes answers in if there is no room: the manager does not read from a client that takes none.
    fn send_local(&self, replies: &ReplyReader, bytes: &[u8], timeout: Duration) -> Result<bool, CallError> {
        let Transport::Local { frames, .. } = &self.transport else { return Err(not_over_a_network()) };
        // The first attempt only looks. If there is no room, replies are taken in before the second one waits.
        for timeout in [Duration::ZERO, timeout] {
            match frames.send_bytes_timeout(bytes, timeout) {
                Ok(()) => return Ok(true),
                Err(SendTimeoutError::Timeout(())) => replies.drain()?,
                Err(SendTimeoutError::Disconnected(())) => return Err(CallError::ManagerGone),
                Err(error) => return Err(CallError::Connection(error.to_string())),
            }
        }
        Ok(false)
    }

    /// Writes to the socket what there is room for, and takes answers in if there is no room: a manager gives up a client that lets
    /// them pile up. Returns how much was written.
    fn send_remote(&self, replies: &ReplyReader, bytes: &[u8], timeout: Duration) -> Result<usize, CallError> {
        let Transport::Remote(socket) = &self.transport else { return Err(not_over_a_network()) };
        let (mut socket, mut sent, mut is_last) = (socket, 0, false);
        while sent < bytes.len() {
            match socket.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_last => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    replies.drain()?;
                    if !timeout.is_zero() {
                        replies.poll_with(Pollable::readable(socket.as_fd()).writable_too(true), timeout)?;
                    }
                    is_last = true;
                }
                // The end of the replies says what is wrong, if anything is.
                Err(_) => return Err(CallError::ManagerGone),
            }
        }
        Ok(sent)
    }
}

/// Returns the error of a call that could be sent to a manager of this program only.
pub(super) fn not_over_a_network() -> CallError {
    CallError::Unsendable(
        "functions, descriptors and proxies do not cross a network: use the names of a registry".to_owned(),
    )
}
