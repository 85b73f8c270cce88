//! Values and plain bytes in and out of the untyped ends.

use std::sync::atomic::Ordering::Relaxed;

use procession_core::codec;
use procession_core::codec::Handles;
use procession_core::os::large;
use procession_core::packet::Packet;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::batch::{Batch, with_buffer};
use super::error::{RawRecvError, RawSendError};
use super::raw_receiver::{RawMessage, RawReceiver};
use super::raw_sender::RawSender;
use super::spill::SpillTarget;
use crate::memory::chain::Tail;
use crate::memory::copy_target::{CopyTarget, Discard, SliceTarget};
use crate::memory::error::ChainError;
use crate::memory::extent_ref::ExtentRef;
use crate::memory::limits::Limits;
use crate::memory::shared_memory::Memory;
use crate::memory::until::Until;
use crate::tuning::{MAX_INLINE_BYTES, VALUES_PER_BATCH};

/// The bytes of one message: copied if they are few, else where they lie.
#[derive(Debug)]
pub(crate) enum Bytes {
    Small(Vec<u8>),
    Large(ExtentRef),
}

/// Makes a chain in this memory, and returns its ends.
pub(crate) fn chain(memory: &Memory, which: usize, limits: Limits) -> Result<(RawSender, RawReceiver), ChainError> {
    // No other process knows of it yet, so the lock is free.
    let tail = Tail::lock(memory, &memory.header().chains[which], Until::FOREVER).ok_or(ChainError::Corrupt)?;
    tail.init_first_block(limits)?;
    let (here, there) = Packet::pair()?;
    Ok((RawSender::new(memory.clone(), which, here), RawReceiver::new(memory.clone(), which, there)))
}

impl RawSender {
    /// Encodes and sends a value.
    #[inline]
    pub(crate) fn send_value<T: Serialize>(&self, value: &T, until: Until) -> Result<(), RawSendError> {
        with_buffer(|buffer| {
            let mut target = SpillTarget::new(self, until);
            let descriptors = codec::append_spilling(value, buffer, &mut target).map_err(ChainError::from)?;
            match target {
                // First, because the beginning of the message is missing then.
                SpillTarget { failed: Some(error), .. } => Err(error),
                SpillTarget { message: Some(mut message), .. } => {
                    // The buffer holds what came behind the last large block.
                    message.append(buffer)?;
                    self.send_large(message, &descriptors, until)
                }
                _ => self.send(buffer, &descriptors, until),
            }
        })
    }

    /// Encodes and sends values, several under one lock. Returns how many were sent, and after an error also those that were taken from the
    /// iterator and not sent.
    pub(crate) fn send_values<T: Serialize>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<usize, (usize, Vec<T>, RawSendError)> {
        let mut values = values.into_iter().fuse();
        let (mut sent, mut group, mut batch) = (0, Vec::new(), Batch::default());
        loop {
            group.extend(values.by_ref().take(VALUES_PER_BATCH));
            if group.is_empty() {
                return Ok(sent);
            }
            let (done, result) = self.send_group(&group, &mut batch);
            group.drain(..done);
            sent += done;
            if let Err(error) = result {
                return Err((sent, group, error));
            }
        }
    }

    /// Sends values until one fails. Returns how many were sent.
    fn send_group<T: Serialize>(&self, values: &[T], batch: &mut Batch) -> (usize, Result<(), RawSendError>) {
        let mut sent = 0;
        for value in values {
            let start = batch.bytes.len();
            let descriptors = match codec::append(value, &mut batch.bytes) {
                Ok(descriptors) => descriptors,
                Err(error) => return self.flush(sent, batch, Err(ChainError::from(error).into())),
            };
            if descriptors.is_empty() && batch.bytes.len() - start <= MAX_INLINE_BYTES {
                batch.ends.push(batch.bytes.len());
                continue;
            }
            // It goes by itself, behind those before it. Where there are none, which is usual for large ones, nothing is moved.
            let alone = if start == 0 { std::mem::take(&mut batch.bytes) } else { batch.bytes.split_off(start) };
            let (flushed, result) = self.flush(sent, batch, Ok(()));
            sent = flushed;
            if let Err(error) = result.and_then(|()| self.send(&alone, &descriptors, Until::FOREVER)) {
                return (sent, Err(error));
            }
            sent += 1;
        }
        self.flush(sent, batch, Ok(()))
    }

