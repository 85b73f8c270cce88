//! Extents: pieces of the arena that are handed out, given back, and used again while they are warm.
//!
//! Touching a fresh page of shared memory costs seven times as much as using one again, so the extent that was freed last is handed out
//! first. Free memory beyond need is punched out: it goes back to the machine, the extent stays for later.
//!
//! Giving an extent back takes no lock: it goes on a stack, and the next lock holder puts it into its list. So a process that was
//! stopped with the lock delays those that want an extent, and not those that are done with one.
//!
//! The entry of an extent names its owner. A death can only spoil the lists, which are rebuilt from the entries, and leak extents,
//! which `recovery.rs` finds.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use procession_core::Arena;
use procession_core::os::identity::ProcessIdentity;
use procession_sync::RobustGuard;

use super::error::ChainError;
use super::layout::{ENTRIES_PER_PAGE, Entry, FREE, MAX_EXTENTS, MIN_EXTENT_BYTES, PAGE, SIZE_CLASSES, TABLE};
use super::shared_memory::Memory;
use super::until::Until;
use crate::tuning::{MIN_SPARE_BYTES, MODERATE_MESSAGE_BYTES};

/// An extent that this process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) number: u32,
    /// Its offset.
    pub(crate) at: u64,
}

// Entries and lists are accessed with Relaxed: they belong to the holder of the allocator's lock, or to the owner of the extent, and
// what is read is checked. The exception is the stack of returned extents.
impl Memory {
    /// Hands out an extent of at least `len` bytes, with memory behind them.
    pub(crate) fn allocate(&self, len: u64, until: Until) -> Result<Extent, ChainError> {
        let class = class_of(len).ok_or(ChainError::TooMany)?;
        // The memory is put behind it without the lock: that may take long.
        let number = self.take_or_create(class, until)?;
        let extent = Extent { number, at: self.entry(number).ok_or(ChainError::TooMany)?.at() };
        let backed = self.back(extent, len);
        backed.inspect_err(|_| self.free(number)).map(|()| extent)
    }

    /// Returns the size of an extent.
    pub(crate) fn size(&self, extent: Extent) -> u64 {
        self.entry(extent.number).map_or(0, Entry::size)
    }

    /// Puts memory behind the first bytes of an extent that this process holds.
    pub(crate) fn back(&self, extent: Extent, len: u64) -> Result<(), ChainError> {
        let entry = self.entry(extent.number).ok_or(ChainError::TooMany)?;
        let (backed, wanted) = (entry.backed.load(Relaxed), len.next_multiple_of(PAGE));
        if backed < wanted {
            self.arena().back(extent.at.saturating_add(backed), wanted - backed)?;
            entry.backed.store(wanted, Relaxed);
        }
        Ok(())
    }

    /// Names the owner of an extent.
    pub(crate) fn set_owner(&self, extent: Extent, owner: u64) -> Result<(), ChainError> {
        self.entry(extent.number).ok_or(ChainError::Corrupt)?.owner.store(owner, Relaxed);
        Ok(())
    }

    /// Takes an extent out of a chain, for this process.
    pub(crate) fn take_ownership(&self, extent: Extent) {
        // An extent without an entry was refused when its record was read.
        let _known = self.set_owner(extent, ProcessIdentity::current().to_bits());
    }

    /// Frees a block that the head has left.
    pub(crate) fn free_block(&self, block: u64) {
        // The block is checked against the table, because its number was read from shared memory.
        let Some(number) = self.word(block).map(|word| word.load(Relaxed)) else { return };
        if let Some(extent) = self.extent(number, 1).filter(|extent| extent.at == block) {
            self.free(extent.number);
        }
    }

