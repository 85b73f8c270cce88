//! The ends of a chain in messages: the shared memory, the socket, and which of the chains it is.

use procession_core::Arena;
use procession_core::packet::Packet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::raw_receiver::RawReceiver;
use super::raw_sender::RawSender;
use crate::memory::layout::CHAINS;
use crate::memory::shared_memory::{Memory, SOCKET};

#[derive(Serialize)]
#[serde(transparent)]
struct EncodedMemory<'a>(#[serde(serialize_with = "Memory::encode")] &'a Memory);

#[derive(Serialize)]
#[serde(transparent)]
struct EncodedSocket<'a>(#[serde(serialize_with = "encode_socket")] &'a Packet);

#[derive(Deserialize)]
#[serde(transparent)]
struct DecodedMemory(#[serde(deserialize_with = "Memory::decode")] Arena);

#[derive(Deserialize)]
#[serde(transparent)]
struct DecodedSocket(#[serde(deserialize_with = "decode_socket")] Packet);

fn encode_socket<S: Serializer>(socket: &Packet, to: S) -> Result<S::Ok, S::Error> {
    socket.serialize_as(SOCKET, to)
}

fn decode_socket<'de, D: Deserializer<'de>>(from: D) -> Result<Packet, D::Error> {
    Packet::deserialize_as(SOCKET, from)
}

fn encode<S: Serializer>(memory: &Memory, socket: &Packet, which: usize, to: S) -> Result<S::Ok, S::Error> {
    (EncodedMemory(memory), EncodedSocket(socket), which as u8).serialize(to)
}

fn decode<'de, D: Deserializer<'de>>(from: D) -> Result<(Memory, Packet, usize), D::Error> {
    let (DecodedMemory(arena), DecodedSocket(socket), which) = <(_, _, u8)>::deserialize(from)?;
    // The bytes may be those of another program, so each part is checked.
    let memory =
        Memory::adopt(arena).ok_or_else(|| D::Error::custom("the shared memory that arrived is no channel"))?;
    let which = Some(usize::from(which)).filter(|which| *which < CHAINS);
    Ok((memory, socket, which.ok_or_else(|| D::Error::custom("a channel has at most two directions"))?))
}

impl Serialize for RawSender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encode(self.memory(), self.socket(), self.which, serializer)
    }
}

impl<'de> Deserialize<'de> for RawSender {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(deserializer).map(|(memory, socket, which)| RawSender::new(memory, which, socket))
    }
}

impl Serialize for RawReceiver {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encode(self.memory(), self.socket(), self.which, serializer)
    }
}

impl<'de> Deserialize<'de> for RawReceiver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(deserializer).map(|(memory, socket, which)| RawReceiver::new(memory, which, socket))
    }
}
