//! Who has taken items of a joinable queue and not finished them.
//!
//! Everything happens under the lock of the chain's head, so it belongs together with taking an item. An item is first counted as
//! held and then taken, and first counted as finished and then as no longer held. So a process that is killed in between has at
//! most one too many in its row, and how many too many there are in all is known: those that passed the head are held,
//! finished or lost.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use procession_core::os::futex;
use procession_core::os::identity::ProcessIdentity;

use crate::chain::Head;
use crate::fault::Fault;
use crate::layout::{Holder, Tally};
use crate::patience::Until;
use crate::ring::Memory;

/// How a joinable queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many of the items that were sent are neither finished nor lost.
    pub(crate) unfinished: u64,
    pub(crate) lost: u64,
    /// With whom the last of them was lost.
    pub(crate) culprit: Option<u32>,
}

/// How an item ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished,
    /// Its holder gave up.
    Lost,
}

impl Memory {
    pub(crate) fn tally(&self) -> &Tally {
        &self.header().tally
    }

    /// Counts an item that is about to be taken. The caller has the lock of the head. `hint` remembers the row.
    pub(crate) fn hold_one(&self, hint: &AtomicU32) -> Result<(), Fault> {
        let me = ProcessIdentity::current().to_bits();
        let (row, holder) = self.row_of(me, hint).ok_or(Fault::Holders)?;
        hint.store(row, Relaxed);
        holder.who.store(me, Relaxed);
        holder.count.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Counts an item as ended; `false` if this process holds none.
    pub(crate) fn end_one(&self, hint: &AtomicU32, ending: Ending) -> bool {
        let links = &self.header().chains[0];
        let (tally, me) = (self.tally(), ProcessIdentity::current().to_bits());
        let row = || self.row_of(me, hint).filter(|(_, holder)| holder.holds(me));
        let locked = Head::lock(self, links, Until::FOREVER).and_then(|lock| Some((lock, row()?.1)));
        let Some((lock, holder)) = locked else { return false };
        match ending {
            Ending::Finished => tally.finished.fetch_add(1, Relaxed),
            Ending::Lost => {
                tally.culprit.store(me, Relaxed);
                tally.lost.fetch_add(1, Release)
            }
        };
        holder.count.fetch_sub(1, Relaxed);
        let sent = links.tail.commit.load(Acquire) >> 1;
        let all = tally.ended() >= sent;
        drop(lock);
        self.tell(all);
        true
    }

    /// Counts items of dead processes as lost, unless somebody else is in the way until then.
    pub(crate) fn bury_the_dead(&self, until: Until) {
        if let Some(head) = Head::lock(self, &self.header().chains[0], until) {
            self.bury(head.passed());
        }
    }

    /// How the queue stands. It waits for nobody.
    pub(crate) fn standing(&self) -> Standing {
        let tally = self.tally();
        let lost = tally.lost.load(Acquire);
        let ended = tally.finished.load(Acquire).saturating_add(lost);
        // Loaded last: nothing ends before it was sent.
        let sent = self.header().chains[0].tail.commit.load(Acquire) >> 1;
        let culprit = ProcessIdentity::from_bits(tally.culprit.load(Relaxed)).map(ProcessIdentity::pid);
        Standing { unfinished: sent.saturating_sub(ended), lost, culprit }
    }

    /// Wakes those who join, if all has ended.
    fn tell(&self, all: bool) {
        let moves = &self.tally().moves;
        moves.fetch_add(1, SeqCst);
        if all {
            futex::wake(moves, u32::MAX);
        }
    }

    /// Counts what dead processes hold as lost. The caller has the lock of the head, which so many items have passed.
    fn bury(&self, passed: u64) {
        let tally = self.tally();
        let counts = tally.holders.iter().map(|holder| holder.count.load(Relaxed));
        let held = counts.fold(0, u64::saturating_add);
        let mut excess = held.saturating_add(tally.ended()).saturating_sub(passed);
        for holder in tally.holders.iter().filter(|holder| holder.count.load(Relaxed) > 0) {
            let who = ProcessIdentity::from_bits(holder.who.load(Relaxed));
            if who.is_some_and(ProcessIdentity::is_alive) {
                continue;
            }
            let count = holder.count.load(Relaxed);
            let too_many = excess.min(count);
            excess -= too_many;
            if count > too_many {
                tally.culprit.store(holder.who.load(Relaxed), Relaxed);
                tally.lost.fetch_add(count - too_many, Release);
            }
            holder.count.store(0, Relaxed);
        }
    }

    /// The row of a process: its own, or one that nobody needs.
    fn row_of(&self, me: u64, hint: &AtomicU32) -> Option<(u32, &Holder)> {
        let rows = &self.tally().holders;
        let known = hint.load(Relaxed);
        if let Some(holder) = rows.get(known as usize).filter(|holder| holder.who.load(Relaxed) == me) {
            return Some((known, holder));
        }
        let own = || rows.iter().position(|holder| holder.who.load(Relaxed) == me);
        let free = || rows.iter().position(|holder| holder.count.load(Relaxed) == 0);
        let row = own().or_else(free)?;
        Some((row as u32, &rows[row]))
    }
}

impl Tally {
    /// How many items are over with. What somebody has scribbled there may be any number.
    fn ended(&self) -> u64 {
        self.finished.load(Relaxed).saturating_add(self.lost.load(Relaxed))
    }
}

impl Holder {
    fn holds(&self, me: u64) -> bool {
        self.who.load(Relaxed) == me && self.count.load(Relaxed) > 0
    }
}
