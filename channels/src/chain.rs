//! [`Tail`] and [`Head`]: what one does to a chain of blocks while holding the lock of its end.
//!
//! An end is two places and a word that says which of them is valid, and how many items have passed. Whatever is done goes to
//! the other place first, and one store of the word makes it true. A process that is killed before that store has done nothing,
//! and its lock is taken over; after it, everything. What it may leave behind are extents that nobody knows of: the one who
//! took over sees to it that they are swept up.

use std::sync::atomic::{Ordering, Ordering::Relaxed};

use procession_core::MappingError;
use procession_sync::RobustGuard;

use crate::extents::{Extent, NoExtent};
use crate::fault::Fault;
use crate::layout::{End, Links, QUEUED};
use crate::patience::Until;
use crate::record::{Found, Place, Record};
use crate::ring::Memory;
use crate::sink::Sink;

/// From this many extents on, new blocks are large.
const DEEP: u32 = 64;

/// Why an item was not added or taken.
#[derive(Debug)]
pub(crate) enum Snag {
    NoExtent(NoExtent),
    /// The items that were written fill the block. They must be published before others go into the next one.
    NewBlock,
    /// This process cannot map the memory.
    Unmapped(MappingError),
    /// The memory does not hold what it should.
    Garbled,
}

impl Snag {
    /// Why a place has no address.
    #[cold]
    fn at_a_place_of(memory: &Memory) -> Snag {
        memory.arena().refusal().map_or(Snag::Garbled, Snag::Unmapped)
    }
}

/// The state of an end that is locked.
#[derive(Debug)]
struct Grip<'a> {
    end: &'a End,
    _guard: RobustGuard<'a>,
    /// Whether the one who had it before has died.
    inherited: bool,
    count: u64,
    slot: usize,
    place: Place,
}

impl<'a> Grip<'a> {
    #[inline]
    fn new(memory: &Memory, end: &'a End, until: Until) -> Option<Grip<'a>> {
        let guard = until.lock(&end.lock)?;
        let inherited = guard.after_a_death();
        if inherited {
            memory.header().alloc.dirty.store(1, Ordering::SeqCst);
            end.complete();
            guard.absolve();
        }
        let commit = end.commit.load(Relaxed);
        let slot = (commit & 1) as usize;
        let place = Place(end.place[slot].load(Relaxed));
        Some(Grip { end, _guard: guard, inherited, count: commit >> 1, slot, place })
    }

    /// Makes it true that `count` items have passed and the end is at `place`.
    #[inline]
    fn commit(&mut self, count: u64, place: Place) {
        self.slot ^= 1;
        self.end.place[self.slot].store(place.0, Relaxed);
        self.end.commit.store(count << 1 | self.slot as u64, Ordering::Release);
        (self.count, self.place) = (count, place);
    }

    /// Prepares a commit, so that it can be done by others.
    fn intend(&self, count: u64, place: Place) {
        let slot = self.slot ^ 1;
        self.end.place[slot].store(place.0, Relaxed);
        self.end.intent.store(count << 1 | slot as u64, Ordering::Release);
    }
}

impl End {
    /// Does what the one who has the lock, or had it and died, was about to do. There is nothing else that he could do.
    pub(crate) fn complete(&self) {
        let (commit, intent) = (self.commit.load(Ordering::Acquire), self.intent.load(Ordering::Acquire));
        if intent >> 1 > commit >> 1 {
            // If it fails then it was done.
            let _done = self.commit.compare_exchange(commit, intent, Ordering::AcqRel, Relaxed);
        }
    }
}

/// The end where items are added.
#[derive(Debug)]
pub(crate) struct Tail<'a> {
    memory: &'a Memory,
    links: &'a Links,
    grip: Grip<'a>,
    place: Place,
    added: u64,
    bytes: u64,
    until: Until,
}

