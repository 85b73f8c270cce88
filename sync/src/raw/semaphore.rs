//! Permits. Those that a process holds are counted in a row beside its name, so they come back when it dies.
//!
//! `total` counts the permits that exist, held ones too; a row of `rows` says how many of them one process holds. What is
//! available is never stored: it is the difference, so no crash between two steps can make it wrong. Only steps that make
//! fewer permits available can break the promise that no more are held than exist, so only those, taking a permit and
//! clearing a row, happen under `lock`; the others are single atomic steps, which nobody who is stopped can hold up.
//!
//! | step | lock | commit | killed before | killed after |
//! | --- | --- | --- | --- | --- |
//! | acquire | yes | own row + 1 | nothing happened | dead: the row is cleared, the permit is back |
//! | drop of a guard | no | own row − 1 | dead: the row is cleared, the permit is back | done |
//! | forget a guard | no | `total` − 1, then row − 1 | nothing happened | the permit is gone, the row is cleared |
//! | release(n) | no | `total` + n | nothing happened | done; sleepers find it after their nap |
//! | clear a dead row | yes | row to 0, then its name to 0 | nothing happened | as for a row that its owner emptied |
//!
//! A row with a count of 0 belongs to its process until another one needs it.
//!
//! One who is *stopped* while it takes a permit holds `lock`. Then tries give up within `BRIEFLY` of the lock, and waits at their deadline.

use super::PARTICIPANTS;
use super::bell::Bell;
use super::mutex::RawMutex;
use super::patience::{Deadline, Patience};
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity};

/// The most permits that can exist, as in Python.
pub(crate) const MOST: u32 = i32::MAX as u32;

/// Permits and who holds them.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawSemaphore {
    lock: RawMutex,
    /// Rings when a permit may have become available.
    back: Bell,
    total: AtomicU32,
    /// What `total` must not exceed.
    bound: AtomicU32,
    /// No row from here on was ever used.
    high: AtomicU32,
    rows: [Row; PARTICIPANTS],
}

#[repr(C)]
#[derive(Debug)]
struct Row {
    who: AtomicU64,
    held: AtomicU32,
}

impl RawSemaphore {
    /// Fills a fresh one.
    pub(crate) fn set_up(&self, permits: u32, bound: u32) {
        self.total.store(permits, Ordering::Relaxed);
        self.bound.store(bound, Ordering::Relaxed);
    }

    /// Takes a permit; `false` when the deadline has passed.
    pub(crate) fn acquire(&self, me: ProcessIdentity, until: Deadline) -> bool {
        if self.take_within(me, until) {
            return true;
        }
        let mut patience = Patience::with_a_holder(until);
        loop {
            let ticket = self.back.listen();
            if self.take_within(me, until) {
                return true;
            }
            if patience.is_over() {
                return self.try_acquire(me);
            }
            self.back.wait(ticket, patience.nap());
            if patience.slept_through() {
                self.locked(me, until, || self.bury(shim::is_alive));
            }
        }
    }

    /// Takes a permit if one is available; those of the dead are.
    pub(crate) fn try_acquire(&self, me: ProcessIdentity) -> bool {
        let taken = self.briefly(me, || {
            self.take(me) || {
                self.bury(shim::was_alive_lately);
                self.take(me)
            }
        });
        taken.unwrap_or(false)
    }

    /// Gives back the permit of a guard.
    pub(crate) fn give_back(&self, me: ProcessIdentity) {
        self.reduce(me);
        self.back.ring(1);
    }

    /// Makes the permit of a guard one that nobody holds and that does not exist until it is released.
    pub(crate) fn forget(&self, me: ProcessIdentity) {
        // In this order: in between, one permit too few is available and never one too many.
        let _previous = lower(&self.total);
        self.reduce(me);
    }

    /// Adds permits; `Err` with the number that exist when there would be too many.
    pub(crate) fn release(&self, permits: u32) -> Result<(), u32> {
        let bound = self.bound.load(Ordering::Relaxed);
        let more = |total: u32| total.checked_add(permits).filter(|sum| *sum <= bound);
        // Release: pairs with the load of `total` in `left_over`, so that who takes one of these permits sees what was done before.
        self.total.fetch_update(Ordering::Release, Ordering::Relaxed, more)?;
        if permits > 0 {
            self.back.ring(permits);
        }
        Ok(())
    }

    /// How many permits one could take now. While another is stopped in here, those of the dead are not counted.
    pub(crate) fn available(&self, me: ProcessIdentity) -> u32 {
        let _stopped = self.briefly(me, || self.bury(shim::was_alive_lately));
        self.left_over()
    }

    /// The bound that was set.
    pub(crate) fn bound(&self) -> u32 {
        self.bound.load(Ordering::Relaxed)
    }

