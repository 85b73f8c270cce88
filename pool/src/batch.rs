//! [`Batch`]: the encoded arguments of consecutive tasks, in one piece of memory.

use std::ops::Range;

use procession_core::BufferHandle;
use procession_core::codec::{self, EncodeError, Handles, Message};
use serde::Serialize;

use crate::wire::item::{Head, ItemKind};

/// What a descriptor weighs, in bytes: they are scarcer than memory.
const DESCRIPTOR_WEIGHT: usize = 1 << 20;

/// At most so much room is made for arguments before they are seen, in bytes.
const FORESEEN: usize = 4 << 20;

/// Arguments of consecutive tasks, each as an item.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The index of the first task.
    pub(crate) first: u64,
    bytes: Vec<u8>,
    /// Where each item ends.
    ends: Vec<usize>,
    /// How many bytes the longest head took: the next one probably needs as many.
    room: usize,
    /// What goes with some of them, by their places.
    descriptors: Vec<(usize, Message)>,
    heaviest: usize,
}

impl Batch {
    /// An empty batch whose first task has this index.
    pub(crate) fn new(first: u64) -> Batch {
        Batch { first, ..Batch::default() }
    }

    /// One task whose argument was lent.
    pub(crate) fn of_loan(loan: BufferHandle) -> Result<Batch, EncodeError> {
        let mut body = Vec::new();
        codec::append(&loan, &mut body)?;
        let bytes = [Head::new(ItemKind::Lent, body.len()).bytes(), &body].concat();
        Ok(Batch { ends: vec![bytes.len()], bytes, ..Batch::default() })
    }

    /// An empty batch for the tasks after these, which are probably as many and as heavy.
    pub(crate) fn next(&self) -> Batch {
        let bytes = Vec::with_capacity(self.bytes.len().min(FORESEEN));
        Batch {
            first: self.end(),
            bytes,
            ends: Vec::with_capacity(self.ends.len()),
            room: self.room,
            ..Batch::default()
        }
    }

    /// Encodes the argument of the next task. Answers what it weighs.
    #[inline]
    pub(crate) fn push<T: Serialize>(&mut self, argument: &T) -> Result<usize, EncodeError> {
        // An argument that could not be encoded has left the room for its head behind the last item.
        let begin = self.ends.last().copied().unwrap_or(0);
        self.bytes.truncate(begin);
        let room = self.room.max(1);
        if room == 1 {
            self.bytes.push(0);
        } else {
            self.bytes.resize(begin + room, 0);
        }
        let descriptors = codec::append(argument, &mut self.bytes)?;
        let len = self.bytes.len() - begin - room;
        if descriptors.is_empty()
            && room == 1
            && let Some(head) = Head::short(ItemKind::Value, len)
        {
            self.bytes[begin] = head;
            self.ends.push(self.bytes.len());
            self.heaviest = self.heaviest.max(len + 1);
            return Ok(len + 1);
        }
        Ok(self.finish(begin, room, descriptors))
    }

    /// Gives the last item, which is unusual, its head. Answers what it weighs.
    fn finish(&mut self, begin: usize, room: usize, descriptors: Handles) -> usize {
        let len = self.bytes.len() - begin - room;
        let kind = if descriptors.is_empty() { ItemKind::Value } else { ItemKind::WithDescriptors };
        let head = Head::with_room(kind, len, room);
        if let Some(place) = self.bytes.get_mut(begin..begin + head.bytes().len()).filter(|place| place.len() == room) {
            place.copy_from_slice(head.bytes());
        } else {
            self.bytes.splice(begin..begin + room, head.bytes().iter().copied());
            self.room = head.bytes().len();
        }
        let weight = (self.bytes.len() - begin).saturating_add(descriptors.len().saturating_mul(DESCRIPTOR_WEIGHT));
        if !descriptors.is_empty() {
            self.descriptors.push((self.ends.len(), Message::new(Vec::new(), descriptors)));
        }
        self.ends.push(self.bytes.len());
        self.heaviest = self.heaviest.max(weight);
        weight
    }

    /// How many tasks it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The index after that of the last task.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What all its tasks weigh.
    pub(crate) fn weight(&self) -> usize {
        self.weight_of(0..self.len())
    }

    /// What the heaviest of its tasks weighs.
    pub(crate) fn heaviest(&self) -> usize {
        self.heaviest
    }

    /// Where the items of some of its tasks lie.
    pub(crate) fn range(&self, items: Range<usize>) -> Range<usize> {
        let end = |count: usize| count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        end(items.start)..end(items.end)
    }

    /// The bytes of a range.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// What the arguments of some of its tasks weigh.
    pub(crate) fn weight_of(&self, items: Range<usize>) -> usize {
        let descriptors: usize = self.descriptors_of(items.clone()).map(|message| message.descriptors().len()).sum();
        self.range(items).len().saturating_add(descriptors.saturating_mul(DESCRIPTOR_WEIGHT))
    }

    /// What goes with some of its tasks.
    pub(crate) fn descriptors_of(&self, items: Range<usize>) -> impl Iterator<Item = &Message> {
        let chosen = self.descriptors.iter().filter(move |(place, _)| items.contains(place));
        chosen.map(|(_, descriptors)| descriptors)
    }
}
