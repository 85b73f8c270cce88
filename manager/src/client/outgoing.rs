//! [`Outgoing`]: the way on which calls go out, to a manager of this program or of another one.
//!
//! Nothing here waits for longer than a moment: who may wait longer tries again, and lets others in meanwhile. What must go out
//! whatever happens, and finds no room, stays in the *backlog*, before everything that comes later.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use procession_channels::{PipeSender, SendTimeoutError, TrySendError};
use procession_core::codec::Message;
use procession_core::os::poll::Pollable;
use procession_core::{Control, Method};

use super::connection::Which;
use super::inbox::Inbox;
use crate::error::CallError;
use crate::frames;
use crate::wire::Signal;

/// Once in so many calls to another program, answers are taken in that nobody may be waiting for.
const SELDOM: u64 = 32;

/// How long is waited for room before others may try, and answers are taken in again.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// How calls leave this process. One thread at a time sends.
#[derive(Debug)]
pub(super) struct Outgoing {
    way: Way,
    /// The numbers of the methods that the manager knows.
    learned: HashMap<Method, u32>,
    /// How many frames there were.
    frames: u64,
    /// What there was no room for. An empty frame for a manager of this program goes out after what it announces.
    backlog: VecDeque<Vec<u8>>,
    /// Whether a thread sees to the backlog.
    pub(super) is_seen_to: bool,
}

/// How calls go out.
#[derive(Debug)]
pub(super) enum Way {
    /// To a manager of this program.
    Near { requests: Control, frames: PipeSender<()> },
    /// To a manager of another one.
    Far(UnixStream),
}

impl Outgoing {
    pub(super) fn new(way: Way) -> Outgoing {
        Outgoing { way, learned: HashMap::new(), frames: 0, backlog: VecDeque::new(), is_seen_to: false }
    }

    pub(super) fn is_far(&self) -> bool {
        matches!(self.way, Way::Far(_))
    }

    pub(super) fn number_of_which(&mut self, inbox: &Inbox, which: Which) -> Result<u32, CallError> {
        match which {
            Which::None => Ok(0),
            Which::Named(method) => self.number_of(inbox, method),
            Which::Number(number) => Ok(number),
        }
    }

    pub(super) fn number_of(&mut self, inbox: &Inbox, method: Method) -> Result<u32, CallError> {
        if let Some(index) = self.learned.get(&method) {
            return Ok(*index);
        }
        let index = u32::try_from(self.learned.len())
            .map_err(|_| CallError::Unsendable("a program cannot call so many different functions".to_owned()))?;
        self.pass(inbox, &Signal::<&Message>::Learn { index, method })?;
        self.learned.insert(method, index);
        Ok(index)
    }

    /// Sends over the link, and says so in the pipe: now, or from the backlog.
    pub(super) fn pass(&mut self, inbox: &Inbox, signal: &Signal<&Message>) -> Result<(), CallError> {
        let Way::Near { requests, .. } = &mut self.way else { return Err(not_over_a_network()) };
        requests.post(signal).map_err(CallError::from_link)?;
        self.backlog.push_back(Vec::new());
        self.settle(inbox, Duration::ZERO).map(drop)
    }

    /// Sends a frame if there is room for it before long. Answers whether it was sent.
    pub(super) fn offer(&mut self, inbox: &Inbox, bytes: &[u8], patience: Duration) -> Result<bool, CallError> {
        if !self.settle(inbox, patience)? {
            return Ok(false);
        }
        self.frames += 1;
        if !self.is_far() {
            return self.push(inbox, bytes, patience);
        }
        let too_long = || CallError::Unsendable(format!("it has {} bytes, too many for one message", bytes.len()));
        let frame = frames::frame(bytes).ok_or_else(too_long)?;
        if self.frames.is_multiple_of(SELDOM) {
            inbox.drain()?;
        }
        let sent = self.write(inbox, &frame, patience)?;
        if 0 < sent && sent < frame.len() {
            self.backlog.push_back(frame[sent..].to_vec());
        }
        Ok(sent > 0)
    }

