//! [`Tail`] and [`Head`]: what a process does to a chain of blocks while it holds the lock of an end.
//!
//! An end has two positions, and a word that says which of them is valid and how many items have passed. Each change is written
//! to the other position first; one store of the word makes it true. A process that is killed before that store has changed
//! nothing, and its lock is taken over. After the store everything has happened. What it may leave behind are leaked extents: the
//! process that takes the lock over has them reclaimed.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::copy_target::CopyTarget;
use super::error::ChainError;
use super::extents::Extent;
use super::layout::{ChainState, QUEUED};
use super::limits::Limits;
use super::locked_end::LockedEnd;
use super::record::{ParsedRecord, Position, Record};
use super::shared_memory::Memory;
use super::until::Until;
use crate::tuning::LARGE_BLOCKS_FROM;

/// The end where items are added.
#[derive(Debug)]
pub(crate) struct Tail<'a> {
    memory: &'a Memory,
    chain: &'a ChainState,
    end: LockedEnd<'a>,
    position: Position,
    added: u64,
    bytes: u64,
    until: Until,
}

impl<'a> Tail<'a> {
    /// Locks this end. Returns `None` if it stays locked until then. What is done with it keeps that time too.
    #[inline]
    pub(crate) fn lock(memory: &'a Memory, chain: &'a ChainState, until: Until) -> Option<Tail<'a>> {
        let end = LockedEnd::lock(memory, &chain.tail, until)?;
        let position = end.position;
        Some(Tail { memory, chain, end, position, added: 0, bytes: chain.tail.bytes.load(Relaxed), until })
    }

    pub(crate) fn owner_died(&self) -> bool {
        self.end.owner_died
    }

    /// Returns whether there is space for one more item. With `ample`, if it must look at the other end to find out, it asks for
    /// space for several: a look costs as much as some items.
    #[inline]
    pub(crate) fn has_space(&self, ample: bool) -> bool {
        self.seems_to_have_space() || {
            let (tail, head) = (&self.chain.tail, &self.chain.head);
            // Pairs with the Release in `LockedEnd::commit`: blocks that were left can be written to.
            tail.peer_items.store(head.commit.load(Acquire) >> 1, Relaxed);
            tail.peer_bytes.store(head.bytes.load(Relaxed), Relaxed);
            if ample { self.chain.has_ample_space() } else { self.seems_to_have_space() }
        }
    }

    /// Returns the number for the next packet of descriptors: none was ever used before.
    pub(crate) fn next_fd_packet(&self) -> u64 {
        let number = self.chain.tail.last_fd_packet.load(Relaxed).wrapping_add(1);
        self.chain.tail.last_fd_packet.store(number, Relaxed);
        number
    }

    /// Writes an item behind those that were written already.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8], fd_packet: Option<u64>) -> Result<(), ChainError> {
        self.reserve(bytes.len(), fd_packet)?;
        let next = self.memory.write_bytes(self.position, bytes, fd_packet);
        self.position = next.ok_or_else(|| self.memory.unmapped())?;
        self.added += 1;
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        Ok(())
    }

    /// Writes that the next item lies in an extent, which belongs to the chain from the next commit on.
    pub(crate) fn push_extent(&mut self, extent: Extent, len: u64, fd_packet: Option<u64>) -> Result<(), ChainError> {
        self.reserve(16, fd_packet)?;
        let next = self.memory.write_extent(self.position, extent.number, len, fd_packet);
        self.position = next.ok_or_else(|| self.memory.unmapped())?;
        self.memory.set_owner(extent, QUEUED)?;
        self.added += 1;
        self.bytes = self.bytes.wrapping_add(len);
        Ok(())
    }

    /// Announces what [`publish`](Self::publish) is about to make true. From now on other processes can complete it.
    pub(crate) fn announce(&self) {
        self.chain.tail.bytes.store(self.bytes, Relaxed);
        self.end.announce(self.end.count + self.added, self.position);
    }

    /// Makes everything that was written part of the queue.
    #[inline]
    pub(crate) fn publish(mut self) {
        if self.added > 0 {
            self.chain.tail.bytes.store(self.bytes, Relaxed);
            self.end.commit(self.end.count + self.added, self.position);
            // The prefetch comes after the lock was given back: others need not wait for it.
            let (memory, next) = (self.memory, self.position.0);
            drop(self);
            memory.prefetch_for_writing(next);
        }
    }

    /// Makes the first block of a new chain.
    pub(crate) fn init_first_block(mut self, limits: Limits) -> Result<(), ChainError> {
        self.chain.set_limits(limits);
        let position = self.new_block()?;
        // The commit word of the head is still 0, so this position of it is the valid one.
        self.chain.head.positions[0].store(position.0, Relaxed);
        self.end.commit(0, position);
        Ok(())
    }

    #[inline]
    fn seems_to_have_space(&self) -> bool {
        let tail = &self.chain.tail;
        let items = (self.end.count + self.added).wrapping_sub(tail.peer_items.load(Relaxed));
        self.chain.waiters.has_space(items, self.bytes.wrapping_sub(tail.peer_bytes.load(Relaxed)))
    }

    #[inline]
    fn reserve(&mut self, payload: usize, fd_packet: Option<u64>) -> Result<(), ChainError> {
        if Memory::fits(self.position, payload, fd_packet) { Ok(()) } else { self.continue_in_new_block() }
    }

    #[cold]
    fn continue_in_new_block(&mut self) -> Result<(), ChainError> {
        // Receivers are woken before items become visible, so the items of one announcement lie in one block.
        if self.added > 0 {
            return Err(ChainError::BlockFull);
        }
        let position = self.new_block()?;
        self.memory.write_jump(self.position, position).ok_or_else(|| self.memory.unmapped())?;
        self.position = position;
        // Committed at once, so that a death never leaves a block that is linked and not part of the chain.
        self.end.commit(self.end.count, position);
        Ok(())
    }

    fn new_block(&self) -> Result<Position, ChainError> {
        let large = self.memory.extents() >= LARGE_BLOCKS_FROM;
        let extent = self.memory.allocate(Position::block_bytes(large), self.until)?;
        // An address that this process cannot map is given back for others.
        let Some(number) = self.memory.word(extent.at) else {
            self.memory.free(extent.number);
            return Err(self.memory.unmapped());
        };
        // The head frees a block by this number, when it leaves it.
        number.store(extent.number.into(), Relaxed);
        self.memory.set_owner(extent, QUEUED)?;
        Ok(Position::first(extent.at, large))
    }
}