    /// Sends what was collected. Returns how many values are sent then, and the first error, here or before.
    fn flush(
        &self,
        mut sent: usize,
        batch: &mut Batch,
        before: Result<(), RawSendError>,
    ) -> (usize, Result<(), RawSendError>) {
        let result = self.send_all(&batch.bytes, &batch.ends);
        sent += result.as_ref().map_or_else(|(count, _)| *count, |()| batch.ends.len());
        batch.bytes.clear();
        batch.ends.clear();
        (sent, result.map_err(|(_, error)| error).and(before))
    }

    /// Sends messages that lie one behind the other in a buffer; `ends` says where each ends. After an error, returns how many were sent.
    pub(crate) fn send_all(&self, buffer: &[u8], ends: &[usize]) -> Result<(), (usize, RawSendError)> {
        let (mut sent, mut start) = (0, 0);
        while sent < ends.len() {
            sent += self.send_some(buffer, start, &ends[sent..]).map_err(|error| (sent, error))?;
            start = ends[sent - 1];
        }
        Ok(())
    }

    /// Sends one large message, or small ones under one lock.
    fn send_some(&self, buffer: &[u8], start: usize, ends: &[usize]) -> Result<usize, RawSendError> {
        if ends[0] - start > MAX_INLINE_BYTES {
            self.send(&buffer[start..ends[0]], &Handles::new(), Until::FOREVER)?;
            return Ok(1);
        }
        let mut before = start;
        // Each piece is measured from the end of the one before.
        let is_small = |end: &&usize| **end - std::mem::replace(&mut before, **end) <= MAX_INLINE_BYTES;
        let small = ends.iter().take_while(is_small).count();
        self.send_batch(buffer, start, &ends[..small], Until::FOREVER)
    }
}

