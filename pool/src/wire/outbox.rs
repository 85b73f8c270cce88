//! [`Outbox`]: what waits to be sent over the link between a pool and an agent.
//!
//! Messages go out first, in their order. Bytes go out in pieces, by turns between the streams, so no large value delays a message
//! or another worker for longer than one frame. A message that must not overtake the bytes of its stream is put behind them.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use procession_core::LinkError;
use procession_core::codec::Message;
use serde::Serialize;

use super::agent_link::AgentLink;
use super::arguments::ArgumentBatch;
use super::host_messages::{Announce, HostFrame};
use crate::model::tuning::{MAX_FRAME_BYTES, MAX_PIECE_BYTES};

/// Messages and bytes that were not sent.
#[derive(Debug)]
pub(crate) struct Outbox<M> {
    messages: Vec<M>,
    streams: HashMap<u64, VecDeque<Entry<M>>>,
    /// The streams that have something to send, the next one first.
    turns: VecDeque<u64>,
    queued_bytes: usize,
}

#[derive(Debug)]
enum Entry<M> {
    Bytes(Payload),
    Message(M),
}

/// Bytes of a stream, wherever they lie.
#[derive(Debug)]
pub(crate) struct Payload {
    source: Source,
    left: Range<usize>,
}

#[derive(Debug)]
enum Source {
    Owned(Vec<u8>),
    Arguments(Arc<ArgumentBatch>),
    Context(Arc<Message>),
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        Payload { left: 0..bytes.len(), source: Source::Owned(bytes) }
    }
}

impl From<Arc<Message>> for Payload {
    fn from(context: Arc<Message>) -> Payload {
        Payload { left: 0..context.bytes().len(), source: Source::Context(context) }
    }
}

impl Payload {
    /// Returns the bytes of some tasks.
    pub(crate) fn arguments(batch: Arc<ArgumentBatch>, items: Range<usize>) -> Payload {
        Payload { left: batch.range(items), source: Source::Arguments(batch) }
    }

    /// Moves up to `max` bytes to the end of `bytes`, and returns their number.
    fn take(&mut self, max: usize, bytes: &mut Vec<u8>) -> usize {
        let all = match &self.source {
            Source::Owned(bytes) => bytes.as_slice(),
            Source::Arguments(batch) => batch.bytes(0..self.left.end),
            Source::Context(context) => context.bytes(),
        };
        let len = self.left.len().min(max);
        bytes.extend_from_slice(&all[self.left.start..self.left.start + len]);
        self.left.start += len;
        len
    }
}

impl<M> Default for Outbox<M> {
    fn default() -> Outbox<M> {
        Outbox { messages: Vec::new(), streams: HashMap::new(), turns: VecDeque::new(), queued_bytes: 0 }
    }
}

impl<M: Announce> Outbox<M> {
    /// Adds a message, which overtakes all bytes.
    pub(crate) fn push(&mut self, message: M) {
        self.messages.push(message);
    }

    /// Adds a message that does not overtake what its stream has to send.
    pub(crate) fn push_behind(&mut self, stream: u64, message: M) {
        match self.streams.get_mut(&stream) {
            Some(entries) => entries.push_back(Entry::Message(message)),
            None => self.messages.push(message),
        }
    }

    /// Adds bytes of a stream.
    pub(crate) fn push_bytes(&mut self, stream: u64, payload: Payload) {
        if payload.left.is_empty() {
            return;
        }
        self.queued_bytes += payload.left.len();
        let entries = self.streams.entry(stream).or_insert_with(|| {
            self.turns.push_back(stream);
            VecDeque::new()
        });
        entries.push_back(Entry::Bytes(payload));
    }

    /// Drops what a stream has to send.
    pub(crate) fn remove_stream(&mut self, stream: u64) {
        for entry in self.streams.remove(&stream).into_iter().flatten() {
            if let Entry::Bytes(payload) = entry {
                self.queued_bytes -= payload.left.len();
            }
        }
        self.turns.retain(|turn| *turn != stream);
    }

    /// Returns whether a stream has something to send.
    pub(crate) fn has_queued(&self, stream: u64) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Returns the number of bytes that all streams have to send.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Returns whether there is nothing to send.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.turns.is_empty()
    }

    /// Sends as much as there is space for. Returns whether all of it is out.
    pub(crate) fn flush(&mut self, link: &mut AgentLink) -> Result<bool, LinkError>
    where
        M: Serialize,
    {
        while link.flush()? {
            let Some(frame) = self.next_frame() else { return Ok(true) };
            link.post(&frame)?;
        }
        Ok(false)
    }

    /// Removes what goes out next. `None` if there is nothing.
    fn next_frame(&mut self) -> Option<HostFrame<M>> {
        if self.is_empty() {
            return None;
        }
        let mut frame = HostFrame { messages: mem::take(&mut self.messages), bytes: Vec::new() };
        while frame.bytes.len() < MAX_FRAME_BYTES
            && let Some(stream) = self.turns.pop_front()
        {
            if self.take_piece(stream, &mut frame) {
                self.turns.push_back(stream);
            } else {
                self.streams.remove(&stream);
            }
        }
        self.queued_bytes -= frame.bytes.len();
        Some(frame)
    }

    /// Moves one piece of a stream, and the messages among it, into a frame. Returns whether the stream has more.
    fn take_piece(&mut self, stream: u64, frame: &mut HostFrame<M>) -> bool {
        let Some(entries) = self.streams.get_mut(&stream) else { return false };
        let mut left = MAX_PIECE_BYTES.min(MAX_FRAME_BYTES - frame.bytes.len());
        let mut unannounced = 0;
        while left > 0
            && let Some(entry) = entries.pop_front()
        {
            match entry {
                Entry::Bytes(mut payload) => {
                    let taken = payload.take(left, &mut frame.bytes);
                    (left, unannounced) = (left - taken, unannounced + taken);
                    if !payload.left.is_empty() {
                        entries.push_front(Entry::Bytes(payload));
                    }
                }
                Entry::Message(message) => {
                    announce(frame, stream, mem::take(&mut unannounced));
                    frame.messages.push(message);
                }
            }
        }
        announce(frame, stream, unannounced);
        !entries.is_empty()
    }
}

/// Announces the last `len` bytes of a frame as those of a stream.
fn announce<M: Announce>(frame: &mut HostFrame<M>, stream: u64, len: usize) {
    if len > 0 {
        frame.messages.push(M::bytes(stream, len as u64));
    }
}
