//! Values in and out of the untyped ends: what all handles share.

use std::sync::Arc;
use std::time::Duration;

use procession_core::Arena;
use procession_core::codec;
use procession_core::os::large;
use procession_core::packet::Packet;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chain::Tail;
use crate::draft::Spilling;
use crate::fault::Fault;
use crate::in_place::InPlace;
use crate::inlet::{Batch, Inlet, Parcel, Unreceived, with_buffer};
use crate::layout::CHAINS;
use crate::outlet::{Outlet, Unsent};
use crate::patience::Until;
use crate::ring::{Memory, SOCKET};
use crate::sink::{Discard, Room, Sink};

/// How many values are encoded before they are added together.
const GROUP: usize = 128;

/// What a new chain can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) items: u64,
    /// In bytes: with so many queued there is no room for another item.
    pub(crate) window: u64,
}

impl Limits {
    pub(crate) const NONE: u64 = i64::MAX as u64;
}

/// Makes one chain in a memory of its own or of another's, and answers its ends.
pub(crate) fn chain(memory: &Memory, which: usize, limits: Limits) -> Result<(Outlet, Inlet), Fault> {
    let links = &memory.header().chains[which];
    links.wake.capacity.store(limits.items, std::sync::atomic::Ordering::Relaxed);
    links.wake.window.store(limits.window, std::sync::atomic::Ordering::Relaxed);
    // Nobody else knows of it yet, so the lock is free.
    Tail::lock(memory, links, Until::FOREVER).ok_or(Fault::Garbled)?.found()?;
    let (here, there) = Packet::pair()?;
    Ok((Outlet::new(memory.clone(), which, here), Inlet::new(memory.clone(), which, there)))
}

impl Outlet {
    /// Encodes and sends a value.
    #[inline]
    pub(crate) fn send_value<T: Serialize>(&self, value: &T, until: Until) -> Result<(), Unsent> {
        with_buffer(|buffer| {
            let mut spilling = Spilling::new(self, until);
            let descriptors = codec::append_spilling(value, buffer, &mut spilling).map_err(Fault::from)?;
            match spilling {
                Spilling { failed: Some(unsent), .. } => Err(unsent),
                Spilling { draft: Some(mut draft), .. } => {
                    draft.append(buffer)?;
                    self.send_extent(draft, &descriptors, until)
                }
                _ => self.send(buffer, &descriptors, until),
            }
        })
    }

    /// Encodes and sends values, several under one lock. Answers how many were sent, and those that were taken from the iterator
    /// and not sent.
    pub(crate) fn send_values<T: Serialize>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<usize, (usize, Vec<T>, Unsent)> {
        let mut values = values.into_iter().fuse();
        let (mut sent, mut group) = (0, Vec::new());
        loop {
            group.extend(values.by_ref().take(GROUP));
            if group.is_empty() {
                return Ok(sent);
            }
            let (done, failed) = self.send_group(&group);
            group.drain(..done);
            sent += done;
            if let Err(unsent) = failed {
                return Err((sent, group, unsent));
            }
        }
    }

    /// Sends the values as far as it goes, and answers how far it went.
    fn send_group<T: Serialize>(&self, values: &[T]) -> (usize, Result<(), Unsent>) {
        let (mut batch, mut scratch) = (Batch::default(), Vec::new());
        let mut sent = 0;
        for value in values {
            let message = match codec::encode_into(value, std::mem::take(&mut scratch)) {
                Ok(message) => message,
                Err(error) => return self.flush(sent, &mut batch, Err(Fault::from(error).into())),
            };
            let (payload, descriptors) = message.into_parts();
            if descriptors.is_empty() && payload.len() <= crate::record::INLINE {
                batch.bytes.extend_from_slice(&payload);
                batch.ends.push(batch.bytes.len());
                scratch = payload.into_vec();
                continue;
            }
            let flushed = self.flush(sent, &mut batch, Ok(()));
            sent = flushed.0;
            let done = flushed.1.and_then(|()| self.send(&payload, &descriptors, Until::FOREVER));
            if done.is_err() {
                return (sent, done);
            }
            sent += 1;
        }
        self.flush(sent, &mut batch, Ok(()))
    }

