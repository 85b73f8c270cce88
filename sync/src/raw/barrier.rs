//! A meeting point of a fixed number of parties, who are known by name once they came, so that a dead one is missed.
//!
//! `round` holds the number of the current round (low half) and how the last 32 rounds ended (high half: bit `n` is 1 when
//! round `n` modulo 32 was completed, 0 when it was given up), so that one store both ends a round and says how.
//! A row says how often one process has arrived in which round; rows of earlier rounds count as 0, so nothing has
//! to be cleared. Everything changes under `lock`:
//!
//! | step | commit | killed before | killed after |
//! | --- | --- | --- | --- |
//! | arrive | own row | nothing happened | dead: whoever waits finds it and breaks the barrier |
//! | the last arrives | `round` | as if it had not arrived: dead, the barrier breaks | the round is complete |
//! | break | `broken` | nothing happened | broken; sleepers find it after their nap |
//! | reset | `round`, then `broken` to 0 | nothing happened | given up; still broken until the next reset |

use super::PARTICIPANTS;
use super::bell::Bell;
use super::mutex::RawMutex;
use super::patience::{Deadline, Patience};
use super::shim::{self, AtomicU32, AtomicU64, Identity, Ordering};

/// The most parties: each may be a process with a row of its own.
pub(crate) const MOST: u32 = PARTICIPANTS as u32;

/// How far back `round` remembers how rounds ended.
const HISTORY: u32 = 32;

/// `broken`: nobody's fault, somebody asked for it.
const ABORTED: u64 = 1;
/// `broken`: a wait ran out of time.
const TIMED_OUT: u64 = 2;
/// `broken`: the rest of the word is the identity of the dead party.
const DIED: u64 = 3;

/// A meeting point.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawBarrier {
    lock: RawMutex,
    round: AtomicU64,
    broken: AtomicU64,
    /// Rings when a round ends or the barrier breaks.
    end: Bell,
    parties: AtomicU32,
    /// No row from here on was ever used.
    high: AtomicU32,
    rows: [Row; PARTICIPANTS],
}

#[repr(C)]
#[derive(Debug)]
struct Row {
    who: AtomicU64,
    /// The round (high half) and how often that process arrived in it (low half).
    arrived: AtomicU64,
}

/// Why a barrier is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Aborted,
    TimedOut,
    Died(Option<Identity>),
}

impl RawBarrier {
    /// Fills a fresh one.
    pub(crate) fn set_up(&self, parties: u32) {
        self.parties.store(parties, Ordering::Relaxed);
    }

    pub(crate) fn parties(&self) -> u32 {
        self.parties.load(Ordering::Relaxed)
    }

    /// Arrives and waits for the others. The answer is how many came before in this round.
    pub(crate) fn wait(&self, me: Identity, until: Deadline) -> Result<u32, Cause> {
        let (index, round) = self.locked(me, || self.arrive(me))?;
        let mut patience = Patience::with_a_holder(until);
        loop {
            let ticket = self.end.listen();
            if let Some(end) = self.outcome_of(round) {
                return end.map(|()| index);
            }
            if patience.is_over() {
                self.locked(me, || self.break_round(round, TIMED_OUT));
                continue;
            }
            self.end.wait(ticket, patience.nap());
            if patience.slept_through() {
                self.locked(me, || self.miss_the_dead());
            }
        }
    }

    /// Breaks the barrier for everybody who waits or comes later.
    pub(crate) fn abort(&self, me: Identity) {
        self.locked(me, || self.break_now(ABORTED));
    }

    /// Sends those who wait away, and begins anew.
    pub(crate) fn reset(&self, me: Identity) {
        self.locked(me, || {
            self.end_round(false);
            self.broken.store(0, Ordering::Release);
            for row in self.used() {
                row.who.store(0, Ordering::Relaxed);
            }
            self.end.ring_all();
        });
    }

    /// How many wait now.
    pub(crate) fn waiting(&self) -> u32 {
        let round = round_in(self.round.load(Ordering::Acquire));
        let arrived = self.used().iter().map(|row| row.in_round(round)).fold(0, u32::saturating_add);
        arrived.min(self.parties())
    }

    pub(crate) fn broken(&self) -> Option<Cause> {
        cause_in(self.broken.load(Ordering::Acquire))
    }

    /// This process is no party any more, unless it waits: its end will not be missed.
    pub(crate) fn leave(&self, me: Identity) {
        self.locked(me, || {
            let round = round_in(self.round.load(Ordering::Relaxed));
            let mine = self.used().iter().find(|row| row.is(me));
            if let Some(row) = mine.filter(|row| row.in_round(round) == 0) {
                row.who.store(0, Ordering::Relaxed);
            }
        });
    }

    fn locked<R>(&self, me: Identity, step: impl FnOnce() -> R) -> R {
        self.lock.lock(me, None);
        let result = step();
        self.lock.unlock(me);
        result
    }

