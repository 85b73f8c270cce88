//! Extents: pieces of the arena that are handed out, freed, and used again while they are warm.
//!
//! Touching a fresh page of shared memory costs seven times as much as using one again, so what is freed last is handed out
//! first. What is free beyond need is punched out: the memory goes back to the machine, the extent stays for later.
//!
//! Giving an extent back takes no lock: it goes on a stack, and whoever has the lock next puts it where it belongs. So a process
//! that was stopped with the lock holds up those who want an extent, and nobody who has done with one.
//!
//! Who owns an extent is written in its entry. All that a death can spoil are the lists, which are made anew from the
//! entries, and extents that nobody has any more, which `sweep.rs` finds.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use procession_core::os::identity::ProcessIdentity;
use procession_core::{Arena, MappingError};
use procession_sync::RobustGuard;

use crate::layout::{CLASSES, ENTRIES_A_PAGE, EXTENTS, Entry, FREE, PAGE, SMALLEST, TABLE};
use crate::patience::Until;
use crate::ring::Memory;

/// What is kept free at least, in bytes.
const KEPT: u64 = 1 << 20;
/// Messages up to this size are small change for a machine: of these, more are kept free.
const MODEST: u64 = 4 << 20;

/// An extent that this process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) number: u32,
    /// Where it begins.
    pub(crate) at: u64,
}

/// There is no extent to be had.
#[derive(Debug)]
pub(crate) enum NoExtent {
    Memory(MappingError),
    /// Somebody else had the lists all the time.
    Busy,
    /// The table is full, or what is in it cannot be.
    Table,
}

impl Memory {
    /// Hands out an extent of at least `len` bytes, with memory behind them.
    pub(crate) fn allocate(&self, len: u64, until: Until) -> Result<Extent, NoExtent> {
        let class = class_of(len).ok_or(NoExtent::Table)?;
        let number = self.hand_out(class, until)?;
        let extent = Extent { number, at: self.entry(number).ok_or(NoExtent::Table)?.at() };
        let backed = self.back(extent, len);
        backed.inspect_err(|_| self.free(number)).map(|()| extent)
    }

    /// How many bytes an extent has room for.
    pub(crate) fn size(&self, extent: Extent) -> u64 {
        self.entry(extent.number).map_or(0, Entry::size)
    }

    /// Sees to it that there is memory behind the first bytes of an extent that this process holds.
    pub(crate) fn back(&self, extent: Extent, len: u64) -> Result<(), NoExtent> {
        let entry = self.entry(extent.number).ok_or(NoExtent::Table)?;
        let (backed, wanted) = (entry.backed.load(Relaxed), len.next_multiple_of(PAGE));
        if backed < wanted {
            self.arena().back(extent.at.saturating_add(backed), wanted - backed).map_err(NoExtent::Memory)?;
            entry.backed.store(wanted, Relaxed);
        }
        Ok(())
    }