    /// Sends a frame, now or later.
    pub(super) fn owe(&mut self, inbox: &Inbox, bytes: Vec<u8>) -> Result<(), CallError> {
        if !self.offer(inbox, &bytes, Duration::ZERO)? {
            self.backlog.push_back(if self.is_far() { frames::frame(&bytes).unwrap_or_default() } else { bytes });
        }
        Ok(())
    }

    /// Sends a frame of which the manager need not hear before it hears something else: it is not woken by it.
    pub(super) fn leave(&mut self, inbox: &Inbox, bytes: Vec<u8>) -> Result<(), CallError> {
        if let Way::Near { frames, .. } = &self.way
            && self.backlog.is_empty()
        {
            match frames.leave_bytes(&bytes) {
                Ok(true) => return Ok(()),
                Err(TrySendError::Disconnected(())) => return Err(CallError::ManagerGone),
                Ok(false) | Err(_) => {}
            }
        }
        self.owe(inbox, bytes)
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends the backlog as far as there is room for it before long. Answers whether nothing is left of it.
    pub(super) fn settle(&mut self, inbox: &Inbox, patience: Duration) -> Result<bool, CallError> {
        while let Some(mut bytes) = self.backlog.pop_front() {
            let sent = match &self.way {
                Way::Near { .. } => self.flush(inbox, patience)? && self.push(inbox, &bytes, patience)?,
                Way::Far(_) => {
                    let sent = self.write(inbox, &bytes, patience)?;
                    bytes.drain(..sent);
                    bytes.is_empty()
                }
            };
            if !sent {
                self.backlog.push_front(bytes);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends what the link still has. Answers whether nothing is left of it.
    fn flush(&mut self, inbox: &Inbox, patience: Duration) -> Result<bool, CallError> {
        let Way::Near { requests, .. } = &mut self.way else { return Ok(true) };
        if requests.flush().map_err(CallError::from_link)? {
            return Ok(true);
        }
        inbox.drain()?;
        if !patience.is_zero() {
            inbox.poll_with(requests.pollable(), patience)?;
        }
        requests.flush().map_err(CallError::from_link)
    }

    /// Sends through the pipe, and takes answers in if there is no room: the manager listens to nobody who does not.
    fn push(&self, inbox: &Inbox, bytes: &[u8], patience: Duration) -> Result<bool, CallError> {
        let Way::Near { frames, .. } = &self.way else { return Err(not_over_a_network()) };
        for timeout in [Duration::ZERO, patience] {
            match frames.send_bytes_timeout(bytes, timeout) {
                Ok(()) => return Ok(true),
                Err(SendTimeoutError::Timeout(())) => inbox.drain()?,
                Err(SendTimeoutError::Disconnected(())) => return Err(CallError::ManagerGone),
                Err(error) => return Err(CallError::Connection(error.to_string())),
            }
        }
        Ok(false)
    }

    /// Writes to the socket what there is room for, and takes answers in if there is none: a manager gives up a client that lets
    /// them pile up. Answers how much was written.
    fn write(&self, inbox: &Inbox, bytes: &[u8], patience: Duration) -> Result<usize, CallError> {
        let Way::Far(socket) = &self.way else { return Err(not_over_a_network()) };
        let (mut socket, mut sent, mut is_last) = (socket, 0, false);
        while sent < bytes.len() {
            match socket.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_last => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    inbox.drain()?;
                    if !patience.is_zero() {
                        inbox.poll_with(Pollable::readable(socket.as_fd()).writable_too(true), patience)?;
                    }
                    is_last = true;
                }
                // What is wrong is told by the end of the answers, if anything is.
                Err(_) => return Err(CallError::ManagerGone),
            }
        }
        Ok(sent)
    }
}

pub(super) fn not_over_a_network() -> CallError {
    CallError::Unsendable(
        "functions, descriptors and proxies do not cross a network: use the names of a registry".to_owned(),
    )
}
