//! After a death in the middle of something: extents that are in no chain and in no living process's hands are freed.
//!
//! Everybody is kept out meanwhile, by taking all locks of the channel in one order. It takes as long as it takes to look at
//! every item that is queued, but only deaths at the wrong microsecond cause it. Where one of the locks is not to be had, because
//! its holder was stopped, it is put off: nobody needs it now.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::layout::{End, Links, QUEUED};
use crate::patience::Until;
use crate::record::{Place, Record};
use crate::ring::Memory;

impl Memory {
    /// Sweeps if somebody has died at the wrong moment. The caller has no lock of this channel.
    pub(crate) fn sweep_if_needed(&self) {
        if self.header().alloc.dirty.load(Relaxed) != 0 {
            self.sweep();
        }
    }

    #[cold]
    fn sweep(&self) {
        let header = self.header();
        let locks = header.chains.iter().flat_map(|links| [&links.tail.lock, &links.head.lock]);
        let Some(guards) = locks.map(|lock| Until::Now.lock(lock)).collect::<Option<Vec<_>>>() else { return };
        let Some(extents) = self.lock_extents(Until::Now) else { return };
        // Those who died before are dealt with here. Whoever dies from now on is found by the next one who takes a lock.
        guards.iter().for_each(|guard| guard.absolve());
        header.chains.iter().for_each(|links| links.tail.complete());
        header.alloc.dirty.store(0, SeqCst);
        let mut queued = vec![false; self.extents() as usize];
        let whole = header.chains.iter().all(|links| self.mark(links, &mut queued).is_some());
        // In memory that somebody has scribbled over, nothing is certain enough to be freed.
        if whole {
            self.free_unmarked(&queued);
            self.reap();
        }
        drop(extents);
    }

    /// Marks the extents that a chain consists of.
    fn mark(&self, links: &Links, queued: &mut [bool]) -> Option<()> {
        let (mut place, last) = (place_of(&links.head), place_of(&links.tail));
        if last == Place(0) {
            // This chain is not in use.
            return Some(());
        }
        self.mark_block(place, queued)?;
        // Each item is passed once, and each block is left once. More steps would be a circle that somebody scribbled.
        let mut steps = links.len().saturating_add(self.extents().into());
        while place != last {
            steps = steps.checked_sub(1)?;
            let found = self.record(place)?;
            match found.record {
                Record::Jump(to) => self.mark_block(to, queued)?,
                Record::Extent { number, .. } => *queued.get_mut(usize::try_from(number).ok()?)? = true,
                Record::Bytes { .. } => {}
            }
            place = found.next;
        }
        Some(())
    }

    fn mark_block(&self, place: Place, queued: &mut [bool]) -> Option<()> {
        let number = self.word(place.block())?.load(Relaxed);
        *queued.get_mut(usize::try_from(number).ok()?)? = true;
        Some(())
    }

    fn free_unmarked(&self, queued: &[bool]) {
        let numbers = (0..self.extents()).zip(queued).filter(|(_, queued)| !**queued);
        for (number, _) in numbers {
            if let Some(entry) = self.entry(number).filter(|entry| entry.owner.load(Relaxed) == QUEUED) {
                self.reclaim(number, entry);
            }
        }
    }
}

/// Where an end is.
fn place_of(end: &End) -> Place {
    let slot = (end.commit.load(Relaxed) & 1) as usize;
    Place(end.place[slot].load(Relaxed))
}
