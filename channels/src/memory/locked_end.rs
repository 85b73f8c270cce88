//! [`LockedEnd`]: an end of a chain whose lock this process holds, and how a change of it is committed.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use procession_sync::RobustGuard;

use super::layout::End;
use super::record::Position;
use super::shared_memory::Memory;
use super::until::Until;

/// The state of an end that is locked.
#[derive(Debug)]
pub(super) struct LockedEnd<'a> {
    end: &'a End,
    _guard: RobustGuard<'a>,
    /// Whether the holder before has died.
    pub(super) owner_died: bool,
    pub(super) count: u64,
    valid: usize,
    pub(super) position: Position,
}

impl<'a> LockedEnd<'a> {
    /// Locks an end. Returns `None` if it stays locked until then.
    #[inline]
    pub(super) fn lock(memory: &Memory, end: &'a End, until: Until) -> Option<LockedEnd<'a>> {
        let guard = until.lock(&end.lock)?;
        let owner_died = guard.after_a_death();
        if owner_died {
            // SeqCst, and before the death is forgotten: if this process dies too, the next one still finds the flag.
            memory.header().allocator.needs_recovery.store(1, SeqCst);
            end.help_complete();
            guard.clear_poison();
        }
        // Relaxed: the lock orders what its holders did.
        let commit = end.commit.load(Relaxed);
        let valid = (commit & 1) as usize;
        let position = Position(end.positions[valid].load(Relaxed));
        Some(LockedEnd { end, _guard: guard, owner_died, count: commit >> 1, valid, position })
    }

    /// Makes it true that `count` items have passed and the end is at `position`.
    #[inline]
    pub(super) fn commit(&mut self, count: u64, position: Position) {
        // The position that is not valid is written, so a death before the store below changes nothing.
        self.valid ^= 1;
        self.end.positions[self.valid].store(position.0, Relaxed);
        // Pairs with the Acquire in `Head::has_item`, `Tail::has_space`, `ChainState::len` and `End::help_complete`.
        self.end.commit.store(count << 1 | self.valid as u64, Release);
        (self.count, self.position) = (count, position);
    }

    /// Prepares a commit, so that other processes can help to complete it.
    pub(super) fn announce(&self, count: u64, position: Position) {
        let next = self.valid ^ 1;
        self.end.positions[next].store(position.0, Relaxed);
        // Pairs with the Acquire in `End::help_complete`: a helper commits only items that are written.
        self.end.announced.store(count << 1 | next as u64, Release);
    }
}

impl End {
    /// Completes the commit that the lock holder, which may be stopped or dead, has announced.
    pub(crate) fn help_complete(&self) {
        // Pair with the Release in `LockedEnd::commit` and `LockedEnd::announce`.
        let (commit, announced) = (self.commit.load(Acquire), self.announced.load(Acquire));
        if announced >> 1 > commit >> 1 {
            // Fails if the holder, or another helper, was faster. Release hands on what the announcement published.
            let _was_faster = self.commit.compare_exchange(commit, announced, AcqRel, Relaxed);
        }
    }
}