    /// Takes an extent back, and with it the memory if there is more than enough. Until it is on the stack it is this process's,
    /// so that a death leaves it with the dead.
    pub(crate) fn free(&self, number: u32) {
        let alloc = &self.header().alloc;
        let Some(entry) = self.entry(number) else { return };
        let (backed, spare) = (entry.backed.load(Relaxed), alloc.spare.load(Relaxed));
        if spare.saturating_add(backed) > enough(alloc.largest.load(Relaxed)) {
            // Nothing is lost if the kernel refuses: the memory stays with the extent then.
            let punched = self.arena().punch(entry.at(), entry.size());
            entry.backed.store(if punched.is_ok() { 0 } else { backed }, Relaxed);
        }
        entry.owner.store(ProcessIdentity::current().to_bits(), Relaxed);
        alloc.spare.fetch_add(entry.backed.load(Relaxed), Relaxed);
        let mut first = alloc.returned.load(Relaxed);
        loop {
            entry.next.store(first, Relaxed);
            // Pairs with the swap of who takes the whole stack, and reads what was written here.
            match alloc.returned.compare_exchange_weak(first, number.wrapping_add(1), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// Takes note of the size of a large message, for what is worth keeping.
    pub(crate) fn note_size(&self, len: u64) {
        let largest = &self.header().alloc.largest;
        let before = largest.load(Relaxed);
        largest.store(len.max(before - before / 16), Relaxed);
    }

    /// Where an extent that a record names begins, if it can hold so many bytes.
    pub(crate) fn extent(&self, number: u64, len: u64) -> Option<Extent> {
        let number = u32::try_from(number).ok()?;
        let known = u64::from(number) < self.header().alloc.count.load(Relaxed);
        let entry = self.entry(number).filter(|_| known)?;
        (len <= entry.size()).then(|| Extent { number, at: entry.at() })
    }

    /// Locks the lists, and makes them anew if somebody has died with the lock; `None` if somebody else has it until then.
    pub(crate) fn lock_extents(&self, until: Until) -> Option<RobustGuard<'_>> {
        let guard = until.lock(&self.header().alloc.lock)?;
        if guard.after_a_death() {
            self.header().alloc.dirty.store(1, Relaxed);
            self.relist();
            guard.absolve();
        }
        self.collect();
        Some(guard)
    }

    /// Makes the lists anew. The caller has the lock.
    pub(crate) fn relist(&self) {
        self.collect();
        let alloc = &self.header().alloc;
        alloc.warm.iter().chain(&alloc.cold).for_each(|list| list.store(0, Relaxed));
        alloc.spare.store(0, Relaxed);
        for number in (0..self.extents()).rev() {
            if let Some(entry) = self.entry(number).filter(|entry| entry.owner.load(Relaxed) == FREE) {
                self.reclaim(number, entry);
            }
        }
    }

    /// Puts what was given back into the lists, the last on top. The caller has the lock.
    fn collect(&self) {
        let returned = &self.header().alloc.returned;
        if returned.load(Relaxed) == 0 {
            return;
        }
        let last = self.each_from(returned.swap(0, Acquire), |before, number, entry| {
            entry.next.store(before, Relaxed);
            number + 1
        });
        self.each_from(last, |_, number, entry| {
            self.put_back(number, entry);
            0
        });
    }

    /// Goes along a chain of entries, and hands what each step answers to the next.
    fn each_from(&self, first: u32, mut step: impl FnMut(u32, u32, &Entry) -> u32) -> u32 {
        let (mut next, mut told) = (first, 0);
        // More steps than there are extents would be a circle that somebody scribbled.
        for _ in 0..self.extents() {
            let Some(number) = next.checked_sub(1).filter(|number| *number < self.extents()) else { break };
            let Some(entry) = self.entry(number) else { break };
            next = entry.next.load(Relaxed);
            told = step(told, number, entry);
        }
        told
    }

    /// How many extents there are.
    pub(crate) fn extents(&self) -> u32 {
        self.header().alloc.count.load(Relaxed).min(u64::from(EXTENTS)) as u32
    }

    /// Frees the extents that dead processes hold. The caller has the lock.
    pub(crate) fn reap(&self) {
        let mut dead = Vec::new();
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
                // It may have given some back shortly before; now it gives nothing back any more.
                self.collect();
                dead.push(holder);
            }
            if entry.owner.load(Relaxed) == holder.to_bits() {
                self.reclaim(number, entry);
            }
        }
    }

    fn hand_out(&self, class: usize, until: Until) -> Result<u32, NoExtent> {
        let _guard = self.lock_extents(until).ok_or(NoExtent::Busy)?;
        let alloc = &self.header().alloc;
        if let Some(number) = self.pop(class) {
            return Ok(number);
        }
        if alloc.count.load(Relaxed) >= alloc.reap_at.load(Relaxed).max(16) {
            self.reap();
            alloc.reap_at.store(alloc.count.load(Relaxed).saturating_mul(2), Relaxed);
            if let Some(number) = self.pop(class) {
                return Ok(number);
            }
        }
        self.found(class)
    }