impl RawReceiver {
    /// Receives and decodes a value. `check` is called before it is taken.
    #[inline]
    pub(crate) fn recv_value<T: DeserializeOwned>(
        &self,
        until: Until,
        check: impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<T, RawRecvError> {
        with_buffer(|buffer| {
            let RawMessage { extent, descriptors } = self.recv(buffer, until, check)?;
            // A large message is decoded where it lies.
            let bytes = extent.as_deref().unwrap_or(buffer);
            Ok(codec::decode_from(bytes, descriptors).map_err(ChainError::from)?)
        })
    }

    /// Receives up to `max` values that are there, under one lock, and waits for the first. Beside the values, returns the first error.
    pub(crate) fn recv_values<T: DeserializeOwned>(
        &self,
        max: usize,
        until: Until,
    ) -> (Vec<T>, Result<(), RawRecvError>) {
        let mut batch = Batch::default();
        let (mut values, mut result) = (Vec::new(), Ok(()));
        // Received before any is decoded, so that the lock is not held while code of the user runs.
        if let Err(error) = self.recv_batch(&mut batch, max, until, |_, _| Ok(())) {
            return (values, Err(error));
        }
        let mut keep = |value: Result<T, RawRecvError>| match value {
            Ok(value) => values.push(value),
            // The first error is reported. Later values of the batch are taken already, so they are kept.
            Err(error) if result.is_ok() => result = Err(error),
            Err(_) => {}
        };
        // An empty batch is no error: there is a message that has to be received by itself.
        if batch.ends.is_empty() {
            // The next one is large, or has descriptors.
            keep(self.recv_value(until, |_, _| Ok(())));
        }
        let decode = |bytes| codec::decode_from(bytes, Vec::new()).map_err(|error| ChainError::from(error).into());
        batch.messages().for_each(|bytes| keep(decode(bytes)));
        (values, result)
    }

    /// Sets the longest message of plain bytes that is taken.
    pub(crate) fn set_max_len(&self, bytes: u64) {
        // Relaxed: calls that are under way in other threads may still use the limit before.
        self.max_len.store(bytes, Relaxed);
    }

    fn check_len(&self, len: u64) -> Result<(), ChainError> {
        let limit = self.max_len.load(Relaxed);
        if len > limit { Err(ChainError::TooLong { len, limit }) } else { Ok(()) }
    }

    /// Receives the bytes of a message.
    pub(crate) fn recv_in_place(&self, until: Until) -> Result<Bytes, RawRecvError> {
        let mut buffer = Vec::new();
        let extent = self.recv_plain(&mut buffer, until, |_| Ok(()))?;
        Ok(extent.map_or(Bytes::Small(buffer), Bytes::Large))
    }

    /// Receives the bytes of a message into a buffer, over what it held.
    pub(crate) fn recv_bytes(&self, buffer: &mut Vec<u8>, until: Until) -> Result<(), RawRecvError> {
        buffer.clear();
        // A refused message may have been copied before it was refused.
        let extent = self.recv_plain(buffer, until, |_| Ok(())).inspect_err(|_| buffer.clear())?;
        if let Some(extent) = extent {
            large::append(buffer, &extent);
        }
        Ok(())
    }

    /// Receives the bytes of a message into a slice, and returns their number. A message that does not fit stays.
    pub(crate) fn recv_into(&self, slice: &mut [u8], until: Until) -> Result<usize, RawRecvError> {
        let capacity = slice.len();
        let fits = |len| if len > capacity as u64 { Err(ChainError::TooShort { len, capacity }) } else { Ok(()) };
        let mut target = SliceTarget { slice, len: 0 };
        if let Some(extent) = self.recv_plain(&mut target, until, fits)? {
            target.copy_from(&extent)?;
        }
        Ok(target.len)
    }

    /// Receives up to `max` messages of plain bytes, those that are there, and appends them. Waits for the first. Returns how many.
    pub(crate) fn recv_many_bytes(
        &self,
        max: usize,
        buffer: &mut Vec<u8>,
        ends: &mut Vec<usize>,
        until: Until,
    ) -> Result<usize, RawRecvError> {
        let before = ends.len();
        let mut batch = Batch { bytes: std::mem::take(buffer), ends: std::mem::take(ends) };
        let result = self.recv_batch(&mut batch, max.max(1), until, |_, len| self.check_len(len));
        (*buffer, *ends) = (batch.bytes, batch.ends);
        result?;
        if ends.len() == before {
            // The next one is large, or has descriptors.
            match self.recv_in_place(until)? {
                Bytes::Small(bytes) => buffer.extend_from_slice(&bytes),
                Bytes::Large(extent) => buffer.extend_from_slice(&extent),
            }
            ends.push(buffer.len());
        }
        Ok(ends.len() - before)
    }

    /// Throws the next message away, whatever it is, and returns its length.
    pub(crate) fn skip(&self, until: Until) -> Result<usize, RawRecvError> {
        let mut discard = Discard::default();
        let message = self.recv(&mut discard, until, |_, _| Ok(()))?;
        Ok(message.extent.map_or(discard.len, |extent| extent.len()))
    }

    /// Receives a message without descriptors that is not too long.
    fn recv_plain(
        &self,
        target: &mut impl CopyTarget,
        until: Until,
        fits: impl Fn(u64) -> Result<(), ChainError>,
    ) -> Result<Option<ExtentRef>, RawRecvError> {
        let RawMessage { extent, descriptors } =
            self.recv(target, until, |_, len| self.check_len(len).and_then(|()| fits(len)))?;
        if descriptors.is_empty() { Ok(extent) } else { Err(ChainError::NotBytes.into()) }
    }
}
