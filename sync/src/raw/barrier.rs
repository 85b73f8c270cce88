//! A meeting point of a fixed number of parties, who are known by name once they came, so that a dead one is missed.
//!
//! `round` says all that waiters want to know, so that one step both ends a round and says how:
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 to 30 | the number of the current round |
//! | 31 | the barrier is broken, and `cause` says why |
//! | 32 to 63 | how the last 32 rounds ended: bit `32 + n % 32` is 1 when round `n` was completed, 0 when it was given up |
//!
//! A row says how often one process has arrived in which round; rows of earlier rounds count as 0, so nothing has
//! to be cleared. Arrivals are counted under `lock`; all else is single atomic steps, which nobody who is stopped can hold up.
//!
//! | step | lock | commit | killed before | killed after |
//! | --- | --- | --- | --- | --- |
//! | arrive | yes | own row | nothing happened | dead: whoever waits finds it and breaks the barrier |
//! | open, by the last, after its action | no | `round` | dead: whoever waits finds it and breaks the barrier | the round is complete |
//! | break | no | `round` | nothing happened | broken; sleepers find it after their nap |
//! | reset | no | `round` | nothing happened | given up; sleepers find it after their nap |
//! | leave | no | own row's name to 0 | dead: as any dead party | not missed |
//!
//! An arrival counts even if its process dies after it: when all others have arrived before anybody has found the death, the round is
//! complete, and the next one is broken. One who is *stopped* while it arrives holds `lock`: those with a deadline leave when it has
//! passed, and break the barrier.

use super::PARTICIPANTS;
use super::bell::Bell;
use super::mutex::RawMutex;
use super::patience::{Deadline, Patience};
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity, fence};

/// The most parties: each may be a process with a row of its own.
pub(crate) const MOST: u32 = PARTICIPANTS as u32;

/// How far back `round` remembers how rounds ended.
const HISTORY: u32 = 32;

/// The part of `round` that is the number.
const NUMBER: u64 = (1 << 31) - 1;
/// The bit of `round` that says "broken".
const BROKEN: u64 = 1 << 31;

/// `cause`: nobody's fault, somebody asked for it.
const ABORTED: u64 = 1;
/// `cause`: a wait ran out of time.
const TIMED_OUT: u64 = 2;
/// `cause`: the rest of the word is the identity of the dead party.
const DIED: u64 = 3;

/// A meeting point.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawBarrier {
    lock: RawMutex,
    round: AtomicU64,
    /// Why the barrier is broken, once `round` says that it is.
    cause: AtomicU64,
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
    Died(Option<ProcessIdentity>),
}

impl RawBarrier {
    /// Fills a fresh one.
    pub(crate) fn set_up(&self, parties: u32) {
        self.parties.store(parties, Ordering::Relaxed);
    }

    pub(crate) fn parties(&self) -> u32 {
        self.parties.load(Ordering::Relaxed)
    }

    /// Arrives and waits for the others; returns how many came before in this round.
    pub(crate) fn wait(&self, me: ProcessIdentity, until: Deadline) -> Result<u32, Cause> {
        let place = self.arrive(me, until, true)?;
        self.until_over(place.round, until).map(|()| place.before)
    }

    /// As [`wait`](Self::wait); whoever comes last runs `action` while the others still wait.
    ///
    /// A panic of the action breaks the barrier: the others would wait for ever.
    pub(crate) fn wait_with(&self, me: ProcessIdentity, until: Deadline, action: impl FnOnce()) -> Result<u32, Cause> {
        let place = self.arrive(me, until, false)?;
        if place.before.saturating_add(1) == self.parties() {
            let unfinished = BreakOnDrop(self);
            action();
            std::mem::forget(unfinished);
            self.end_round(place.round, true);
        }
        self.until_over(place.round, until).map(|()| place.before)
    }

    /// Breaks the barrier for everybody who waits or comes later.
    pub(crate) fn abort(&self) {
        self.break_with(ABORTED, |_| true);
    }

