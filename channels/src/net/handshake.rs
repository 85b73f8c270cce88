//! [`Handshake`]: a handshake over a socket, which never sleeps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use procession_core::os::random;

use super::authentication::{CHALLENGE_BYTES, HandshakeState, MAX_HANDSHAKE_BYTES, Secret, Step};
use super::error::HandshakeError;
use super::stream::{Blocking, receive, transmit};
use super::wire::{Decoder, Outgoing};

/// A socket whose two sides have not authenticated each other yet.
#[derive(Debug)]
pub(super) struct Handshake {
    socket: OwnedFd,
    decoder: Decoder,
    state: HandshakeState,
    /// Number of whole messages that have arrived.
    messages_received: u32,
}

impl Handshake {
    /// Makes the accepting side, which sends its challenge at once.
    pub(super) fn listener(socket: OwnedFd, secret: Arc<Secret>) -> Result<Handshake, HandshakeError> {
        let (state, opening) = HandshakeState::listener(secret, random_bytes()?);
        let handshake = Handshake { socket, decoder: Decoder::default(), state, messages_received: 0 };
        handshake.send(&opening)?;
        Ok(handshake)
    }

    /// Makes the connecting side, which receives first.
    pub(super) fn client(socket: OwnedFd, secret: Arc<Secret>) -> Result<Handshake, HandshakeError> {
        let state = HandshakeState::client(secret, random_bytes()?);
        Ok(Handshake { socket, decoder: Decoder::default(), state, messages_received: 0 })
    }

    pub(super) fn messages_received(&self) -> u32 {
        self.messages_received
    }

    /// Goes on as far as what has arrived allows. Returns whether the handshake has succeeded.
    pub(super) fn advance(&mut self) -> Result<bool, HandshakeError> {
        loop {
            let Some(space) = self.decoder.space(MAX_HANDSHAKE_BYTES)? else {
                if self.step()? {
                    return Ok(true);
                }
                continue;
            };
            match receive(self.socket.as_fd(), space, Blocking::No)? {
                // The decoder knows whether the stream ended between two messages or inside one.
                Some(0) => return Err(self.decoder.end().into()),
                Some(count) => self.decoder.filled(count),
                None => return Ok(false),
            }
        }
    }

    pub(super) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Replies to a whole message.
    fn step(&mut self) -> Result<bool, HandshakeError> {
        let message = self.decoder.take();
        // Counted even if the message is refused: it shows that the peer is alive.
        self.messages_received += 1;
        match self.state.receive(&message) {
            Step::Send(reply) => self.send(&reply).map(|()| false),
            Step::Done(last) => last.map_or(Ok(()), |last| self.send(&last)).map(|()| true),
            Step::Fail(last, fault) => {
                // Whether it arrives changes nothing for this side.
                let _sent = last.map(|last| self.send(&last));
                Err(fault.into())
            }
        }
    }

    /// Sends one message. The few bytes of a handshake always fit the empty buffer of a fresh connection, so a full
    /// one is an error.
    fn send(&self, message: &[u8]) -> Result<(), HandshakeError> {
        let mut outgoing = Outgoing::new(message);
        while !outgoing.is_sent() {
            let count = transmit(self.socket.as_fd(), &outgoing.slices(), Blocking::No)?;
            outgoing.advance(count.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))?);
        }
        Ok(())
    }
}

impl AsFd for Handshake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Returns bytes that cannot be guessed.
fn random_bytes() -> io::Result<[u8; CHALLENGE_BYTES]> {
    let mut bytes = [0; CHALLENGE_BYTES];
    random::fill(&mut bytes)?;
    Ok(bytes)
}