impl<'a> Tail<'a> {
    /// Locks this end; `None` if somebody else has it until then. What is done meanwhile keeps that time too.
    #[inline]
    pub(crate) fn lock(memory: &'a Memory, links: &'a Links, until: Until) -> Option<Tail<'a>> {
        let grip = Grip::new(memory, &links.tail, until)?;
        let place = grip.place;
        Some(Tail { memory, links, grip, place, added: 0, bytes: links.tail.bytes.load(Relaxed), until })
    }

    pub(crate) fn inherited(&self) -> bool {
        self.grip.inherited
    }

    /// Whether there is room for one more item. If it must look at what the receivers do to find out, and `plenty` is asked for,
    /// then there must be room for several: a look costs as much as some items.
    #[inline]
    pub(crate) fn has_room(&self, plenty: bool) -> bool {
        self.seems_to_have_room() || {
            let (tail, head) = (&self.links.tail, &self.links.head);
            tail.seen.store(head.commit.load(Ordering::Acquire) >> 1, Relaxed);
            tail.bytes_seen.store(head.bytes.load(Relaxed), Relaxed);
            if plenty { self.links.is_roomy() } else { self.seems_to_have_room() }
        }
    }

    /// The number for the next packet of descriptors: none was ever used before.
    pub(crate) fn next_parcel(&self) -> u64 {
        let number = self.links.tail.parcel.load(Relaxed).wrapping_add(1);
        self.links.tail.parcel.store(number, Relaxed);
        number
    }

    /// Writes an item behind those that were written already.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8], parcel: Option<u64>) -> Result<(), Snag> {
        self.reserve(bytes.len(), parcel)?;
        self.place =
            self.memory.write_bytes(self.place, bytes, parcel).ok_or_else(|| Snag::at_a_place_of(self.memory))?;
        self.added += 1;
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        Ok(())
    }

    /// Writes that the next item lies in an extent, which belongs to the chain when this is published.
    pub(crate) fn push_extent(&mut self, extent: Extent, len: u64, parcel: Option<u64>) -> Result<(), Snag> {
        self.reserve(16, parcel)?;
        self.place = self
            .memory
            .write_extent(self.place, extent.number, len, parcel)
            .ok_or_else(|| Snag::at_a_place_of(self.memory))?;
        self.memory.queue_up(extent)?;
        self.added += 1;
        self.bytes = self.bytes.wrapping_add(len);
        Ok(())
    }

    /// Says what [`publish`](Self::publish) is about to make true. From now on others may do it, if it is not done.
    pub(crate) fn intend(&self) {
        self.links.tail.bytes.store(self.bytes, Relaxed);
        self.grip.intend(self.grip.count + self.added, self.place);
    }

    /// Makes everything that was written part of the queue.
    #[inline]
    pub(crate) fn publish(mut self) {
        if self.added > 0 {
            self.links.tail.bytes.store(self.bytes, Relaxed);
            self.grip.commit(self.grip.count + self.added, self.place);
            // The lock need not be held for what comes after.
            let (memory, next) = (self.memory, self.place.0);
            drop(self);
            memory.expect_to_write(next);
        }
    }

    /// Lays the first block of a chain that is new.
    pub(crate) fn found(mut self) -> Result<(), Snag> {
        let place = self.new_block()?;
        self.links.head.place[0].store(place.0, Relaxed);
        self.grip.commit(0, place);
        Ok(())
    }

    #[inline]
    fn seems_to_have_room(&self) -> bool {
        let tail = &self.links.tail;
        let items = (self.grip.count + self.added).wrapping_sub(tail.seen.load(Relaxed));
        self.links.wake.has_room(items, self.bytes.wrapping_sub(tail.bytes_seen.load(Relaxed)))
    }

    #[inline]
    fn reserve(&mut self, payload: usize, parcel: Option<u64>) -> Result<(), Snag> {
        if Memory::fits(self.place, payload, parcel) { Ok(()) } else { self.go_on_elsewhere() }
    }

    #[cold]
    fn go_on_elsewhere(&mut self) -> Result<(), Snag> {
        // Where items were written, they come first: receivers are told of items before those are there.
        if self.added > 0 {
            return Err(Snag::NewBlock);
        }
        let place = self.new_block()?;
        self.memory.write_jump(self.place, place).ok_or_else(|| Snag::at_a_place_of(self.memory))?;
        self.place = place;
        // It becomes true at once, so that no block is in a chain half the way.
        self.grip.commit(self.grip.count, place);
        Ok(())
    }

    fn new_block(&self) -> Result<Place, Snag> {
        let large = self.memory.extents() >= DEEP;
        let extent = self.memory.allocate(Place::size(large), self.until).map_err(Snag::NoExtent)?;
        let Some(number) = self.memory.word(extent.at) else {
            self.memory.free(extent.number);
            return Err(Snag::at_a_place_of(self.memory));
        };
        number.store(extent.number.into(), Relaxed);
        self.memory.queue_up(extent)?;
        Ok(Place::first(extent.at, large))
    }
}

/// One item that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    /// Its bytes were copied.
    Bytes { parcel: Option<u64> },
    /// Its bytes lie in an extent, which belongs to this process once this is published.
    Extent { extent: Extent, len: u64, parcel: Option<u64> },
}

/// The end where items are taken.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    memory: &'a Memory,
    links: &'a Links,
    grip: Grip<'a>,
    place: Place,
    taken: u64,
    bytes: u64,
    /// A block that is finished with.
    behind: Option<u64>,
}