    /// Sends what was collected. Answers how many values are sent then, and what went wrong, here or before.
    fn flush(&self, mut sent: usize, batch: &mut Batch, before: Result<(), Unsent>) -> (usize, Result<(), Unsent>) {
        let done = self.send_pieces(batch, Until::FOREVER);
        sent += done.as_ref().map_or_else(|(count, _)| *count, |count| *count);
        batch.bytes.clear();
        batch.ends.clear();
        (sent, done.map_err(|(_, unsent)| unsent).and(before))
    }

    /// Sends all pieces, or says how many were sent.
    pub(crate) fn send_pieces(&self, batch: &Batch, until: Until) -> Result<usize, (usize, Unsent)> {
        let (mut sent, mut start) = (0, 0);
        while sent < batch.ends.len() {
            let ends = &batch.ends[sent..];
            let count = self.send_batch(&batch.bytes, start, ends, until).map_err(|unsent| (sent, unsent))?;
            sent += count;
            start = batch.ends[sent - 1];
        }
        Ok(sent)
    }
}

impl Inlet {
    /// Receives and decodes a value.
    #[inline]
    pub(crate) fn recv_value<T: DeserializeOwned>(self: &Arc<Self>, until: Until) -> Result<T, Unreceived> {
        with_buffer(|buffer| {
            let parcel = self.recv(buffer, until)?;
            decode(buffer, parcel)
        })
    }

    /// Receives at least one value and at most so many, those that are there, under one lock. Beside the values, the first
    /// thing that went wrong.
    pub(crate) fn recv_values<T: DeserializeOwned>(
        self: &Arc<Self>,
        most: usize,
        until: Until,
    ) -> (Vec<T>, Result<(), Unreceived>) {
        let mut batch = Batch::default();
        let (mut values, mut failed) = (Vec::new(), Ok(()));
        if let Err(unreceived) = self.recv_batch(&mut batch, most, until, |_, _| Ok(())) {
            return (values, Err(unreceived));
        }
        let mut keep = |value: Result<T, Unreceived>| match value {
            Ok(value) => values.push(value),
            Err(unreceived) if failed.is_ok() => failed = Err(unreceived),
            Err(_) => {}
        };
        if batch.ends.is_empty() {
            // A large one, or one with descriptors.
            keep(self.recv_value(until));
        }
        batch.pieces().for_each(|bytes| keep(codec::decode_from(bytes, Vec::new()).map_err(|e| Fault::from(e).into())));
        (values, failed)
    }

    /// Receives a message as it is, without its descriptors.
    pub(crate) fn recv_in_place(self: &Arc<Self>, until: Until, limit: u64) -> Result<InPlace, Unreceived> {
        let mut buffer = Vec::new();
        let parcel = self.recv_checked(&mut buffer, until, |_, len| within(len, limit))?;
        let Parcel { lent, descriptors } = parcel;
        if !descriptors.is_empty() {
            return Err(Fault::NotBytes.into());
        }
        Ok(lent.map_or_else(|| InPlace::small(buffer), InPlace::large))
    }

    /// Receives a message into a buffer, over what it held.
    pub(crate) fn recv_bytes(
        self: &Arc<Self>,
        buffer: &mut Vec<u8>,
        until: Until,
        limit: u64,
    ) -> Result<(), Unreceived> {
        buffer.clear();
        let parcel = self.recv_checked(buffer, until, |_, len| within(len, limit));
        let Parcel { lent, descriptors } = parcel.inspect_err(|_| buffer.clear())?;
        if !descriptors.is_empty() {
            return Err(Fault::NotBytes.into());
        }
        if let Some(lent) = lent {
            large::append(buffer, &lent);
        }
        Ok(())
    }

