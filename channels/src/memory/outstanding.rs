//! Items of a joinable queue that were taken and not completed.
//!
//! Each process counts, in a slot of its own, the items that it took and those that it completed. Taking is counted under the lock of
//! the head, before the item leaves the queue. So a process that is killed in between has counted one too many, and the number of
//! such items is known: it is what all have taken, less what has left the queue. Completing takes no lock, so it never waits.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use procession_core::os::futex;
use procession_core::os::identity::ProcessIdentity;

use super::chain::Head;
use super::error::ChainError;
use super::layout::{Holder, Outstanding};
use super::shared_memory::Memory;
use super::until::Until;

/// What a joining sender learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinState {
    /// Number of sent items that are neither finished nor lost.
    pub(crate) unfinished: u64,
    pub(crate) lost: u64,
    /// The process that lost the last of them.
    pub(crate) last_lost_by: Option<u32>,
}

/// How an item was completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    Finished,
    /// Its holder panicked.
    Lost,
}

impl Memory {
    pub(crate) fn outstanding(&self) -> &Outstanding {
        &self.header().outstanding
    }

    /// Counts an item that is about to be taken. The caller has the lock of the head. `hint` remembers the slot.
    pub(crate) fn count_taken(&self, hint: &AtomicU32) -> Result<(), ChainError> {
        let me = ProcessIdentity::current().to_bits();
        let (slot, holder) = self.own_or_free_slot(me, hint).ok_or(ChainError::Holders)?;
        hint.store(slot, Relaxed);
        holder.process.store(me, Relaxed);
        // Pairs with the Acquire in `Holder::complete`, which must see whose slot it is.
        holder.taken.fetch_add(1, Release);
        Ok(())
    }

    /// Counts an item as completed. Returns `false` if this process holds none.
    pub(crate) fn complete_one(&self, hint: &AtomicU32, completion: Completion) -> bool {
        let (outstanding, me) = (self.outstanding(), ProcessIdentity::current().to_bits());
        let Some((_, holder)) = self.own_slot(me, hint) else { return false };
        let lost = u64::from(completion == Completion::Lost);
        if lost > 0 {
            // Before the completion: a sender that sees everything completed must see the loss as well.
            outstanding.last_lost_by.store(me, Relaxed);
            outstanding.lost.fetch_add(lost, Release);
        }
        if !holder.complete(me) {
            outstanding.lost.fetch_sub(lost, Relaxed);
            return false;
        }
        // SeqCst: of several that complete at once, the last to count must see that it is the last.
        let completed = outstanding.completed.fetch_add(1, SeqCst).wrapping_add(1);
        // Pairs with the Release in `LockedEnd::commit`.
        let sent = self.header().chains[0].tail.commit.load(Acquire) >> 1;
        // Pairs with the SeqCst load in `JoinableSender::join_until`: it sees either this change or the completion.
        outstanding.epoch.fetch_add(1, SeqCst);
        if completed >= sent {
            futex::wake(&outstanding.epoch, u32::MAX);
        }
        true
    }

    /// Counts items of dead processes as lost, unless the head stays locked until then.
    pub(crate) fn count_lost(&self, until: Until) {
        if let Some(head) = Head::lock(self, &self.header().chains[0], until) {
            self.count_lost_of_dead(head.passed());
        }
    }

    /// Returns the state of the queue, without waiting.
    pub(crate) fn join_state(&self) -> JoinState {
        let outstanding = self.outstanding();
        let completed = outstanding.sum(|holder| &holder.completed);
        // After the sum: the loss of an item is counted before its completion. Pairs with the Release in `complete_one`.
        let lost = outstanding.lost.load(Acquire);
        // Loaded last: nothing is completed before it was sent. Pairs with the Release in `LockedEnd::commit`.
        let sent = self.header().chains[0].tail.commit.load(Acquire) >> 1;
        let last = ProcessIdentity::from_bits(outstanding.last_lost_by.load(Relaxed)).map(ProcessIdentity::pid);
        JoinState { unfinished: sent.saturating_sub(completed), lost, last_lost_by: last }
    }