    /// Takes an extent back, and punches its memory out if enough is spare.
    pub(crate) fn free(&self, number: u32) {
        let allocator = &self.header().allocator;
        let Some(entry) = self.entry(number) else { return };
        let (backed, spare) = (entry.backed.load(Relaxed), allocator.spare.load(Relaxed));
        if spare.saturating_add(backed) > max_spare(allocator.largest.load(Relaxed)) {
            // If the kernel refuses, the memory stays with the extent.
            let punched = self.arena().punch(entry.at(), entry.size());
            entry.backed.store(if punched.is_ok() { 0 } else { backed }, Relaxed);
        }
        // Until it is on the stack it is this process's: after a death it is found among those of the dead.
        entry.owner.store(ProcessIdentity::current().to_bits(), Relaxed);
        allocator.spare.fetch_add(entry.backed.load(Relaxed), Relaxed);
        let mut first = allocator.returned.load(Relaxed);
        loop {
            entry.next.store(first, Relaxed);
            // Release pairs with the Acquire in `collect_returned`, which takes the whole stack and reads the entry.
            match allocator.returned.compare_exchange_weak(first, number.wrapping_add(1), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// Records the size of a large message, for the amount of memory that is worth keeping.
    pub(crate) fn record_size(&self, len: u64) {
        let largest = &self.header().allocator.largest;
        let before = largest.load(Relaxed);
        // It decays, so that one huge message does not keep memory for ever.
        largest.store(len.max(before - before / 16), Relaxed);
    }

    /// Returns the extent that a record names, if it can hold this many bytes.
    pub(crate) fn extent(&self, number: u64, len: u64) -> Option<Extent> {
        let number = u32::try_from(number).ok()?;
        // The number was read from shared memory.
        let known = u64::from(number) < self.header().allocator.count.load(Relaxed);
        let entry = self.entry(number).filter(|_| known)?;
        (len <= entry.size()).then(|| Extent { number, at: entry.at() })
    }

    /// Locks the lists, and rebuilds them if a process died with the lock. Returns `None` if they stay locked until then.
    pub(crate) fn lock_free_lists(&self, until: Until) -> Option<RobustGuard<'_>> {
        let guard = until.lock(&self.header().allocator.lock)?;
        if guard.after_a_death() {
            self.header().allocator.needs_recovery.store(1, Relaxed);
            self.rebuild_free_lists();
            guard.clear_poison();
        }
        self.collect_returned();
        Some(guard)
    }

    /// Rebuilds the lists from the entries. The caller has the lock.
    fn rebuild_free_lists(&self) {
        self.collect_returned();
        let allocator = &self.header().allocator;
        allocator.warm.iter().chain(&allocator.cold).for_each(|list| list.store(0, Relaxed));
        allocator.spare.store(0, Relaxed);
        for number in (0..self.extents()).rev() {
            if let Some(entry) = self.entry(number).filter(|entry| entry.owner.load(Relaxed) == FREE) {
                self.reclaim(number, entry);
            }
        }
    }

    /// Moves what was given back into the lists, the last on top. The caller has the lock.
    fn collect_returned(&self) {
        let returned = &self.header().allocator.returned;
        if returned.load(Relaxed) == 0 {
            return;
        }
        // Acquire pairs with the Release in `free`. The first walk turns the stack around, the second moves its entries.
        let last = self.walk_list(returned.swap(0, Acquire), |before, number, entry| {
            entry.next.store(before, Relaxed);
            number + 1
        });
        self.walk_list(last, |_, number, entry| {
            self.push_free(number, entry);
            0
        });
    }

    /// Walks along a list of entries. What a step returns is given to the next.
    fn walk_list(&self, first: u32, mut step: impl FnMut(u32, u32, &Entry) -> u32) -> u32 {
        let (mut next, mut before) = (first, 0);
        // More steps than extents would be a circle, in corrupt memory.
        for _ in 0..self.extents() {
            let Some(number) = next.checked_sub(1).filter(|number| *number < self.extents()) else { break };
            let Some(entry) = self.entry(number) else { break };
            next = entry.next.load(Relaxed);
            before = step(before, number, entry);
        }
        before
    }

    /// Returns the number of extents.
    pub(crate) fn extents(&self) -> u32 {
        self.header().allocator.count.load(Relaxed).min(u64::from(MAX_EXTENTS)) as u32
    }

    /// Frees the extents that dead processes hold. The caller has the lock.
    pub(crate) fn reclaim_from_dead(&self) {
        let mut dead = Vec::new();
        // Asking the kernel about a process costs microseconds, so each is asked about once.
        let mut living = vec![ProcessIdentity::current()];
        for number in 0..self.extents() {
            let Some(entry) = self.entry(number) else { return };
            let Some(holder) = ProcessIdentity::from_bits(entry.owner.load(Relaxed)) else { continue };
            if living.contains(&holder) {
                continue;
            }
            if !dead.contains(&holder) {
                if holder.is_alive() {
                    living.push(holder);
                    continue;
                }
                // It may have given some back before it died; now the stack has the last of them.
                self.collect_returned();
                dead.push(holder);
            }
            if entry.owner.load(Relaxed) == holder.to_bits() {
                self.reclaim(number, entry);
            }
        }
    }

    fn take_or_create(&self, class: usize, until: Until) -> Result<u32, ChainError> {
        let _guard = self.lock_free_lists(until).ok_or(ChainError::Busy)?;
        let allocator = &self.header().allocator;
        if let Some(number) = self.pop_free(class) {
            return Ok(number);
        }
        if allocator.count.load(Relaxed) >= allocator.reclaim_at.load(Relaxed).max(16) {
            self.reclaim_from_dead();
            allocator.reclaim_at.store(allocator.count.load(Relaxed).saturating_mul(2), Relaxed);
            if let Some(number) = self.pop_free(class) {
                return Ok(number);
            }
        }
        self.create_extent(class)
    }

    /// Takes the first free extent of a size. The caller has the lock.
    fn pop_free(&self, class: usize) -> Option<u32> {
        let allocator = &self.header().allocator;
        let lists = [allocator.warm.get(class)?, allocator.cold.get(class)?];
        let list = lists.into_iter().find(|list| list.load(Relaxed) != 0)?;
        let number = list.load(Relaxed).checked_sub(1).filter(|number| *number < self.extents())?;
        let entry = self.entry(number).filter(|entry| entry.class() == class && entry.owner.load(Relaxed) == FREE)?;
        // The owner first: a death in between leaves the extent to the rebuilding of the lists.
        entry.owner.store(ProcessIdentity::current().to_bits(), Relaxed);
        list.store(entry.next.load(Relaxed), Relaxed);
        let backed = entry.backed.load(Relaxed);
        let _spare = allocator.spare.fetch_update(Relaxed, Relaxed, |spare| Some(spare.saturating_sub(backed)));
        Some(number)
    }

    /// Creates an extent. The caller has the lock.
    fn create_extent(&self, class: usize) -> Result<u32, ChainError> {
        let (allocator, size) = (&self.header().allocator, MIN_EXTENT_BYTES << class);
        let number = self.extents();
        if number >= MAX_EXTENTS {
            return Err(ChainError::TooMany);
        }
        // The table gets memory page by page, because most channels have few extents.
        if number.is_multiple_of(ENTRIES_PER_PAGE) {
            self.arena().back(TABLE + u64::from(number) * size_of::<Entry>() as u64, PAGE)?;
        }
        let entry = self.entry(number).ok_or(ChainError::TooMany)?;
        let end = allocator.end.load(Relaxed).max(Arena::HEAD);
        let at = end.checked_next_multiple_of(size).ok_or(ChainError::TooMany)?;
        entry.offset_and_class.store(at | class as u64, Relaxed);
        entry.backed.store(0, Relaxed);
        entry.owner.store(ProcessIdentity::current().to_bits(), Relaxed);
        allocator.end.store(at.checked_add(size).ok_or(ChainError::TooMany)?, Relaxed);
        // The count comes last: an extent exists once it is counted.
        allocator.count.store(u64::from(number) + 1, Relaxed);
        Ok(number)
    }

    /// Takes an extent back that no process has any more. The caller has the lock.
    pub(crate) fn reclaim(&self, number: u32, entry: &Entry) {
        self.header().allocator.spare.fetch_add(entry.backed.load(Relaxed), Relaxed);
        self.push_free(number, entry);
    }

    /// Puts an extent in front of its list. The caller has the lock.
    fn push_free(&self, number: u32, entry: &Entry) {
        let allocator = &self.header().allocator;
        let lists = if entry.backed.load(Relaxed) > 0 { &allocator.warm } else { &allocator.cold };
        let Some(list) = lists.get(entry.class()) else { return };
        entry.owner.store(FREE, Relaxed);
        entry.next.store(list.load(Relaxed), Relaxed);
        list.store(number + 1, Relaxed);
    }
}

/// Returns how many bytes of free memory are worth keeping where messages have up to `largest` bytes. While both ends are busy, one
/// message is being written, one is queued and one is read: with less, one of them would be touched for the first time after each pause.
fn max_spare(largest: u64) -> u64 {
    let messages = if largest <= MODERATE_MESSAGE_BYTES { 4 } else { 3 };
    MIN_SPARE_BYTES.max(largest.saturating_add(PAGE).saturating_mul(messages))
}

impl Entry {
    fn at(&self) -> u64 {
        self.offset_and_class.load(Relaxed) & !(MIN_EXTENT_BYTES - 1)
    }

    fn class(&self) -> usize {
        (self.offset_and_class.load(Relaxed) & (MIN_EXTENT_BYTES - 1)) as usize
    }

    fn size(&self) -> u64 {
        if self.class() < SIZE_CLASSES { MIN_EXTENT_BYTES << self.class() } else { 0 }
    }
}

/// Returns the smallest size class that fits.
fn class_of(len: u64) -> Option<usize> {
    let units = len.div_ceil(MIN_EXTENT_BYTES).max(1);
    let class = units.checked_next_power_of_two()?.ilog2() as usize;
    (class < SIZE_CLASSES).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::super::layout::QUEUED;
    use super::*;

    fn memory() -> Memory {
        Memory::create().expect("there is memory")
    }

    #[test]
    fn what_was_freed_last_is_used_first() {
        let memory = memory();
        let [one, two] = [(); 2].map(|()| memory.allocate(100, Until::FOREVER).expect("there is memory"));
        assert_ne!(one.at, two.at);
        memory.free(one.number);
        memory.free(two.number);
        assert_eq!(memory.allocate(MIN_EXTENT_BYTES, Until::FOREVER).expect("there is memory"), two);
        assert_eq!(memory.allocate(1, Until::FOREVER).expect("there is memory"), one);
        assert_eq!(memory.header().allocator.spare.load(Relaxed), 0);
    }

    #[test]
    fn large_extents_are_aligned_and_hold_what_was_asked_for() {
        let memory = memory();
        for len in [1, MIN_EXTENT_BYTES + 1, 5 << 20, 100_000_000] {
            let extent = memory.allocate(len, Until::FOREVER).expect("there is memory");
            assert!(memory.bytes(extent.at, len).is_some());
            assert!(extent.at.is_multiple_of(len.next_power_of_two().max(MIN_EXTENT_BYTES)));
            memory.free(extent.number);
        }
        assert!(matches!(memory.allocate(u64::MAX, Until::FOREVER), Err(ChainError::TooMany)));
        assert!(
            matches!(memory.allocate(1 << 42, Until::FOREVER), Err(ChainError::Memory(error)) if error.is_out_of_memory())
        );
    }

    #[test]
    fn more_free_memory_than_needed_is_given_back() {
        let memory = memory();
        let extents: Vec<_> =
            (0..100).map(|_| memory.allocate(MIN_EXTENT_BYTES, Until::FOREVER).expect("there is memory")).collect();
        extents.iter().for_each(|extent| memory.free(extent.number));
        assert!(memory.header().allocator.spare.load(Relaxed) <= MIN_SPARE_BYTES);
        let backed = |extent: &Extent| memory.entry(extent.number).expect("it exists").backed.load(Relaxed);
        assert_eq!(extents.iter().map(backed).sum::<u64>(), MIN_SPARE_BYTES);
    }

    #[test]
    fn memory_for_a_few_of_the_recent_messages_is_kept() {
        // Not quite a page more than a mebibyte: what is behind it is whole pages.
        for (len, kept) in [((1 << 20) + 5, 4), (MODERATE_MESSAGE_BYTES + 1, 3)] {
            let memory = memory();
            memory.record_size(len);
            let extents: Vec<_> =
                (0..6).map(|_| memory.allocate(len, Until::FOREVER).expect("there is memory")).collect();
            extents.iter().for_each(|extent| memory.free(extent.number));
            let is_backed = |extent: &&Extent| memory.entry(extent.number).expect("it exists").backed.load(Relaxed) > 0;
            assert_eq!(extents.iter().filter(is_backed).count(), kept);
        }
    }

    #[test]
    fn extents_of_the_dead_and_leaked_ones_are_reclaimed() {
        let memory = memory();
        let [held, lost, mine] = [(); 3].map(|()| memory.allocate(1, Until::FOREVER).expect("there is memory"));
        let owner = |extent: Extent| &memory.entry(extent.number).expect("it exists").owner;
        // No process has that number.
        owner(held).store((1 << 22) - 1, Relaxed);
        owner(lost).store(QUEUED, Relaxed);
        memory.header().allocator.needs_recovery.store(1, Relaxed);
        memory.recover_if_needed();
        assert_eq!((owner(held).load(Relaxed), owner(lost).load(Relaxed)), (FREE, FREE));
        assert_eq!(owner(mine).load(Relaxed), ProcessIdentity::current().to_bits());
        assert_eq!(memory.header().allocator.needs_recovery.load(Relaxed), 0);
    }

    #[test]
    fn lists_that_another_process_scribbled_over_are_not_believed() {
        let memory = memory();
        let first = memory.allocate(1, Until::FOREVER).expect("there is memory");
        for scribble in [u32::MAX, 77, first.number + 1] {
            memory.header().allocator.warm[0].store(scribble, Relaxed);
            let other = memory.allocate(1, Until::FOREVER).expect("there is memory");
            assert_ne!(other, first);
        }
        assert!(memory.extent(u64::MAX, 0).is_none());
        assert!(memory.extent(first.number.into(), MIN_EXTENT_BYTES + 1).is_none());
        memory.free(u32::MAX);
    }
}
