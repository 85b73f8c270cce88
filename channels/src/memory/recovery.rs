//! Recovery after a death in the middle of a change: extents that belong to no chain and to no living process are freed.
//!
//! It takes all locks of the channel, in one order, and looks at every queued item; only deaths at the wrong microsecond cause it. Where
//! a lock is not to be had because its holder was stopped, recovery is put off: no call depends on it.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::layout::{ChainState, End, QUEUED};
use super::record::{Position, Record};
use super::shared_memory::Memory;
use super::until::Until;

impl Memory {
    /// Reclaims leaked extents if a process died with a lock. The caller holds no lock of this channel.
    #[inline]
    pub(crate) fn recover_if_needed(&self) {
        if self.header().allocator.needs_recovery.load(Relaxed) != 0 {
            self.reclaim_leaked();
        }
    }

    #[cold]
    fn reclaim_leaked(&self) {
        let header = self.header();
        // In the order in which receivers take them, and without waiting, so that there is no deadlock.
        let locks = header.chains.iter().flat_map(|chain| [&chain.tail.lock, &chain.head.lock]);
        let Some(guards) = locks.map(|lock| Until::Now.lock(lock)).collect::<Option<Vec<_>>>() else { return };
        let Some(extents) = self.lock_free_lists(Until::Now) else { return };
        // All deaths until now are dealt with here. A later one is found by the next process that takes a lock.
        guards.iter().for_each(|guard| guard.clear_poison());
        header.chains.iter().for_each(|chain| chain.tail.help_complete());
        // SeqCst, as in `LockedEnd::lock`: a death from now on sets it again.
        header.allocator.needs_recovery.store(0, SeqCst);
        let mut reachable = vec![false; self.extents() as usize];
        let is_whole = header.chains.iter().all(|chain| self.mark_reachable(chain, &mut reachable).is_some());
        // In corrupt memory nothing is certain enough to be freed.
        if is_whole {
            self.free_unreachable(&reachable);
            self.reclaim_from_dead();
        }
        drop(extents);
    }

    /// Marks the extents that a chain consists of. Returns `None` if the memory is corrupt.
    fn mark_reachable(&self, chain: &ChainState, reachable: &mut [bool]) -> Option<()> {
        let (mut position, last) = (chain.head.position(), chain.tail.position());
        if last == Position(0) {
            // This chain is not in use.
            return Some(());
        }
        self.mark_block(position, reachable)?;
        // Each item is passed once, and each block is left once. More steps would be a circle.
        let mut steps = chain.len().saturating_add(self.extents().into());
        while position != last {
            steps = steps.checked_sub(1)?;
            let parsed = self.record(position)?;
            match parsed.record {
                Record::Jump(to) => self.mark_block(to, reachable)?,
                Record::Extent { number, .. } => *reachable.get_mut(usize::try_from(number).ok()?)? = true,
                Record::Bytes { .. } => {}
            }
            position = parsed.next;
        }
        Some(())
    }

    fn mark_block(&self, position: Position, reachable: &mut [bool]) -> Option<()> {
        let number = self.word(position.block())?.load(Relaxed);
        *reachable.get_mut(usize::try_from(number).ok()?)? = true;
        Some(())
    }

    fn free_unreachable(&self, reachable: &[bool]) {
        let unreachable = (0..self.extents()).zip(reachable).filter(|(_, reachable)| !**reachable);
        for (number, _) in unreachable {
            if let Some(entry) = self.entry(number).filter(|entry| entry.owner.load(Relaxed) == QUEUED) {
                self.reclaim(number, entry);
            }
        }
    }
}

impl End {
    fn position(&self) -> Position {
        // Relaxed: the caller has the lock.
        let valid = (self.commit.load(Relaxed) & 1) as usize;
        Position(self.positions[valid].load(Relaxed))
    }
}