impl<'a> Head<'a> {
    /// Locks this end; `None` if somebody else has it until then.
    #[inline]
    pub(crate) fn lock(memory: &'a Memory, links: &'a Links, until: Until) -> Option<Head<'a>> {
        let grip = Grip::new(memory, &links.head, until)?;
        let place = grip.place;
        Some(Head { memory, links, grip, place, taken: 0, bytes: links.head.bytes.load(Relaxed), behind: None })
    }

    pub(crate) fn inherited(&self) -> bool {
        self.grip.inherited
    }

    /// How many items have passed this end, with those that this one has taken.
    pub(crate) fn passed(&self) -> u64 {
        self.grip.count + self.taken
    }

    /// Whether there is an item.
    #[inline]
    pub(crate) fn has_item(&self) -> bool {
        let head = &self.links.head;
        let passed = self.passed();
        head.seen.load(Relaxed) > passed || {
            let there = self.links.tail.commit.load(Ordering::Acquire) >> 1;
            head.seen.store(there, Relaxed);
            there > passed
        }
    }

    /// Takes an item, and copies its bytes if they are few; `None` when there is none. With `only_bytes`, also `None` when the
    /// next one is of another kind. `check` is asked before, with its length: what it refuses is not taken.
    #[inline]
    pub(crate) fn take(
        &mut self,
        sink: &mut impl Sink,
        only_bytes: bool,
        check: &impl Fn(&Memory, u64) -> Result<(), Fault>,
    ) -> Result<Option<Taken>, Fault> {
        if !self.has_item() {
            return Ok(None);
        }
        let mut found = self.memory.record(self.place).ok_or_else(|| Snag::at_a_place_of(self.memory))?;
        if let Record::Jump(place) = found.record {
            if only_bytes && self.behind.is_some() {
                return Ok(None);
            }
            self.behind = Some(self.place.block());
            self.place = place;
            found = self.memory.record(place).ok_or_else(|| Snag::at_a_place_of(self.memory))?;
        }
        let Found { record, parcel, next } = found;
        let (taken, len) = match record {
            Record::Jump(_) => return Err(Fault::Garbled),
            Record::Extent { .. } if only_bytes => return Ok(None),
            Record::Bytes { .. } if only_bytes && parcel.is_some() => return Ok(None),
            Record::Bytes { at, len } => {
                let bytes = self.memory.bytes(at, len).ok_or_else(|| Snag::at_a_place_of(self.memory))?;
                check(self.memory, len)?;
                sink.put(bytes)?;
                (Taken::Bytes { parcel }, len)
            }
            Record::Extent { number, len } => {
                let extent = self.memory.extent(number, len).ok_or(Snag::Garbled)?;
                // Whoever has it can read it: there it must not fail.
                self.memory.bytes(extent.at, len).ok_or_else(|| Snag::at_a_place_of(self.memory))?;
                check(self.memory, len)?;
                (Taken::Extent { extent, len, parcel }, len)
            }
        };
        self.place = next;
        self.taken += 1;
        self.bytes = self.bytes.wrapping_add(len);
        Ok(Some(taken))
    }

    /// Makes it true that the items are taken. `last` becomes this process's.
    #[inline]
    pub(crate) fn publish(mut self, last: Option<Extent>) {
        if self.taken == 0 {
            return;
        }
        self.links.head.bytes.store(self.bytes, Relaxed);
        self.grip.commit(self.grip.count + self.taken, self.place);
        if let Some(extent) = last {
            self.memory.hold(extent);
        }
        if let Some(block) = self.behind {
            self.memory.free_block(block);
        }
    }
}

impl Memory {
    /// Gives an extent that this process holds to a chain.
    fn queue_up(&self, extent: Extent) -> Result<(), Snag> {
        self.entry(extent.number).ok_or(Snag::Garbled)?.owner.store(QUEUED, Relaxed);
        Ok(())
    }

    /// Takes an extent out of a chain, for this process.
    fn hold(&self, extent: Extent) {
        let me = procession_core::os::identity::ProcessIdentity::current();
        if let Some(entry) = self.entry(extent.number) {
            entry.owner.store(me.to_bits(), Relaxed);
        }
    }

    /// Frees a block that the head has left.
    fn free_block(&self, block: u64) {
        let Some(number) = self.word(block).map(|word| word.load(Relaxed)) else { return };
        if let Some(extent) = self.extent(number, 1).filter(|extent| extent.at == block) {
            self.free(extent.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::{Limits, chain};

    #[test]
    fn what_was_intended_can_be_done_by_others_and_is_done_once() {
        let memory = Memory::create().expect("there is memory");
        let limits = Limits { items: 10, window: 1 << 20 };
        let (_outlet, _inlet) = chain(&memory, 0, limits).expect("there is memory");
        let links = &memory.header().chains[0];
        let mut tail = Tail::lock(&memory, links, Until::FOREVER).expect("it is free");
        tail.push(b"one", None).expect("it fits");
        tail.intend();
        assert_eq!(links.len(), 0, "nothing has happened yet");
        links.tail.complete();
        assert_eq!(links.len(), 1);
        let mut head = Head::lock(&memory, links, Until::FOREVER).expect("it is free");
        let mut buffer = Vec::new();
        assert!(matches!(head.take(&mut buffer, false, &|_, _| Ok(())), Ok(Some(Taken::Bytes { parcel: None }))));
        head.publish(None);
        assert_eq!(buffer, b"one");
        // The one who has the lock goes on as if nothing had been.
        tail.publish();
        let mut tail = Tail::lock(&memory, links, Until::FOREVER).expect("it is free");
        tail.push(b"two", None).expect("it fits");
        tail.publish();
        links.tail.complete();
        assert_eq!(links.len(), 1, "what was intended once is over");
    }
}
