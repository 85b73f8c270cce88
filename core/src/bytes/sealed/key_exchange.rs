//! [`KeyExchange`]: how two sides that know one key come to the keys of a connection, by one message each way.

use snow::{Builder, HandshakeState};

use super::cipher::{Cipher, TAG_BYTES};

/// A fresh key of the connection for each side, mixed with the key that both know before anything else is believed.
const PROTOCOL: &str = "Noise_NNpsk0_25519_AESGCM_SHA256";

/// Keeps these handshakes apart from those of other programs with the same key. It never changes: versions are compared afterwards.
const PROLOGUE: &[u8] = b"procession sealed control";

/// The length of both messages: a public key of this connection, and the proof that the sender knows the common key.
pub(crate) const MESSAGE_BYTES: usize = 32 + TAG_BYTES;

/// A message of the exchange.
pub(crate) type Message = [u8; MESSAGE_BYTES];

/// One side of the exchange.
#[derive(Debug)]
pub(crate) struct KeyExchange(Box<HandshakeState>);

impl KeyExchange {
    /// Makes the side that speaks first, and its message.
    pub(crate) fn initiator(key: &[u8; 32]) -> Result<(KeyExchange, Message), snow::Error> {
        let mut side = builder(key)?.build_initiator()?;
        let message = written(&mut side)?;
        Ok((KeyExchange(Box::new(side)), message))
    }

    /// Makes the side that is spoken to.
    pub(crate) fn responder(key: &[u8; 32]) -> Result<KeyExchange, snow::Error> {
        Ok(KeyExchange(Box::new(builder(key)?.build_responder()?)))
    }

    /// Takes the message of the other side. Returns the keys, and the reply that the other side waits for, if this side speaks second.
    ///
    /// An error says that the other side does not know the key. A copy of an old message passes here, and its sender never
    /// comes to the keys.
    pub(crate) fn receive(mut self, message: &Message) -> Result<(Cipher, Option<Message>), snow::Error> {
        self.0.read_message(message, &mut [])?;
        let reply = if self.0.is_initiator() { None } else { Some(written(&mut self.0)?) };
        Ok((Cipher::new(self.0.into_transport_mode()?), reply))
    }
}

fn builder(key: &[u8; 32]) -> Result<Builder<'_>, snow::Error> {
    Builder::new(PROTOCOL.parse()?).prologue(PROLOGUE)?.psk(0, key)
}

fn written(side: &mut HandshakeState) -> Result<Message, snow::Error> {
    let mut message = [0; MESSAGE_BYTES];
    side.write_message(&[], &mut message)?;
    Ok(message)
}
