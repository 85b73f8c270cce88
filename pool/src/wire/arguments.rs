//! [`ArgumentBatch`]: the encoded arguments of consecutive tasks, in one piece of memory.
//!
//! Arguments are encoded once, on the caller's thread and without the pool's lock. A worker is sent ranges of these bytes as
//! they are, and so is another one if it dies.

use std::ops::Range;

use procession_core::BufferHandle;
use procession_core::codec::{self, EncodeError, Handles, Message};
use serde::Serialize;

use super::item::{self, Item, ItemHead, ItemKind};
use crate::model::tuning::{DESCRIPTOR_WEIGHT, MAX_RESERVED_BYTES};

/// Arguments of consecutive tasks, each as an item.
#[derive(Debug, Default)]
pub(crate) struct ArgumentBatch {
    /// The index of the first task.
    pub(crate) first: u64,
    bytes: Vec<u8>,
    /// The end of each item.
    ends: Vec<usize>,
    /// The length of the longest head so far: the next one probably needs as many bytes.
    head_len: usize,
    /// The descriptors of some items, by their positions.
    descriptors: Vec<(usize, Message)>,
    max_weight: usize,
}

impl ArgumentBatch {
    /// Returns an empty batch whose first task has the index `first`.
    pub(crate) fn new(first: u64) -> ArgumentBatch {
        ArgumentBatch { first, ..ArgumentBatch::default() }
    }

    /// Returns a batch of one task whose argument lies in a buffer.
    pub(crate) fn of_buffer(handle: BufferHandle) -> Result<ArgumentBatch, EncodeError> {
        let mut body = Vec::new();
        codec::append(&handle, &mut body)?;
        let bytes = [ItemHead::new(ItemKind::InBuffer, body.len()).bytes(), &body].concat();
        Ok(ArgumentBatch { ends: vec![bytes.len()], bytes, ..ArgumentBatch::default() })
    }

    /// Returns the batch of `count` tasks whose items lie one behind another. `None` if they do not, or if one needs more than its bytes.
    pub(crate) fn of_items(bytes: Vec<u8>, count: u64) -> Option<ArgumentBatch> {
        // Each item has a byte at least, so what is reserved is bounded by what has come.
        let mut ends = Vec::with_capacity(usize::try_from(count).ok()?.min(bytes.len()));
        let mut end = 0;
        while let Some(Item { kind: ItemKind::Value, len, .. }) = item::read(&bytes[end..]) {
            end += len;
            ends.push(end);
        }
        let is_whole = end == bytes.len() && ends.len() as u64 == count;
        is_whole.then(|| ArgumentBatch { bytes, ends, ..ArgumentBatch::default() })
    }

    /// Returns an empty batch for the tasks after these, which are probably as many and as heavy.
    pub(crate) fn next(&self) -> ArgumentBatch {
        ArgumentBatch {
            first: self.end(),
            bytes: Vec::with_capacity(self.bytes.len().min(MAX_RESERVED_BYTES)),
            ends: Vec::with_capacity(self.ends.len()),
            head_len: self.head_len,
            ..ArgumentBatch::default()
        }
    }

    /// Encodes the argument of the next task and returns its weight in bytes.
    #[inline]
    pub(crate) fn push<T: Serialize>(&mut self, argument: &T) -> Result<usize, EncodeError> {
        // An argument that could not be encoded has left the space for its head behind the last item.
        let begin = self.ends.last().copied().unwrap_or(0);
        self.bytes.truncate(begin);
        // Reserved before the length is known: a guess that fits moves no bytes.
        let head_len = self.head_len.max(1);
        if head_len == 1 {
            self.bytes.push(0);
        } else {
            self.bytes.resize(begin + head_len, 0);
        }
        let descriptors = codec::append(argument, &mut self.bytes)?;
        let len = self.bytes.len() - begin - head_len;
        if descriptors.is_empty()
            && head_len == 1
            && let Some(head) = ItemHead::short(ItemKind::Value, len)
        {
            self.bytes[begin] = head;
            self.ends.push(self.bytes.len());
            self.max_weight = self.max_weight.max(len + 1);
            return Ok(len + 1);
        }
        Ok(self.finish(begin, head_len, descriptors))
    }

    /// Writes the head of the last item, which is long or has descriptors, and returns its weight.
    fn finish(&mut self, begin: usize, head_len: usize, descriptors: Handles) -> usize {
        let len = self.bytes.len() - begin - head_len;
        let kind = if descriptors.is_empty() { ItemKind::Value } else { ItemKind::WithDescriptors };
        let head = ItemHead::with_min_len(kind, len, head_len);
        let place = self.bytes.get_mut(begin..begin + head.bytes().len());
        if let Some(place) = place.filter(|place| place.len() == head_len) {
            place.copy_from_slice(head.bytes());
        } else {
            self.bytes.splice(begin..begin + head_len, head.bytes().iter().copied());
            self.head_len = head.bytes().len();
        }
        let weight = (self.bytes.len() - begin).saturating_add(descriptors.len().saturating_mul(DESCRIPTOR_WEIGHT));
        if !descriptors.is_empty() {
            self.descriptors.push((self.ends.len(), Message::new(Vec::new(), descriptors)));
        }
        self.ends.push(self.bytes.len());
        self.max_weight = self.max_weight.max(weight);
        weight
    }

    /// Returns the number of tasks.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the index after that of the last task.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the weight of all tasks, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.weight_of(0..self.len())
    }

    /// Returns the weight of the heaviest task, in bytes.
    pub(crate) fn max_weight(&self) -> usize {
        self.max_weight
    }

    /// Returns the range of bytes that some tasks take up.
    pub(crate) fn range(&self, items: Range<usize>) -> Range<usize> {
        let end = |count: usize| count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        end(items.start)..end(items.end)
    }

    /// Returns some of the encoded bytes, and none for a range beyond the end.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Returns the weight of some tasks, in bytes.
    pub(crate) fn weight_of(&self, items: Range<usize>) -> usize {
        let descriptors: usize = self.descriptors_of(items.clone()).map(|message| message.descriptors().len()).sum();
        self.range(items).len().saturating_add(descriptors.saturating_mul(DESCRIPTOR_WEIGHT))
    }

    /// Returns the descriptors of some tasks.
    pub(crate) fn descriptors_of(&self, items: Range<usize>) -> impl Iterator<Item = &Message> {
        let chosen = self.descriptors.iter().filter(move |(position, _)| items.contains(position));
        chosen.map(|(_, descriptors)| descriptors)
    }
}
