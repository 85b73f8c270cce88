//! [`Distant`]: a client in another program, connected over a socket.
//!
//! It names methods by their numbers in a registry that both programs know, carries no descriptors, and may use only the
//! objects that it has obtained.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use procession_channels::SocketConnection;
use procession_core::Method;
use procession_core::codec::Message;
use procession_core::os::epoll::Epoll;
use procession_core::os::poll::Pollable;

use crate::frames::{self, Frames};
use crate::wire::{Answer, Failure, Kind, Verdict};

/// So many bytes of answers may lie here before a client that does not take them is given up.
const PATIENCE: usize = 64 << 20;

/// What a manager offers to other programs.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) fingerprint: u64,
    pub(crate) methods: Vec<(Kind, Method)>,
}

/// A connection over a socket.
pub(crate) struct Distant {
    frames: Frames,
    pub(crate) schema: Arc<Schema>,
    is_known: bool,
    /// Whether it is given up.
    is_lost: bool,
    unsent: VecDeque<u8>,
}

impl Distant {
    pub(crate) fn new(socket: SocketConnection, schema: Arc<Schema>) -> io::Result<Distant> {
        let frames = Frames::new(socket.into())?;
        Ok(Distant { frames, schema, is_known: false, is_lost: false, unsent: VecDeque::new() })
    }

    pub(crate) fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.frames.as_fd()).writable_too(!self.unsent.is_empty())
    }

    /// The next frame. `None` for now; an error for ever.
    pub(crate) fn hear(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.frames.next()
    }

    /// Takes the first frame for a greeting, and answers whether it was one.
    pub(crate) fn greet(&mut self, frame: &[u8]) -> Option<Result<(), Failure>> {
        if self.is_known {
            return None;
        }
        let theirs = <[u8; 8]>::try_from(frame).map(u64::from_le_bytes);
        self.is_known = theirs.is_ok_and(|theirs| theirs == self.schema.fingerprint);
        Some(if self.is_known { Ok(()) } else { Err(Failure::Nonsense("another registry".to_owned())) })
    }

    /// The method of a number, if it is to be called in this way.
    pub(crate) fn method(&self, index: u32, kind: Kind) -> Option<Method> {
        let (registered, method) = self.schema.methods.get(usize::try_from(index).ok()?)?;
        let fits = *registered == kind || matches!((registered, kind), (Kind::Make, Kind::Open));
        fits.then_some(*method)
    }

    /// Sends an answer. Answers whether the client is still worth listening to; what it says is not heard any more if not.
    pub(crate) fn reply(&mut self, answer: Answer, result: Message, epoll: &Epoll, token: u64) -> bool {
        self.is_lost |= !self.send(answer, result, epoll, token);
        !self.is_lost
    }

    fn send(&mut self, answer: Answer, result: Message, epoll: &Epoll, token: u64) -> bool {
        let (payload, descriptors) = result.into_parts();
        let mut bytes = payload.into_vec();
        let answer = if descriptors.is_empty() { answer } else { carries_descriptors(answer, &mut bytes) };
        answer.append_to(&mut bytes);
        let Some(frame) = frames::frame(&bytes) else { return false };
        let was_full = !self.unsent.is_empty();
        if was_full {
            self.unsent.extend(frame);
        } else if !self.write(&frame) {
            return false;
        }
        if !was_full && !self.unsent.is_empty() {
            let _closed = epoll.change(self.pollable(), token);
        }
        self.unsent.len() <= PATIENCE
    }

    /// Sends on what there was no room for. Answers whether the client is still there.
    pub(crate) fn drain(&mut self, epoll: &Epoll, token: u64) -> bool {
        if self.unsent.is_empty() || self.is_lost {
            return !self.is_lost;
        }
        let rest = Vec::from(std::mem::take(&mut self.unsent));
        let is_there = self.write(&rest);
        if self.unsent.is_empty() {
            let _closed = epoll.change(self.pollable(), token);
        }
        is_there
    }

    /// Writes what there is room for, and keeps the rest. Answers whether the client is still there.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.frames.stream().write(&bytes[sent..]) {
                Ok(0) => return false,
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.extend(&bytes[sent..]);
                    return true;
                }
                Err(_) => return false,
            }
        }
        true
    }
}

/// Descriptors, and proxies, do not cross a network.
fn carries_descriptors(answer: Answer, bytes: &mut Vec<u8>) -> Answer {
    let failure = Failure::BadResult("it holds descriptors or proxies, which do not cross a network".to_owned());
    *bytes = procession_core::codec::encode(&failure).unwrap_or_default().into_parts().0.into_vec();
    Answer { verdict: Verdict::Failed, ..answer }
}
