//! A meeting point of a fixed number of parties, which are known by name once they arrived, so that a death is noticed.
//!
//! `round` has all that waiters want to know, so that one step both ends a round and says how:
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 to 30 | the number of the current round |
//! | 31 | the barrier is broken, and `cause` says why |
//! | 32 to 63 | how the last 32 rounds ended: bit `32 + n % 32` is 1 when round `n` was completed, 0 when it was given up |
//!
//! A row has the number of arrivals of one process in one round; rows of earlier rounds count as 0, so that nothing has
//! to be cleared. Arrivals are counted under `lock`; all else is single atomic steps, which no stopped process can delay.
//!
//! | step | lock | commit | killed before | killed after |
//! | --- | --- | --- | --- | --- |
//! | arrive | yes | own row | nothing happened | dead: a waiter finds it and breaks the barrier |
//! | open, by the last, after its action | no | `round` | dead: a waiter finds it and breaks the barrier | the round is complete |
//! | break | no | `round` | nothing happened | broken; sleepers find it after their nap |
//! | reset | no | `round` | nothing happened | given up; sleepers find it after their nap |
//! | leave | no | own row's name to 0 | dead: as any dead party | not missed |
//!
//! An arrival counts even if its process dies after it: when all others have arrived before a waiter has found the death, the round is
//! complete, and the next one is broken. A process that is *stopped* while it arrives holds `lock`: waiters with a deadline leave when it has
//! passed, and break the barrier.

use super::PARTICIPANTS;
use super::backoff::{Deadline, timer_with_holder};
use super::event_count::EventCount;
use super::mutex::RawMutex;
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity, fence};

/// The maximum number of parties: each may be a process with a row of its own.
pub(crate) const MAX_PARTIES: u32 = PARTICIPANTS as u32;

/// The number of rounds whose end `round` remembers.
const HISTORY: u32 = 32;

/// The part of `round` that is the number.
const NUMBER: u64 = (1 << 31) - 1;
/// The bit of `round` that says "broken".
const BROKEN: u64 = 1 << 31;

/// `cause`: a caller asked for it.
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
    /// Notified when a round ends or the barrier breaks.
    round_ended: EventCount,
    parties: AtomicU32,
    /// The number of rows that were ever used.
    high_water: AtomicU32,
    rows: [Row; PARTICIPANTS],
}

#[repr(C)]
#[derive(Debug)]
struct Row {
    who: AtomicU64,
    /// The round (high half) and the number of arrivals of that process in it (low half).
    arrived: AtomicU64,
}

/// Why a barrier is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Aborted,
    TimedOut,
    Died(Option<ProcessIdentity>),
}

impl RawBarrier {
    /// Initializes a fresh barrier.
    pub(crate) fn init(&self, parties: u32) {
        self.parties.store(parties, Ordering::Relaxed);
    }

    pub(crate) fn parties(&self) -> u32 {
        self.parties.load(Ordering::Relaxed)
    }

    /// Arrives and waits for the others. Returns the number of arrivals before this one in the round.
    pub(crate) fn wait(&self, me: ProcessIdentity, deadline: Deadline) -> Result<u32, Cause> {
        let arrival = self.arrive(me, deadline, true)?;
        self.wait_for_end(arrival.round, deadline).map(|()| arrival.before)
    }

    /// Arrives and waits for the others. The last party runs `action` while the others still wait.
    ///
    /// A panic of the action breaks the barrier: the others would wait for ever.
    pub(crate) fn wait_with(
        &self,
        me: ProcessIdentity,
        deadline: Deadline,
        action: impl FnOnce(),
    ) -> Result<u32, Cause> {
        let arrival = self.arrive(me, deadline, false)?;
        if arrival.before.saturating_add(1) == self.parties() {
            // The others wait for this round only, so that a panic must end it.
            let unfinished = BreakOnDrop(self);
            action();
            // Not a drop: the action has returned, so that the round ends as completed and not as broken.
            std::mem::forget(unfinished);
            self.end_round(arrival.round, true);
        }
        self.wait_for_end(arrival.round, deadline).map(|()| arrival.before)
    }

    /// Breaks the barrier for all parties that wait or come later.
    pub(crate) fn abort(&self) {
        self.break_with(ABORTED, |_| true);
    }

    /// Ends the waits with an error, and begins anew.
    pub(crate) fn reset(&self, me: ProcessIdentity) {
        let next = |now| Some(next_round(now, false));
        // Release: pairs with the Acquire loads of `round`, as in `end_round`.
        let _always = self.round.fetch_update(Ordering::Release, Ordering::Relaxed, next);
        // Living parties are removed, too, unless a process is stopped in here: then their death will break the barrier.
        if self.lock.lock_internal(me) {
            self.used().iter().for_each(|row| row.who.store(0, Ordering::Relaxed));
            self.lock.unlock(me);
        }
        self.round_ended.notify_all();
    }