    /// Counts what dead processes hold as lost. The caller has the lock of the head, which `passed` items have passed.
    fn count_lost_of_dead(&self, passed: u64) {
        let outstanding = self.outstanding();
        let mut too_many = outstanding.sum(|holder| &holder.taken).saturating_sub(passed);
        let mut found_dead = false;
        for holder in outstanding.holders.iter().filter(|holder| holder.held() > 0) {
            let process = ProcessIdentity::from_bits(holder.process.load(Relaxed));
            if process.is_some_and(ProcessIdentity::is_alive) {
                continue;
            }
            // Only dead processes can have counted too many: a living one holds the lock of the head meanwhile.
            let never_taken = too_many.min(holder.held());
            too_many -= never_taken;
            let taken = holder.taken.fetch_sub(never_taken, Relaxed).wrapping_sub(never_taken);
            let lost = holder.held();
            if lost > 0 {
                outstanding.last_lost_by.store(holder.process.load(Relaxed), Relaxed);
                // Pairs with the Acquire in `join_state`, which then sees who lost it.
                outstanding.lost.fetch_add(lost, Release);
            }
            // Pairs with the Acquire in `Outstanding::sum`: a sender that sees the completion sees the loss.
            holder.completed.store(taken, Release);
            found_dead = true;
        }
        if found_dead {
            // A process may have died before it counted a completion here. One too many does no harm: it only wakes.
            outstanding.completed.store(outstanding.sum(|holder| &holder.completed), Relaxed);
        }
    }

    fn own_slot(&self, me: u64, hint: &AtomicU32) -> Option<(u32, &Holder)> {
        let holders = &self.outstanding().holders;
        let is_own = |holder: &Holder| holder.process.load(Relaxed) == me;
        // The hint is checked: after a fork it may be that of the parent.
        let known = hint.load(Relaxed);
        if let Some(holder) = holders.get(known as usize).filter(|holder| is_own(holder)) {
            return Some((known, holder));
        }
        let slot = holders.iter().position(is_own)?;
        Some((slot as u32, &holders[slot]))
    }

    /// Returns the slot of a process: its own, or one that no process needs. The caller has the lock of the head.
    fn own_or_free_slot(&self, me: u64, hint: &AtomicU32) -> Option<(u32, &Holder)> {
        self.own_slot(me, hint).or_else(|| {
            let holders = &self.outstanding().holders;
            let slot = holders.iter().position(|holder| holder.held() == 0)?;
            Some((slot as u32, &holders[slot]))
        })
    }
}

impl Outstanding {
    /// Adds up a count of all holders. Saturates, for another process may have written any number.
    fn sum(&self, count: impl Fn(&Holder) -> &std::sync::atomic::AtomicU64) -> u64 {
        // Acquire pairs with the AcqRel in `Holder::complete` and the Release in `count_lost_of_dead`.
        self.holders.iter().map(|holder| count(holder).load(Acquire)).fold(0, u64::saturating_add)
    }
}

impl Holder {
    fn held(&self) -> u64 {
        // Completed items first: each was taken before, so the difference is not negative. Pairs with the AcqRel in `complete` and the
        // Release in `count_taken`.
        let completed = self.completed.load(Acquire);
        self.taken.load(Acquire).saturating_sub(completed)
    }

    /// Completes one of the items that the process holds. Returns `false` if it holds no item.
    fn complete(&self, me: u64) -> bool {
        // Pairs with the AcqRel below, of other threads.
        let mut completed = self.completed.load(Acquire);
        loop {
            // Pairs with the Release in `count_taken`. In this order: while `completed` stays as it is, an item is held, and no
            // other process gets the slot.
            if self.taken.load(Acquire) <= completed || self.process.load(Relaxed) != me {
                return false;
            }
            // Release pairs with the Acquire in `Outstanding::sum`.
            match self.completed.compare_exchange_weak(completed, completed + 1, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(other) => completed = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn holder(process: u64, taken: u64, completed: u64) -> Holder {
        Holder { process: process.into(), taken: AtomicU64::new(taken), completed: AtomicU64::new(completed) }
    }

    #[test]
    fn only_the_process_that_holds_an_item_completes_it() {
        let mine = holder(7, 2, 1);
        assert!(!mine.complete(8), "it is another's");
        assert!(mine.complete(7));
        assert!(!mine.complete(7), "nothing is left");
        assert_eq!(mine.held(), 0);
    }

    #[test]
    fn completions_of_several_threads_are_counted_once_each() {
        let mine = holder(7, 1000, 0);
        let done: usize = std::thread::scope(|scope| {
            let complete = || (0..400).filter(|_| mine.complete(7)).count();
            let threads = [(); 3].map(|()| scope.spawn(complete));
            threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
        });
        assert_eq!((done, mine.held()), (1000, 0));
    }

    #[test]
    fn what_was_counted_and_not_taken_is_not_lost() {
        let memory = Memory::create().expect("there is memory");
        let outstanding = memory.outstanding();
        // A process that is long dead: it took two items, and was killed before the second left the queue.
        let dead = &outstanding.holders[3];
        dead.process.store(1 << 61 | 1, Relaxed);
        dead.taken.store(2, Relaxed);
        memory.count_lost_of_dead(1);
        assert_eq!(outstanding.lost.load(Relaxed), 1);
        assert_eq!((dead.taken.load(Relaxed), dead.held()), (1, 0));
    }
}