    /// Sends those who wait away, and begins anew.
    pub(crate) fn reset(&self, me: ProcessIdentity) {
        let next = |now| Some(next_round(now, false));
        // Release: pairs with the Acquire loads of `round`, as in `end_round`.
        let _always = self.round.fetch_update(Ordering::Release, Ordering::Relaxed, next);
        // The living are forgotten, too, unless somebody is stopped in here: then their end will be missed.
        if self.lock.lock_briefly(me) {
            self.used().iter().for_each(|row| row.who.store(0, Ordering::Relaxed));
            self.lock.unlock(me);
        }
        self.end.ring_all();
    }

    /// How many wait now.
    pub(crate) fn waiting(&self) -> u32 {
        let round = number_in(self.round.load(Ordering::Acquire));
        let arrived = self.used().iter().map(|row| row.in_round(round)).fold(0, u32::saturating_add);
        arrived.min(self.parties())
    }

    pub(crate) fn broken(&self) -> Option<Cause> {
        self.cause_in(self.round.load(Ordering::Acquire))
    }

    /// This process is no party any more, unless it waits: its end will not be missed.
    pub(crate) fn leave(&self, me: ProcessIdentity) {
        let number = || number_in(self.round.load(Ordering::Relaxed));
        let mine = self.used().iter().find(|row| row.is(me) && row.in_round(number()) == 0);
        let Some(row) = mine else { return };
        row.rename(me.to_bits(), 0);
        // Another thread of this process may arrive meanwhile. Pairs with the fence in `enter`: either it names the row again
        // after this, or its arrival is seen here.
        fence(Ordering::SeqCst);
        if row.in_round(number()) != 0 {
            row.rename(0, me.to_bits());
        }
    }

    /// Waits until no round is full (one may be, while its last party acts), and arrives. `opens`: the last one ends the round.
    fn arrive(&self, me: ProcessIdentity, until: Deadline, opens: bool) -> Result<Place, Cause> {
        loop {
            if !self.lock.lock(me, until) {
                // The time is over before one could even arrive: the others would miss this party.
                self.break_with(TIMED_OUT, |_| true);
                return Err(self.broken().unwrap_or(Cause::TimedOut));
            }
            let entered = self.enter(me, opens);
            self.lock.unlock(me);
            let place = entered?;
            if place.before < self.parties() {
                return Ok(place);
            }
            self.until_over(place.round, until)?;
        }
    }

    /// Under the lock: writes an arrival down, unless all have arrived already.
    fn enter(&self, me: ProcessIdentity, opens: bool) -> Result<Place, Cause> {
        let now = self.round.load(Ordering::Relaxed);
        if let Some(cause) = self.cause_in(now) {
            return Err(cause);
        }
        let place = Place { round: number_in(now), before: self.waiting() };
        if place.before >= self.parties() {
            return Ok(place);
        }
        // There is a row for each party; when others fill the table, one that does not wait makes room.
        let Some(row) = self.row_of(me, place.round) else { return Err(Cause::Aborted) };
        let mine = row.in_round(place.round).saturating_add(1);
        row.arrived.store(u64::from(place.round) << 32 | u64::from(mine), Ordering::Relaxed);
        // Pairs with the fence in `leave`, of another thread of this process.
        fence(Ordering::SeqCst);
        row.who.store(me.to_bits(), Ordering::Relaxed);
        if opens && place.before.saturating_add(1) == self.parties() {
            self.end_round(place.round, true);
        }
        Ok(place)
    }

    /// Waits until the round has ended or the barrier is broken.
    fn until_over(&self, round: u32, until: Deadline) -> Result<(), Cause> {
        let mut patience = Patience::with_a_holder(until);
        loop {
            let ticket = self.end.listen();
            if let Some(end) = self.outcome_of(round) {
                return end;
            }
            if patience.is_over() {
                self.break_with(TIMED_OUT, |now| now == round);
                continue;
            }
            self.end.wait(ticket, patience.nap());
            if patience.slept_through() {
                self.miss_the_dead();
            }
        }
    }

    /// How a round ended, if it has.
    fn outcome_of(&self, round: u32) -> Option<Result<(), Cause>> {
        // Acquire: pairs with the Release in `end_round` and `break_with`. What the others did before they came is seen.
        let now = self.round.load(Ordering::Acquire);
        if number_in(now) == round {
            return self.cause_in(now).map(Err);
        }
        let completed = now >> (32 + round % HISTORY) & 1 != 0;
        Some(if completed { Ok(()) } else { Err(Cause::Aborted) })
    }

