//! [`HostedWorker`]: a worker of an agent, with the tasks on their way to it and the results on their way back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use procession_core::{LinkError, codec};

use crate::local::functions::FunctionTable;
use crate::local::worker_handle::WorkerHandle;
use crate::wire::arguments::ArgumentBatch;
use crate::wire::claim::distance;
use crate::wire::item::{self, CHUNK_HEADER_LEN, ChunkHeader, Item, ItemHead, ItemKind};
use crate::wire::messages::RunError;

/// One worker.
#[derive(Debug)]
pub(super) struct HostedWorker {
    pub(super) handle: WorkerHandle,
    /// The chunk that has not come as a whole.
    partial: Vec<u8>,
    /// The chunks whose function is not here yet.
    waiting: VecDeque<(ChunkHeader, Arc<ArgumentBatch>)>,
    /// The number of tasks that it was ever sent, less the revoked ones, of those that it has started, and of those with a result.
    sent: u64,
    started: u64,
    ended: u64,
    /// What the claim said of that, which wraps around.
    seen: u64,
    /// The number of started tasks that the pool knows of.
    reported: u64,
}

impl HostedWorker {
    pub(super) fn new(handle: WorkerHandle) -> HostedWorker {
        let (partial, waiting) = (Vec::new(), VecDeque::new());
        HostedWorker { handle, partial, waiting, sent: 0, started: 0, ended: 0, seen: 0, reported: 0 }
    }

    /// Takes the next bytes of its stream. Returns `false` if they are not chunks.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        self.partial.extend_from_slice(bytes);
        let mut offset = 0;
        while let Some(header) = ChunkHeader::read(&self.partial[offset..]) {
            let Ok(len) = usize::try_from(header.len) else { return false };
            let begin = offset + CHUNK_HEADER_LEN;
            let Some(items) = self.partial[begin..].get(..len) else { break };
            let Some(batch) = ArgumentBatch::of_items(items.to_vec(), header.count) else { return false };
            self.waiting.push_back((header, Arc::new(batch)));
            offset = begin + len;
        }
        self.partial.drain(..offset);
        true
    }

    /// Sends the worker those chunks whose function is here.
    pub(super) fn send_waiting(&mut self, functions: &FunctionTable) -> Result<(), LinkError> {
        while let Some((header, batch)) =
            self.waiting.pop_front_if(|(header, _)| functions.get(header.function).is_some())
        {
            self.sent += header.count;
            let chunk = (header.function, u64::from(header.chunk_size));
            self.handle.send(chunk, functions, &batch, 0..batch.len())?;
        }
        Ok(())
    }

    /// Revokes up to `count` of the last tasks, and returns their number.
    pub(super) fn revoke(&mut self, count: u64) -> u64 {
        // What has not come as a whole is the last, and cannot be revoked before the worker has been sent it.
        if !self.partial.is_empty() || !self.waiting.is_empty() {
            return 0;
        }
        let revoked = self.handle.revoke(count);
        self.sent -= revoked;
        revoked
    }

    /// Returns whether it has tasks without a result.
    pub(super) fn is_busy(&self) -> bool {
        self.ended < self.sent
    }

    /// Returns whether it may start tasks, or has started some, that the pool does not know to have started.
    pub(super) fn has_unreported(&self) -> bool {
        self.is_busy() && (self.reported < self.started || self.handle.channel.in_transit() > 0)
    }

    /// Returns the number of tasks that it has started.
    pub(super) fn started(&mut self) -> u64 {
        let seen = self.handle.channel.started();
        self.started += distance(self.seen, seen);
        self.seen = seen;
        self.started
    }

    /// Returns the number of tasks that it has started, if the pool does not know it.
    pub(super) fn newly_started(&mut self) -> Option<u64> {
        let started = self.started();
        (started > std::mem::replace(&mut self.reported, started)).then_some(started)
    }

    /// Returns the results that were read, as they go to the pool, and the duration of the last tasks if it was among them.
    pub(super) fn take_results(&mut self) -> (Vec<u8>, Option<Duration>) {
        let (mut offset, mut translated, mut duration) = (0, None, None);
        loop {
            let rest = &self.handle.inbound[offset..];
            let extent = item::results(rest, u64::MAX);
            let len = if extent.count > 0 && extent.with_descriptors + extent.in_buffers == 0 {
                self.ended += extent.count;
                extend(&mut translated, &rest[..extent.len]);
                extent.len
            } else {
                let Some(item) = item::read(rest) else { break };
                self.ended += u64::from(item.kind != ItemKind::Time);
                if item.kind == ItemKind::Time {
                    let (count, nanos) = item::read_time(item.body);
                    duration = Some(Duration::from_nanos(nanos / count.max(1)));
                }
                match self.translate(&item) {
                    None => extend(&mut translated, &rest[..item.len]),
                    Some(bytes) => {
                        // The items before it have not been copied until now.
                        let all = translated.get_or_insert_with(|| self.handle.inbound[..offset].to_vec());
                        all.extend_from_slice(&bytes);
                    }
                }
                item.len
            };
            offset += len;
        }
        let rest = self.handle.inbound.split_off(offset);
        let plain = std::mem::replace(&mut self.handle.inbound, rest);
        (translated.unwrap_or(plain), duration)
    }

    /// Returns what goes to the pool in place of an item that makes sense on this host only.
    fn translate(&self, item: &Item<'_>) -> Option<Vec<u8>> {
        let failure = |text: &str| {
            let mut body = Vec::new();
            // Cannot fail: an error is made of text.
            let _text = codec::append(&RunError::BadResult(text.to_owned()), &mut body);
            [ItemHead::new(ItemKind::Failure, body.len()).bytes(), &body].concat()
        };
        match item.kind {
            ItemKind::InBuffer => Some(match self.handle.channel.open_buffer(item) {
                Some(buffer) => [ItemHead::new(ItemKind::Value, buffer.len()).bytes(), &buffer].concat(),
                None => failure("its buffer is not the worker's"),
            }),
            ItemKind::WithDescriptors => Some(failure("a file or socket cannot travel to another host")),
            ItemKind::Value | ItemKind::Failure | ItemKind::Time => None,
        }
    }
}

/// Copies bytes behind those that were copied, if any were.
fn extend(translated: &mut Option<Vec<u8>>, bytes: &[u8]) {
    if let Some(translated) = translated {
        translated.extend_from_slice(bytes);
    }
}
