//! [`TaskQueue`]: the chunks that a worker has read and not run.
//!
//! Positions count the bytes of the stream from its beginning, so they stay right when bytes in front are removed. A chunk is
//! entered when all of it has come. Revoked tasks leave when a chunk with their number arrives; until then the claim keeps them
//! from starting.

use std::collections::VecDeque;

use procession_core::{Progress, Ring};

use crate::model::tuning::COMPACT_THRESHOLD;
use crate::wire::claim::{self, Claim, distance};
use crate::wire::item::{self, CHUNK_HEADER_LEN, ChunkHeader, Item, ItemKind};

/// Chunks as they came out of the ring.
#[derive(Debug, Default)]
pub(super) struct TaskQueue {
    /// A part of the stream of bytes, which begins at position `base`.
    bytes: Vec<u8>,
    base: usize,
    /// The position up to which headers were read.
    parsed: usize,
    chunks: VecDeque<Chunk>,
}

/// A chunk that is complete.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    header: ChunkHeader,
    /// The position of the first item.
    pos: usize,
}

/// Tasks that a worker starts together: the first of a chunk.
#[derive(Debug)]
pub(super) struct StartedTasks {
    pub(super) function: u32,
    /// The number of tasks that are left.
    pub(super) count: u64,
    /// The number of tasks that were run.
    finished: u64,
    /// The position of the next one's item.
    pos: usize,
    pub(super) has_descriptors: bool,
    pub(super) is_in_buffer: bool,
    /// The serial number of the descriptors.
    pub(super) serial: u32,
}

impl StartedTasks {
    /// Moves on behind tasks that were run.
    #[inline]
    pub(super) fn advance(&mut self, progress: Progress) {
        self.pos += progress.bytes;
        self.count -= progress.count;
        self.finished += progress.count;
    }
}

impl TaskQueue {
    /// Reads everything that is in the ring.
    pub(super) fn read_from(&mut self, ring: &mut Ring) {
        self.compact();
        ring.read(&mut self.bytes);
        while let Some(header) = self.bytes.get(self.parsed - self.base..).and_then(ChunkHeader::read) {
            let pos = self.parsed + CHUNK_HEADER_LEN;
            let Some(end) = usize::try_from(header.len).ok().and_then(|len| pos.checked_add(len)) else { return };
            if end > self.base + self.bytes.len() {
                return;
            }
            self.parsed = end;
            // A number that comes again shows which tasks were revoked.
            self.truncate_from(header.number);
            self.chunks.push_back(Chunk { header, pos });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Returns the next tasks to start together, if the claim allows for some and they are here.
    #[inline]
    pub(super) fn next(&mut self, claim: Claim) -> Option<StartedTasks> {
        let open = claim.open();
        if open == 0 {
            return None;
        }
        // Emptied by `truncate_from` when its tasks were revoked.
        while self.chunks.front()?.header.count == 0 {
            self.chunks.pop_front();
        }
        let Chunk { header, pos } = *self.chunks.front()?;
        // The tasks that the claim means are still on their way.
        if header.number != claim.started() {
            return None;
        }
        let Item { kind, .. } = self.bytes.get(pos - self.base..).and_then(item::read)?;
        let (has_descriptors, is_in_buffer) = (kind == ItemKind::WithDescriptors, kind == ItemKind::InBuffer);
        // Such a task is alone in its chunk, and with descriptors the field holds their serial number.
        let chunk_size = if has_descriptors || is_in_buffer { 1 } else { u64::from(header.chunk_size.max(1)) };
        Some(StartedTasks {
            function: header.function,
            count: chunk_size.min(header.count).min(open),
            finished: 0,
            pos,
            has_descriptors,
            is_in_buffer,
            serial: header.chunk_size,
        })
    }

    /// Returns the argument of the first of these tasks.
    #[inline]
    pub(super) fn argument(&self, started: &StartedTasks) -> &[u8] {
        item::read(self.items(started)).map_or(&[], |item| item.body)
    }

    /// Returns the items of these tasks, and the bytes behind them.
    #[inline]
    pub(super) fn items(&self, started: &StartedTasks) -> &[u8] {
        self.bytes.get(started.pos - self.base..).unwrap_or_default()
    }

    /// Moves on to the second of these tasks.
    #[inline]
    pub(super) fn advance(&self, started: &mut StartedTasks) {
        let bytes = item::read(self.items(started)).map_or(0, |item| item.len);
        started.advance(Progress { count: 1, bytes });
    }

    /// Removes those tasks that were run from the front of the queue.
    #[inline]
    pub(super) fn commit(&mut self, started: &StartedTasks) {
        let Some(front) = self.chunks.front_mut() else { return };
        front.pos = started.pos;
        front.header.number = claim::plus(front.header.number, started.finished);
        front.header.count = front.header.count.saturating_sub(started.finished);
        if front.header.count == 0 {
            self.chunks.pop_front();
        }
    }

    /// Removes tasks with this number and later ones: they were revoked, and their numbers are used again.
    fn truncate_from(&mut self, number: u64) {
        while let Some(last) = self.chunks.back_mut() {
            let before = distance(last.header.number, number);
            // A number that lies behind is nearly a whole round away.
            let kept = if before < 1 << 23 { before.min(last.header.count) } else { 0 };
            if kept == last.header.count {
                return;
            }
            last.header.count = kept;
            if kept == 0 {
                self.chunks.pop_back();
            }
        }
    }

    /// Removes bytes that were run, if there are many of them or nothing else.
    fn compact(&mut self) {
        let consumed = self.chunks.front().map_or(self.parsed, |chunk| chunk.pos) - self.base;
        if consumed == self.bytes.len() {
            self.bytes.clear();
        } else if consumed > COMPACT_THRESHOLD {
            self.bytes.drain(..consumed);
        } else {
            return;
        }
        self.base += consumed;
    }
}