    /// Ends the round, if it is the current one and the barrier is not broken.
    fn end_round(&self, round: u32, completed: bool) {
        let next = |now| (now & (NUMBER | BROKEN) == u64::from(round)).then(|| next_round(now, completed));
        // Release: pairs with the Acquire in `outcome_of`. Acquire: the last one hands on what it has seen of the others.
        if self.round.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next).is_ok() {
            self.end.ring_all();
        }
    }

    /// Breaks the barrier unless it is broken, or in another round than `is_meant` wants.
    fn break_with(&self, cause: u64, is_meant: impl Fn(u32) -> bool) {
        let broken = |now| (now & BROKEN == 0 && is_meant(number_in(now))).then_some(now | BROKEN);
        if broken(self.round.load(Ordering::Relaxed)).is_some() {
            // Whoever breaks it at the same time may have the last word: then that cause is as true.
            self.cause.store(cause, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire loads of `round`, after which `cause` is read.
        let _already = self.round.fetch_update(Ordering::Release, Ordering::Relaxed, broken);
        self.end.ring_all();
    }

    /// Breaks the barrier if one of its parties is dead.
    ///
    /// That is so whatever round the caller waited for: the dead one will be missed in the current one.
    fn miss_the_dead(&self) {
        for row in self.used() {
            let bits = row.who.load(Ordering::Relaxed);
            if bits != 0 && ProcessIdentity::from_bits(bits).is_none_or(|who| !shim::is_alive(who)) {
                self.break_with(bits << 2 | DIED, |_| true);
                row.rename(bits, 0);
            }
        }
    }

    /// Why the barrier is broken, if `round` was seen to say that it is.
    fn cause_in(&self, round: u64) -> Option<Cause> {
        (round & BROKEN != 0).then(|| cause_in(self.cause.load(Ordering::Relaxed)))
    }

    /// Under the lock: my row, or one that becomes mine: a free one, else one whose process does not wait.
    fn row_of(&self, me: ProcessIdentity, round: u32) -> Option<&Row> {
        self.used().iter().find(|row| row.is(me)).or_else(|| {
            let absent = |row: &Row| row.in_round(round) == 0;
            let free = |row: &Row| row.who.load(Ordering::Relaxed) == 0 && absent(row);
            let rows = &self.rows;
            let index = rows.iter().position(free).or_else(|| rows.iter().position(absent))?;
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

/// A party's place in a round.
struct Place {
    round: u32,
    /// How many came before; as many as there are parties if it is full.
    before: u32,
}

/// Breaks the barrier when the last party's action panics.
struct BreakOnDrop<'a>(&'a RawBarrier);

impl Drop for BreakOnDrop<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Row {
    fn is(&self, who: ProcessIdentity) -> bool {
        self.who.load(Ordering::Relaxed) == who.to_bits()
    }

    /// Gives the row another name, if it has the one that it should have.
    fn rename(&self, from: u64, to: u64) {
        let _another_meanwhile = self.who.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn in_round(&self, round: u32) -> u32 {
        let arrived = self.arrived.load(Ordering::Relaxed);
        if (arrived >> 32) as u32 == round { arrived as u32 } else { 0 }
    }
}

fn number_in(round: u64) -> u32 {
    (round & NUMBER) as u32
}

/// `round` with the next number, not broken, and how the one before ended.
fn next_round(now: u64, completed: bool) -> u64 {
    let number = number_in(now);
    let bit = 1u64 << (32 + number % HISTORY);
    let history = if completed { now | bit } else { now & !bit };
    history >> 32 << 32 | (u64::from(number) + 1) & NUMBER
}

fn cause_in(word: u64) -> Cause {
    match word & 3 {
        TIMED_OUT => Cause::TimedOut,
        DIED => Cause::Died(ProcessIdentity::from_bits(word >> 2)),
        _ => Cause::Aborted,
    }
}

#[cfg(loom)]
impl RawBarrier {
    pub(crate) fn fresh() -> RawBarrier {
        RawBarrier {
            lock: RawMutex::fresh(),
            round: AtomicU64::new(0),
            cause: AtomicU64::new(0),
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
