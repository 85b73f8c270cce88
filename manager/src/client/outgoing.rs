//! [`Outgoing`]: the way on which calls go out, to a manager of this program or of another one.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use procession_channels::{PipeSender, SendTimeoutError};
use procession_core::codec::Message;
use procession_core::os::poll::Pollable;
use procession_core::{Control, Method};

use super::connection::Which;
use super::inbox::Inbox;
use crate::error::CallError;
use crate::frames;
use crate::wire::{Ask, Signal};

/// Once in so many calls to another program, answers are taken in that nobody may be waiting for.
const SELDOM: u64 = 32;

/// How long is waited for room before answers are taken in again.
const SLICE: Duration = Duration::from_millis(5);

/// How calls leave this process. One thread at a time sends.
#[derive(Debug)]
pub(super) struct Outgoing {
    way: Way,
    /// The numbers of the methods that the manager knows.
    learned: HashMap<Method, u32>,
    /// How many calls there were.
    pub(super) calls: u64,
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
        Outgoing { way, learned: HashMap::new(), calls: 0 }
    }

    /// The first that another program hears.
    pub(super) fn greet(&self, inbox: &Inbox, fingerprint: u64) -> Result<(), CallError> {
        match &self.way {
            Way::Far(socket) => self.send_far(inbox, socket, &fingerprint.to_le_bytes()),
            Way::Near { .. } => Ok(()),
        }
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

    pub(super) fn send_frame(&mut self, inbox: &Inbox, argument: Message, ask: Ask) -> Result<(), CallError> {
        let (payload, descriptors) = argument.into_parts();
        let mut bytes = payload.into_vec();
        ask.append_to(&mut bytes);
        if let Way::Far(socket) = &self.way {
            return if descriptors.is_empty() {
                self.send_far(inbox, socket, &bytes)
            } else {
                Err(not_over_a_network())
            };
        }
        if descriptors.is_empty() {
            return self.push(inbox, &bytes);
        }
        self.pass(inbox, &Signal::Frame(&Message::new(bytes, descriptors)))
    }

    /// Sends over the link, and says so in the pipe.
    pub(super) fn pass(&mut self, inbox: &Inbox, signal: &Signal<&Message>) -> Result<(), CallError> {
        let Way::Near { requests, .. } = &mut self.way else { return Err(not_over_a_network()) };
        requests.post(signal).map_err(CallError::from_link)?;
        while !requests.flush().map_err(CallError::from_link)? {
            inbox.drain()?;
            inbox.poll_with(requests.pollable())?;
        }
        self.push(inbox, &[])
    }

    /// Sends over the socket, and takes answers in while there is no room: a manager gives up a client that lets them pile up.
    fn send_far(&self, inbox: &Inbox, mut socket: &UnixStream, bytes: &[u8]) -> Result<(), CallError> {
        let too_long = || CallError::Unsendable(format!("it has {} bytes, too many for one message", bytes.len()));
        let frame = frames::frame(bytes).ok_or_else(too_long)?;
        if self.calls.is_multiple_of(SELDOM) {
            inbox.drain()?;
        }
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    inbox.drain()?;
                    inbox.poll_with(Pollable::readable(socket.as_fd()).writable_too(true))?;
                }
                // What is wrong is told by the end of the answers, if anything is.
                Err(_) => return Err(CallError::ManagerGone),
            }
        }
        Ok(())
    }

    /// Sends through the pipe, and takes answers in while there is no room: the manager listens to nobody who does not.
    fn push(&self, inbox: &Inbox, bytes: &[u8]) -> Result<(), CallError> {
        let Way::Near { frames, .. } = &self.way else { return Err(not_over_a_network()) };
        let mut sent = frames.send_bytes_timeout(bytes, Duration::ZERO);
        loop {
            match sent {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Timeout(())) => inbox.drain()?,
                Err(SendTimeoutError::Disconnected(())) => return Err(CallError::ManagerGone),
                Err(error) => return Err(CallError::Connection(error.to_string())),
            }
            sent = frames.send_bytes_timeout(bytes, SLICE);
        }
    }
}

fn not_over_a_network() -> CallError {
    CallError::Unsendable(
        "functions, descriptors and proxies do not cross a network: use the names of a registry".to_owned(),
    )
}