    /// Who holds how many permits, as far as can be seen without stopping them.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (ProcessIdentity, u32)> + '_ {
        let of = |row: &Row| {
            Some((ProcessIdentity::from_bits(row.who.load(Ordering::Relaxed))?, row.held.load(Ordering::Relaxed)))
        };
        self.used().iter().filter_map(of).filter(|(_, held)| *held > 0)
    }

    fn take_within(&self, me: ProcessIdentity, until: Deadline) -> bool {
        self.locked(me, until, || self.take(me)).unwrap_or(false)
    }

    /// One step of the table above; `None` when the deadline passed before the lock was had. The lock may come from a dead
    /// holder: its step is then done or not done.
    fn locked<R>(&self, me: ProcessIdentity, until: Deadline, step: impl FnOnce() -> R) -> Option<R> {
        self.lock.lock(me, until).then(|| {
            let result = step();
            self.lock.unlock(me);
            result
        })
    }

    /// As [`locked`](Self::locked), for those who only try: nobody but one who is stopped holds the lock for long.
    fn briefly<R>(&self, me: ProcessIdentity, step: impl FnOnce() -> R) -> Option<R> {
        self.lock.lock_briefly(me).then(|| {
            let result = step();
            self.lock.unlock(me);
            result
        })
    }

    /// Under the lock.
    fn take(&self, me: ProcessIdentity) -> bool {
        if self.left_over() == 0 {
            return false;
        }
        let Some(row) = self.row_of(me) else { return false };
        // Other threads of this process may lower it meanwhile, without the lock.
        row.held.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// What exists less what is held. At most one too few while a permit is being forgotten; under the lock never too many.
    fn left_over(&self) -> u32 {
        // Acquire: pairs with the Release in `reduce`; what the last holder of a permit did is seen by the next one.
        let held = self.used().iter().map(|row| row.held.load(Ordering::Acquire)).fold(0, u32::saturating_add);
        // After the rows: `forget` lowers `total` before its row. Acquire pairs with the Release in `release`.
        self.total.load(Ordering::Acquire).saturating_sub(held)
    }

    /// Takes one permit off my row, which nobody else can take over before it is empty.
    fn reduce(&self, me: ProcessIdentity) {
        let mine = self.used().iter().find(|row| row.who.load(Ordering::Relaxed) == me.to_bits());
        let _of_a_copied_process = mine.map(|row| lower(&row.held));
    }

    /// Under the lock: my row, or an empty one that becomes mine; `None` when no row is left.
    fn row_of(&self, me: ProcessIdentity) -> Option<&Row> {
        let mine = |row: &&Row| row.who.load(Ordering::Relaxed) == me.to_bits();
        self.used().iter().find(mine).or_else(|| {
            let unnamed = self.rows.iter().position(|row| row.who.load(Ordering::Relaxed) == 0);
            let index = unnamed.or_else(|| self.rows.iter().position(|row| row.held.load(Ordering::Relaxed) == 0))?;
            self.high.fetch_max(index as u32 + 1, Ordering::Relaxed);
            let row = &self.rows[index];
            row.held.store(0, Ordering::Relaxed);
            row.who.store(me.to_bits(), Ordering::Relaxed);
            Some(row)
        })
    }

    /// Under the lock: empties the rows of the dead.
    fn bury(&self, lives: impl Fn(ProcessIdentity) -> bool) {
        for row in self.used() {
            let bits = row.who.load(Ordering::Relaxed);
            if bits != 0 && ProcessIdentity::from_bits(bits).is_none_or(|who| !lives(who)) {
                row.held.store(0, Ordering::Relaxed);
                row.who.store(0, Ordering::Relaxed);
            }
        }
    }

    fn used(&self) -> &[Row] {
        let high = self.high.load(Ordering::Relaxed) as usize;
        &self.rows[..high.min(PARTICIPANTS)]
    }
}

/// One less, and never below 0. Release: pairs with the loads in `left_over`.
fn lower(count: &AtomicU32) -> Result<u32, u32> {
    count.fetch_update(Ordering::Release, Ordering::Relaxed, |count| count.checked_sub(1))
}

#[cfg(loom)]
impl RawSemaphore {
    pub(crate) fn fresh() -> RawSemaphore {
        RawSemaphore {
            lock: RawMutex::fresh(),
            back: Bell::fresh(),
            total: AtomicU32::new(0),
            bound: AtomicU32::new(0),
            high: AtomicU32::new(0),
            rows: std::array::from_fn(|_| Row { who: AtomicU64::new(0), held: AtomicU32::new(0) }),
        }
    }

    pub(crate) fn end_naps(&self) {
        self.lock.end_naps();
        self.back.end_naps();
    }
}