    /// Returns the number of parties that wait now.
    pub(crate) fn waiting(&self) -> u32 {
        // Acquire: pairs with the Release of the end of a round, so that no row of an older round is taken for this one's.
        let round = number_in(self.round.load(Ordering::Acquire));
        let arrived = self.used().iter().map(|row| row.arrivals_in(round)).fold(0, u32::saturating_add);
        arrived.min(self.parties())
    }

    pub(crate) fn broken(&self) -> Option<Cause> {
        // Acquire: pairs with the Release in `break_with`, before which `cause` was written.
        self.cause_in(self.round.load(Ordering::Acquire))
    }

    /// Removes this process from the parties, unless it waits: its end will not break the barrier.
    pub(crate) fn leave(&self, me: ProcessIdentity) {
        let number = || number_in(self.round.load(Ordering::Relaxed));
        let mine = self.used().iter().find(|row| row.is(me) && row.arrivals_in(number()) == 0);
        let Some(row) = mine else { return };
        row.rename(me.to_bits(), 0);
        // Another thread of this process may arrive meanwhile. Pairs with the fence in `record_arrival`: either it names the row again
        // after this, or its arrival is seen here.
        fence(Ordering::SeqCst);
        if row.arrivals_in(number()) != 0 {
            row.rename(0, me.to_bits());
        }
    }

    /// Waits until the round is not full (it may be, while its last party acts), and arrives. With `opens` the last party ends the round.
    fn arrive(&self, me: ProcessIdentity, deadline: Deadline, opens: bool) -> Result<Arrival, Cause> {
        loop {
            if !self.lock.lock(me, deadline) {
                // The deadline has passed before the arrival: the others would wait for this party for ever.
                self.break_with(TIMED_OUT, |_| true);
                return Err(self.broken().unwrap_or(Cause::TimedOut));
            }
            let entered = self.record_arrival(me, opens);
            self.lock.unlock(me);
            let arrival = entered?;
            if arrival.before < self.parties() {
                return Ok(arrival);
            }
            // The round is full while its last party acts. This party waits for its end, and arrives in the next one.
            self.wait_for_end(arrival.round, deadline)?;
        }
    }

    /// Records an arrival, unless all parties have arrived already. The caller holds the lock.
    fn record_arrival(&self, me: ProcessIdentity, opens: bool) -> Result<Arrival, Cause> {
        let now = self.round.load(Ordering::Relaxed);
        if let Some(cause) = self.cause_in(now) {
            return Err(cause);
        }
        let arrival = Arrival { round: number_in(now), before: self.waiting() };
        if arrival.before >= self.parties() {
            return Ok(arrival);
        }
        // There is a row for each party; when former parties fill the table, one that does not wait is replaced.
        let Some(row) = self.row_of(me, arrival.round) else { return Err(Cause::Aborted) };
        // Threads of one process share its row, so that it counts arrivals and not processes.
        let mine = row.arrivals_in(arrival.round).saturating_add(1);
        row.arrived.store(u64::from(arrival.round) << 32 | u64::from(mine), Ordering::Relaxed);
        // Pairs with the fence in `leave`, of another thread of this process.
        fence(Ordering::SeqCst);
        row.who.store(me.to_bits(), Ordering::Relaxed);
        if opens && arrival.before.saturating_add(1) == self.parties() {
            self.end_round(arrival.round, true);
        }
        Ok(arrival)
    }

    /// Waits until the round has ended or the barrier is broken.
    fn wait_for_end(&self, round: u32, deadline: Deadline) -> Result<(), Cause> {
        let mut timer = timer_with_holder(deadline);
        loop {
            let key = self.round_ended.prepare_wait();
            if let Some(end) = self.outcome_of(round) {
                return end;
            }
            if timer.is_over() {
                self.break_with(TIMED_OUT, |now| now == round);
                continue;
            }
            // The key was taken before the look at the round, so that a round that ends in between is not slept through.
            self.round_ended.wait(key, timer.next_sleep());
            if shim::slept_through(&timer) {
                self.break_if_party_died();
            }
        }
    }

    /// Returns how a round ended, if it has.
    fn outcome_of(&self, round: u32) -> Option<Result<(), Cause>> {
        // Acquire: pairs with the Release in `end_round` and `break_with`. What the others did before they arrived is seen.
        let now = self.round.load(Ordering::Acquire);
        if number_in(now) == round {
            return self.cause_in(now).map(Err);
        }
        // With no more threads than parties, one round at most is completed before a sleeper looks. The rest of the
        // history is for resets and for further threads.
        let completed = now >> (32 + round % HISTORY) & 1 != 0;
        Some(if completed { Ok(()) } else { Err(Cause::Aborted) })
    }