    /// Throws the next message away, whatever it is, and answers its length.
    pub(crate) fn skip(self: &Arc<Self>, until: Until) -> Result<usize, Unreceived> {
        let mut discard = Discard::default();
        let parcel = self.recv_checked(&mut discard, until, |_, _| Ok(()))?;
        Ok(parcel.lent.map_or(discard.len, |lent| lent.len()))
    }

    /// Receives a message into a slice, and answers its length. One that does not fit stays.
    pub(crate) fn recv_into(self: &Arc<Self>, room: &mut [u8], until: Until, limit: u64) -> Result<usize, Unreceived> {
        let space = room.len();
        let fits = |len: u64| if len > space as u64 { Err(Fault::TooShort { len, room: space }) } else { Ok(()) };
        let mut place = Room { bytes: room, len: 0 };
        let parcel = self.recv_checked(&mut place, until, |_, len| within(len, limit).and_then(|()| fits(len)))?;
        if !parcel.descriptors.is_empty() {
            return Err(Fault::NotBytes.into());
        }
        if let Some(lent) = parcel.lent {
            place.put(&lent)?;
        }
        Ok(place.len)
    }
}

/// Makes a value of what was received.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(buffer: &[u8], parcel: Parcel) -> Result<T, Unreceived> {
    let Parcel { lent, descriptors } = parcel;
    let bytes = lent.as_deref().unwrap_or(buffer);
    Ok(codec::decode_from(bytes, descriptors).map_err(Fault::from)?)
}

pub(crate) fn within(len: u64, limit: u64) -> Result<(), Fault> {
    if len > limit { Err(Fault::TooLong { len, limit }) } else { Ok(()) }
}

/// What of a waiting time the API's durations mean.
pub(crate) fn until(timeout: Duration) -> Until {
    Until::after(timeout)
}

/// An end as it travels: the memory, the socket, and which of the chains it is.
fn pack<S: Serializer>(memory: &Memory, socket: &Packet, which: usize, to: S) -> Result<S::Ok, S::Error> {
    (PackedMemory(memory), PackedSocket(socket), which as u8).serialize(to)
}

fn unpack<'de, D: Deserializer<'de>>(from: D) -> Result<(Memory, Packet, usize), D::Error> {
    let (UnpackedMemory(arena), UnpackedSocket(socket), which) = Deserialize::deserialize(from)?;
    let memory =
        Memory::adopt(arena).ok_or_else(|| D::Error::custom("the shared memory that arrived is no channel"))?;
    let which: u8 = which;
    let which = Some(usize::from(which)).filter(|which| *which < CHAINS);
    Ok((memory, socket, which.ok_or_else(|| D::Error::custom("a channel has at most two directions"))?))
}

#[derive(Serialize)]
#[serde(transparent)]
struct PackedMemory<'a>(#[serde(serialize_with = "Memory::pack")] &'a Memory);

#[derive(Serialize)]
#[serde(transparent)]
struct PackedSocket<'a>(#[serde(serialize_with = "pack_socket")] &'a Packet);

#[derive(Deserialize)]
#[serde(transparent)]
struct UnpackedMemory(#[serde(deserialize_with = "Memory::unpack")] Arena);

#[derive(Deserialize)]
#[serde(transparent)]
struct UnpackedSocket(#[serde(deserialize_with = "unpack_socket")] Packet);

fn pack_socket<S: Serializer>(socket: &Packet, to: S) -> Result<S::Ok, S::Error> {
    socket.serialize_as(SOCKET, to)
}

fn unpack_socket<'de, D: Deserializer<'de>>(from: D) -> Result<Packet, D::Error> {
    Packet::deserialize_as(SOCKET, from)
}

impl Serialize for Outlet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pack(self.memory(), self.socket(), self.which(), serializer)
    }
}

impl<'de> Deserialize<'de> for Outlet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unpack(deserializer).map(|(memory, socket, which)| Outlet::new(memory, which, socket))
    }
}

impl Serialize for Inlet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pack(self.memory(), self.socket(), self.which(), serializer)
    }
}

impl<'de> Deserialize<'de> for Inlet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unpack(deserializer).map(|(memory, socket, which)| Inlet::new(memory, which, socket))
    }
}