    /// Answers how many came before, and in which round.
    fn arrive(&self, me: Identity) -> Result<(u32, u32), Cause> {
        if let Some(cause) = self.broken() {
            return Err(cause);
        }
        let round = round_in(self.round.load(Ordering::Relaxed));
        let before = self.waiting();
        // There is a row for each party; when others fill the table, one that does not wait makes room.
        let Some(row) = self.row_of(me, round) else { return Err(Cause::Aborted) };
        let mine = row.in_round(round);
        row.arrived.store(u64::from(round) << 32 | u64::from(mine.saturating_add(1)), Ordering::Relaxed);
        if before.saturating_add(1) >= self.parties() {
            self.end_round(true);
            self.end.ring_all();
        }
        Ok((before, round))
    }

    /// How a round ended, if it has.
    fn outcome_of(&self, round: u32) -> Option<Result<(), Cause>> {
        // The round first: one that was completed stays so, even if the barrier broke after it.
        let now = self.round.load(Ordering::Acquire);
        if round_in(now) == round {
            let cause = self.broken()?;
            // Both changed between the two looks: the round has the last word.
            let still = round_in(self.round.load(Ordering::Acquire)) == round;
            return if still { Some(Err(cause)) } else { self.outcome_of(round) };
        }
        let completed = now >> (32 + round % HISTORY) & 1 != 0;
        Some(if completed { Ok(()) } else { Err(Cause::Aborted) })
    }

    fn end_round(&self, completed: bool) {
        let now = self.round.load(Ordering::Relaxed);
        let round = round_in(now);
        let bit = 1u64 << (32 + round % HISTORY);
        let history = if completed { now | bit } else { now & !bit };
        self.round.store(history >> 32 << 32 | u64::from(round.wrapping_add(1)), Ordering::Release);
    }

    /// Breaks the barrier unless the round has ended meanwhile.
    fn break_round(&self, round: u32, cause: u64) {
        if round_in(self.round.load(Ordering::Relaxed)) == round {
            self.break_now(cause);
        }
    }

    fn break_now(&self, cause: u64) {
        if self.broken.load(Ordering::Relaxed) == 0 {
            self.broken.store(cause, Ordering::Release);
        }
        self.end.ring_all();
    }

    /// Breaks the barrier if one of its parties is dead.
    ///
    /// That is so whatever round the caller waited for: the dead one will be missed in the current one.
    fn miss_the_dead(&self) {
        for row in self.used() {
            let bits = row.who.load(Ordering::Relaxed);
            if bits != 0 && Identity::from_bits(bits).is_none_or(|who| !shim::is_alive(who)) {
                self.break_now(bits << 2 | DIED);
                row.who.store(0, Ordering::Relaxed);
            }
        }
    }

    /// My row, or one that becomes mine: a free one, else one whose process does not wait.
    fn row_of(&self, me: Identity, round: u32) -> Option<&Row> {
        self.used().iter().find(|row| row.is(me)).or_else(|| {
            let free = |row: &Row| row.who.load(Ordering::Relaxed) == 0;
            let rows = &self.rows;
            let index = rows.iter().position(free).or_else(|| rows.iter().position(|row| row.in_round(round) == 0))?;
            self.high.fetch_max(index as u32 + 1, Ordering::Relaxed);
            // A row that was given up in this round has arrivals of the one before.
            rows[index].arrived.store(0, Ordering::Relaxed);
            rows[index].who.store(me.to_bits(), Ordering::Relaxed);
            Some(&rows[index])
        })
    }

    fn used(&self) -> &[Row] {
        let high = self.high.load(Ordering::Relaxed) as usize;
        &self.rows[..high.min(PARTICIPANTS)]
    }
}

impl Row {
    fn is(&self, who: Identity) -> bool {
        self.who.load(Ordering::Relaxed) == who.to_bits()
    }

    fn in_round(&self, round: u32) -> u32 {
        let arrived = self.arrived.load(Ordering::Relaxed);
        if (arrived >> 32) as u32 == round { arrived as u32 } else { 0 }
    }
}

fn round_in(word: u64) -> u32 {
    word as u32
}

fn cause_in(word: u64) -> Option<Cause> {
    match word & 3 {
        0 => None,
        ABORTED => Some(Cause::Aborted),
        TIMED_OUT => Some(Cause::TimedOut),
        _ => Some(Cause::Died(Identity::from_bits(word >> 2))),
    }
}

#[cfg(loom)]
impl RawBarrier {
    pub(crate) fn fresh() -> RawBarrier {
        RawBarrier {
            lock: RawMutex::fresh(),
            round: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            end: Bell::fresh(),
            parties: AtomicU32::new(0),
            high: AtomicU32::new(0),
            rows: std::array::from_fn(|_| Row { who: AtomicU64::new(0), arrived: AtomicU64::new(0) }),
        }
    }

    pub(crate) fn end_naps(&self) {
        self.lock.end_naps();
        self.end.end_naps();
    }
}