    /// Takes the first free extent of a size. The caller has the lock.
    fn pop(&self, class: usize) -> Option<u32> {
        let alloc = &self.header().alloc;
        let lists = [alloc.warm.get(class)?, alloc.cold.get(class)?];
        let list = lists.into_iter().find(|list| list.load(Relaxed) != 0)?;
        let number = list.load(Relaxed).checked_sub(1).filter(|number| *number < self.extents())?;
        let entry = self.entry(number).filter(|entry| entry.class() == class && entry.owner.load(Relaxed) == FREE)?;
        entry.owner.store(ProcessIdentity::current().to_bits(), Relaxed);
        list.store(entry.next.load(Relaxed), Relaxed);
        let backed = entry.backed.load(Relaxed);
        let _spare = alloc.spare.fetch_update(Relaxed, Relaxed, |spare| Some(spare.saturating_sub(backed)));
        Some(number)
    }

    /// Founds a new extent. The caller has the lock.
    fn found(&self, class: usize) -> Result<u32, NoExtent> {
        let (alloc, size) = (&self.header().alloc, SMALLEST << class);
        let number = self.extents();
        if number >= EXTENTS {
            return Err(NoExtent::Table);
        }
        if number.is_multiple_of(ENTRIES_A_PAGE) {
            self.arena().back(TABLE + u64::from(number) * size_of::<Entry>() as u64, PAGE).map_err(NoExtent::Memory)?;
        }
        let entry = self.entry(number).ok_or(NoExtent::Table)?;
        let at = alloc.end.load(Relaxed).max(Arena::HEAD).checked_next_multiple_of(size).ok_or(NoExtent::Table)?;
        entry.place.store(at | class as u64, Relaxed);
        entry.backed.store(0, Relaxed);
        entry.owner.store(ProcessIdentity::current().to_bits(), Relaxed);
        alloc.end.store(at.checked_add(size).ok_or(NoExtent::Table)?, Relaxed);
        alloc.count.store(u64::from(number) + 1, Relaxed);
        Ok(number)
    }

    /// Takes an extent back that nobody has any more. The caller has the lock.
    pub(crate) fn reclaim(&self, number: u32, entry: &Entry) {
        self.header().alloc.spare.fetch_add(entry.backed.load(Relaxed), Relaxed);
        self.put_back(number, entry);
    }

    /// Puts an extent in front of the list where it belongs. The caller has the lock.
    fn put_back(&self, number: u32, entry: &Entry) {
        let (alloc, backed) = (&self.header().alloc, entry.backed.load(Relaxed));
        let Some(list) = list_of(entry, if backed > 0 { &alloc.warm } else { &alloc.cold }) else { return };
        entry.owner.store(FREE, Relaxed);
        entry.next.store(list.load(Relaxed), Relaxed);
        list.store(number + 1, Relaxed);
    }
}

/// How much memory is worth keeping free where messages are up to so large: while both ends are busy one is being written, one is
/// queued and one is read. With less than that, one of them would be touched for the first time whenever they had a rest.
fn enough(largest: u64) -> u64 {
    let messages = if largest <= MODEST { 4 } else { 3 };
    KEPT.max(largest.saturating_add(PAGE).saturating_mul(messages))
}

fn list_of<'a>(entry: &Entry, lists: &'a [AtomicU32; CLASSES]) -> Option<&'a AtomicU32> {
    lists.get(entry.class())
}

impl Entry {
    fn at(&self) -> u64 {
        self.place.load(Relaxed) & !(SMALLEST - 1)
    }

    fn class(&self) -> usize {
        (self.place.load(Relaxed) & (SMALLEST - 1)) as usize
    }

    /// How many bytes it has room for.
    pub(crate) fn size(&self) -> u64 {
        if self.class() < CLASSES { SMALLEST << self.class() } else { 0 }
    }
}