    /// Ends the round, if it is the current one and the barrier is not broken.
    fn end_round(&self, round: u32, completed: bool) {
        let next = |now| (now & (NUMBER | BROKEN) == u64::from(round)).then(|| next_round(now, completed));
        // Release: pairs with the Acquire in `outcome_of`. Acquire: the last one hands on what it has seen of the others.
        if self.round.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next).is_ok() {
            self.round_ended.notify_all();
        }
    }

    /// Breaks the barrier unless it is broken, or in another round than `is_meant` wants.
    fn break_with(&self, cause: u64, is_meant: impl Fn(u32) -> bool) {
        // `cause` first: it must be there when a waiter reads that the barrier is broken.
        let broken = |now| (now & BROKEN == 0 && is_meant(number_in(now))).then_some(now | BROKEN);
        if broken(self.round.load(Ordering::Relaxed)).is_some() {
            // Another thread may break it at the same time and store its cause last, which is as true.
            self.cause.store(cause, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire loads of `round`, after which `cause` is read.
        let _already = self.round.fetch_update(Ordering::Release, Ordering::Relaxed, broken);
        self.round_ended.notify_all();
    }

    /// Breaks the barrier if one of its parties is dead.
    ///
    /// That is so whatever round the caller waited for: the dead party is missing in the current one.
    fn break_if_party_died(&self) {
        for row in self.used() {
            let bits = row.who.load(Ordering::Relaxed);
            if bits != 0 && ProcessIdentity::from_bits(bits).is_none_or(|who| !shim::is_alive(who)) {
                self.break_with(bits << 2 | DIED, |_| true);
                // After the break: a kill in between leaves the dead party on record. The other way round it would be
                // forgotten, and the others would wait for ever.
                row.rename(bits, 0);
            }
        }
    }

    /// Returns why the barrier is broken, if `round` says that it is.
    fn cause_in(&self, round: u64) -> Option<Cause> {
        (round & BROKEN != 0).then(|| cause_in(self.cause.load(Ordering::Relaxed)))
    }

    /// Returns the row of `me`, or one that becomes its row: a free one, else one whose process does not wait. The caller holds the lock.
    fn row_of(&self, me: ProcessIdentity, round: u32) -> Option<&Row> {
        self.used().iter().find(|row| row.is(me)).or_else(|| {
            let absent = |row: &Row| row.arrivals_in(round) == 0;
            let free = |row: &Row| row.who.load(Ordering::Relaxed) == 0 && absent(row);
            let rows = &self.rows;
            let index = rows.iter().position(free).or_else(|| rows.iter().position(absent))?;
            self.high_water.fetch_max(index as u32 + 1, Ordering::Relaxed);
            // A row that was given up in this round has arrivals of its former process.
            rows[index].arrived.store(0, Ordering::Relaxed);
            rows[index].who.store(me.to_bits(), Ordering::Relaxed);
            Some(&rows[index])
        })
    }

    fn used(&self) -> &[Row] {
        let high_water = self.high_water.load(Ordering::Relaxed) as usize;
        &self.rows[..high_water.min(PARTICIPANTS)]
    }
}

/// The arrival of a party in a round.
struct Arrival {
    round: u32,
    /// The number of arrivals before; that of the parties if the round is full.
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

    /// Replaces the process of the row, if it is `from`.
    fn rename(&self, from: u64, to: u64) {
        let _another_meanwhile = self.who.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn arrivals_in(&self, round: u32) -> u32 {
        let arrived = self.arrived.load(Ordering::Relaxed);
        if (arrived >> 32) as u32 == round { arrived as u32 } else { 0 }
    }
}

fn number_in(round: u64) -> u32 {
    (round & NUMBER) as u32
}

/// Returns `round` with the next number, not broken, and how the one before ended.
fn next_round(now: u64, completed: bool) -> u64 {
    let number = number_in(now);
    let bit = 1u64 << (32 + number % HISTORY);
    let history = if completed { now | bit } else { now & !bit };
    // The bit `BROKEN` goes with the old number: a reset is nothing else but the next round.
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
            round_ended: EventCount::fresh(),
            parties: AtomicU32::new(0),
            high_water: AtomicU32::new(0),
            rows: std::array::from_fn(|_| Row { who: AtomicU64::new(0), arrived: AtomicU64::new(0) }),
        }
    }

    pub(crate) fn wake_sleepers(&self) {
        self.lock.wake_sleepers();
        self.round_ended.wake_sleepers();
    }
}