/// One item that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Where its bytes lie, and their number; `None` if they were copied. The extent belongs to this process from the next commit on.
    pub(crate) extent: Option<(Extent, u64)>,
    pub(crate) fd_packet: Option<u64>,
}

/// The end where items are taken.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    memory: &'a Memory,
    chain: &'a ChainState,
    end: LockedEnd<'a>,
    position: Position,
    taken: u64,
    bytes: u64,
    /// A block that is finished with.
    left_block: Option<u64>,
}

impl<'a> Head<'a> {
    /// Locks this end. Returns `None` if it stays locked until then.
    #[inline]
    pub(crate) fn lock(memory: &'a Memory, chain: &'a ChainState, until: Until) -> Option<Head<'a>> {
        let end = LockedEnd::lock(memory, &chain.head, until)?;
        let position = end.position;
        Some(Head { memory, chain, end, position, taken: 0, bytes: chain.head.bytes.load(Relaxed), left_block: None })
    }

    pub(crate) fn owner_died(&self) -> bool {
        self.end.owner_died
    }

    /// Returns the number of items that have passed this end, including those that were taken through this handle.
    pub(crate) fn passed(&self) -> u64 {
        self.end.count + self.taken
    }

    /// Returns whether there is an item.
    #[inline]
    pub(crate) fn has_item(&self) -> bool {
        let head = &self.chain.head;
        let passed = self.passed();
        head.peer_items.load(Relaxed) > passed || {
            // Pairs with the Release in `LockedEnd::commit`: the items can be read.
            let added = self.chain.tail.commit.load(Acquire) >> 1;
            head.peer_items.store(added, Relaxed);
            added > passed
        }
    }

    /// Takes an item, and copies its bytes if it is small. Returns `None` if the queue is empty. With `only_bytes`, also `None` if the
    /// next one is large or has descriptors. `check` is called before, with its length; what it refuses is not taken.
    #[inline]
    pub(crate) fn take(
        &mut self,
        target: &mut impl CopyTarget,
        only_bytes: bool,
        check: &impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<Option<Taken>, ChainError> {
        if !self.has_item() {
            return Ok(None);
        }
        let mut parsed = self.memory.record(self.position).ok_or_else(|| self.memory.unmapped())?;
        if let Record::Jump(position) = parsed.record {
            // One commit frees one block.
            if only_bytes && self.left_block.is_some() {
                return Ok(None);
            }
            self.left_block = Some(self.position.block());
            self.position = position;
            parsed = self.memory.record(position).ok_or_else(|| self.memory.unmapped())?;
        }
        let Some((taken, len)) = self.take_record(&parsed, target, only_bytes, check)? else { return Ok(None) };
        self.position = parsed.next;
        self.taken += 1;
        self.bytes = self.bytes.wrapping_add(len);
        Ok(Some(taken))
    }

    /// Takes what a record describes, and returns its length too.
    #[inline]
    fn take_record(
        &self,
        parsed: &ParsedRecord,
        target: &mut impl CopyTarget,
        only_bytes: bool,
        check: &impl Fn(&Memory, u64) -> Result<(), ChainError>,
    ) -> Result<Option<(Taken, u64)>, ChainError> {
        let fd_packet = parsed.fd_packet;
        match parsed.record {
            Record::Jump(_) => Err(ChainError::Corrupt),
            Record::Extent { .. } if only_bytes => Ok(None),
            Record::Bytes { .. } if only_bytes && fd_packet.is_some() => Ok(None),
            Record::Bytes { at, len } => {
                let bytes = self.memory.bytes(at, len).ok_or_else(|| self.memory.unmapped())?;
                check(self.memory, len)?;
                target.copy_from(bytes)?;
                Ok(Some((Taken { extent: None, fd_packet }, len)))
            }
            Record::Extent { number, len } => {
                let extent = self.memory.extent(number, len).ok_or(ChainError::Corrupt)?;
                // Mapped here, where it may fail: the holder of the extent reads it without an error.
                self.memory.bytes(extent.at, len).ok_or_else(|| self.memory.unmapped())?;
                check(self.memory, len)?;
                Ok(Some((Taken { extent: Some((extent, len)), fd_packet }, len)))
            }
        }
    }

    /// Makes it true that the items are taken. The extent `last` becomes this process's.
    #[inline]
    pub(crate) fn publish(mut self, last: Option<Extent>) {
        // A commit would take a cache line away from the senders for nothing.
        if self.taken == 0 {
            return;
        }
        // Before the commit. A death in between leaves it a little wrong, which `Waiters::has_space` allows for.
        self.chain.head.bytes.store(self.bytes, Relaxed);
        self.end.commit(self.end.count + self.taken, self.position);
        // After the commit: a death in between leaks the extent, and recovery finds it.
        if let Some(extent) = last {
            self.memory.take_ownership(extent);
        }
        if let Some(block) = self.left_block {
            self.memory.free_block(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_can_be_completed_by_others_and_is_done_once() {
        let memory = Memory::create().expect("there is memory");
        let chain = &memory.header().chains[0];
        let tail = || Tail::lock(&memory, chain, Until::FOREVER).expect("it is free");
        tail().init_first_block(Limits { items: 10, bytes: 1 << 20 }).expect("there is memory");
        let mut first = tail();
        first.push(b"one", None).expect("it fits");
        first.announce();
        assert_eq!(chain.len(), 0, "nothing has happened yet");
        chain.tail.help_complete();
        assert_eq!(chain.len(), 1);
        let mut head = Head::lock(&memory, chain, Until::FOREVER).expect("it is free");
        let mut buffer = Vec::new();
        let taken = head.take(&mut buffer, false, &|_, _| Ok(())).expect("a record");
        assert!(taken.is_some_and(|taken| taken.extent.is_none() && taken.fd_packet.is_none()));
        head.publish(None);
        assert_eq!(buffer, b"one");
        // The lock holder goes on as if nothing had been.
        first.publish();
        let mut second = tail();
        second.push(b"two", None).expect("it fits");
        second.publish();
        chain.tail.help_complete();
        assert_eq!(chain.len(), 1, "what was announced once is over");
    }
}