/// The number of the smallest size that fits.
fn class_of(len: u64) -> Option<usize> {
    let units = len.div_ceil(SMALLEST).max(1);
    let class = units.checked_next_power_of_two()?.ilog2() as usize;
    (class < CLASSES).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::QUEUED;

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
        assert_eq!(memory.allocate(SMALLEST, Until::FOREVER).expect("there is memory"), two);
        assert_eq!(memory.allocate(1, Until::FOREVER).expect("there is memory"), one);
        assert_eq!(memory.header().alloc.spare.load(Relaxed), 0);
    }

    #[test]
    fn large_extents_are_aligned_and_hold_what_was_asked_for() {
        let memory = memory();
        for len in [1, SMALLEST + 1, 5 << 20, 100_000_000] {
            let extent = memory.allocate(len, Until::FOREVER).expect("there is memory");
            assert!(memory.bytes(extent.at, len).is_some());
            assert!(extent.at.is_multiple_of(len.next_power_of_two().max(SMALLEST)));
            memory.free(extent.number);
        }
        assert!(matches!(memory.allocate(u64::MAX, Until::FOREVER), Err(NoExtent::Table)));
        assert!(
            matches!(memory.allocate(1 << 42, Until::FOREVER), Err(NoExtent::Memory(error)) if error.is_out_of_memory())
        );
    }

    #[test]
    fn more_free_memory_than_needed_is_given_back() {
        let memory = memory();
        let extents: Vec<_> =
            (0..100).map(|_| memory.allocate(SMALLEST, Until::FOREVER).expect("there is memory")).collect();
        extents.iter().for_each(|extent| memory.free(extent.number));
        assert!(memory.header().alloc.spare.load(Relaxed) <= KEPT);
        let backed = |extent: &Extent| memory.entry(extent.number).expect("it exists").backed.load(Relaxed);
        assert_eq!(extents.iter().map(backed).sum::<u64>(), KEPT);
    }

    #[test]
    fn memory_for_a_few_of_the_recent_messages_is_kept() {
        // Not quite a page more than a mebibyte: what is behind it is whole pages.
        for (len, kept) in [((1 << 20) + 5, 4), (MODEST + 1, 3)] {
            let memory = memory();
            memory.note_size(len);
            let extents: Vec<_> =
                (0..6).map(|_| memory.allocate(len, Until::FOREVER).expect("there is memory")).collect();
            extents.iter().for_each(|extent| memory.free(extent.number));
            let is_backed = |extent: &&Extent| memory.entry(extent.number).expect("it exists").backed.load(Relaxed) > 0;
            assert_eq!(extents.iter().filter(is_backed).count(), kept);
        }
    }

    #[test]
    fn extents_of_the_dead_and_of_nobody_are_swept_up() {
        let memory = memory();
        let [held, lost, mine] = [(); 3].map(|()| memory.allocate(1, Until::FOREVER).expect("there is memory"));
        let owner = |extent: Extent| &memory.entry(extent.number).expect("it exists").owner;
        // No process has that number.
        owner(held).store((1 << 22) - 1, Relaxed);
        owner(lost).store(QUEUED, Relaxed);
        memory.header().alloc.dirty.store(1, Relaxed);
        memory.sweep_if_needed();
        assert_eq!((owner(held).load(Relaxed), owner(lost).load(Relaxed)), (FREE, FREE));
        assert_eq!(owner(mine).load(Relaxed), ProcessIdentity::current().to_bits());
        assert_eq!(memory.header().alloc.dirty.load(Relaxed), 0);
    }

    #[test]
    fn lists_that_somebody_scribbled_over_are_not_believed() {
        let memory = memory();
        let first = memory.allocate(1, Until::FOREVER).expect("there is memory");
        for scribble in [u32::MAX, 77, first.number + 1] {
            memory.header().alloc.warm[0].store(scribble, Relaxed);
            let other = memory.allocate(1, Until::FOREVER).expect("there is memory");
            assert_ne!(other, first);
        }
        assert!(memory.extent(u64::MAX, 0).is_none());
        assert!(memory.extent(first.number.into(), SMALLEST + 1).is_none());
        memory.free(u32::MAX);
    }
}
