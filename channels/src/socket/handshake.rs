//! [`Talk`]: one handshake over one socket, without ever sleeping.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use procession_core::os::random;

use super::auth::{Handshake, LONGEST, RANDOM, Secret, Step};
use super::error::HandshakeError;
use super::stream::{Patience, receive, transmit};
use super::wire::{Decoder, Outgoing};

/// A socket whose two sides do not know each other yet.
#[derive(Debug)]
pub(super) struct Talk {
    socket: OwnedFd,
    decoder: Decoder,
    handshake: Handshake,
    /// How many whole messages have arrived.
    heard: u32,
}

impl Talk {
    /// The accepting side: sends its challenge at once.
    pub(super) fn listener(socket: OwnedFd, secret: Arc<Secret>) -> Result<Talk, HandshakeError> {
        let (handshake, opening) = Handshake::listener(secret, question()?);
        let talk = Talk { socket, decoder: Decoder::default(), handshake, heard: 0 };
        talk.say(&opening)?;
        Ok(talk)
    }

    /// The connecting side, which listens first.
    pub(super) fn client(socket: OwnedFd, secret: Arc<Secret>) -> Result<Talk, HandshakeError> {
        let handshake = Handshake::client(secret, question()?);
        Ok(Talk { socket, decoder: Decoder::default(), handshake, heard: 0 })
    }

    pub(super) fn heard(&self) -> u32 {
        self.heard
    }

    /// Goes as far as what has arrived allows, and says whether that was the end of it.
    pub(super) fn advance(&mut self) -> Result<bool, HandshakeError> {
        loop {
            let Some(space) = self.decoder.space(LONGEST)? else {
                if self.step()? {
                    return Ok(true);
                }
                continue;
            };
            match receive(self.socket.as_fd(), space, Patience::None)? {
                Some(0) => return Err(self.decoder.end().into()),
                Some(count) => self.decoder.filled(count),
                None => return Ok(false),
            }
        }
    }

    pub(super) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Answers a whole message.
    fn step(&mut self) -> Result<bool, HandshakeError> {
        let message = self.decoder.take();
        self.heard += 1;
        match self.handshake.receive(&message) {
            Step::Send(reply) => self.say(&reply).map(|()| false),
            Step::Done(last) => last.map_or(Ok(()), |last| self.say(&last)).map(|()| true),
            Step::Fail(last, fault) => {
                // Whether the news arrives changes nothing for this side.
                let _told = last.map(|last| self.say(&last));
                Err(fault.into())
            }
        }
    }

    /// Sends one message. The few bytes of a handshake always find room in the empty buffer of a fresh connection, so a full
    /// one is an error.
    fn say(&self, message: &[u8]) -> Result<(), HandshakeError> {
        let mut outgoing = Outgoing::new(message);
        while !outgoing.is_sent() {
            let count = transmit(self.socket.as_fd(), &outgoing.slices(), Patience::None)?;
            outgoing.advance(count.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))?);
        }
        Ok(())
    }
}

impl AsFd for Talk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Bytes that nobody can guess.
fn question() -> io::Result<[u8; RANDOM]> {
    let mut bytes = [0; RANDOM];
    random::fill(&mut bytes)?;
    Ok(bytes)
}
