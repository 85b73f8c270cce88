//! Permits. Those in somebody's hands are written beside that process's name, so they come back when it dies.
//!
//! `total` counts the permits that exist, held ones too; a row of `rows` says how many of them one process holds. What is
//! available is never stored: it is the difference, so no crash between two steps can make it wrong. Everything
//! changes under `lock`, by one store that counts (the *commit*):
//!
//! | step | commit | killed before | killed after |
//! | --- | --- | --- | --- |
//! | acquire | own row + 1 | nothing happened | dead: the row is emptied, the permit is back |
//! | release of a guard | own row − 1 | dead: the row is emptied, the permit is back | done |
//! | forget a guard | `total` − 1, then row − 1 | nothing happened | the permit is gone, the row is emptied |
//! | release(n) | `total` + n | nothing happened | done; sleepers find it after their nap |

use super::PARTICIPANTS;
use super::bell::Bell;
use super::mutex::RawMutex;
use super::patience::{Deadline, Patience};
use super::shim::{self, AtomicU32, AtomicU64, Identity, Ordering};

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
    pub(crate) fn acquire(&self, me: Identity, until: Deadline) -> bool {
        if self.locked(me, || self.take(me)) {
            return true;
        }
        let mut patience = Patience::with_a_holder(until);
        loop {
            let ticket = self.back.listen();
            if self.locked(me, || self.take(me)) {
                return true;
            }
            if patience.is_over() {
                return self.try_acquire(me);
            }
            self.back.wait(ticket, patience.nap());
            if patience.slept_through() {
                self.locked(me, || self.bury(shim::is_alive));
            }
        }
    }

    /// Takes a permit if one is available; those of the dead are.
    pub(crate) fn try_acquire(&self, me: Identity) -> bool {
        self.locked(me, || {
            self.take(me) || {
                self.bury(shim::was_alive_lately);
                self.take(me)
            }
        })
    }

    /// Gives back the permit of a guard.
    pub(crate) fn give_back(&self, me: Identity) {
        self.locked(me, || self.reduce(me));
        self.back.ring(1);
    }

    /// Makes the permit of a guard one that nobody holds and that does not exist until it is released.
    pub(crate) fn forget(&self, me: Identity) {
        self.locked(me, || {
            let total = self.total.load(Ordering::Relaxed);
            self.total.store(total.saturating_sub(1), Ordering::Relaxed);
            self.reduce(me);
        });
    }

    /// Adds permits; `Err` with the number that exist when there would be too many.
    pub(crate) fn release(&self, me: Identity, permits: u32) -> Result<(), u32> {
        self.locked(me, || {
            let total = self.total.load(Ordering::Relaxed);
            let bound = self.bound.load(Ordering::Relaxed);
            let sum = total.checked_add(permits).filter(|sum| *sum <= bound).ok_or(total)?;
            self.total.store(sum, Ordering::Relaxed);
            Ok::<(), u32>(())
        })?;
        if permits > 0 {
            self.back.ring(permits);
        }
        Ok(())
    }

    /// How many permits one could take now.
    pub(crate) fn available(&self, me: Identity) -> u32 {
        self.locked(me, || {
            self.bury(shim::was_alive_lately);
            self.left_over()
        })
    }

    /// The bound that was set.
    pub(crate) fn bound(&self) -> u32 {
        self.bound.load(Ordering::Relaxed)
    }

    /// One step of the table above. The lock may come from a dead holder: its step is then done or not done.
    fn locked<R>(&self, me: Identity, step: impl FnOnce() -> R) -> R {
        self.lock.lock(me, None);
        let result = step();
        self.lock.unlock(me);
        result
    }

    fn take(&self, me: Identity) -> bool {
        if self.left_over() == 0 {
            return false;
        }
        let Some(row) = self.row_of(me) else { return false };
        let held = row.held.load(Ordering::Relaxed);
        row.held.store(held.saturating_add(1), Ordering::Relaxed);
        true
    }

    fn left_over(&self) -> u32 {
        let held = self.used().iter().map(|row| row.held.load(Ordering::Relaxed)).fold(0, u32::saturating_add);
        self.total.load(Ordering::Relaxed).saturating_sub(held)
    }

    /// Takes one permit off my row.
    fn reduce(&self, me: Identity) {
        let mine = self.used().iter().find(|row| row.who.load(Ordering::Relaxed) == me.to_bits());
        if let Some(row) = mine {
            let held = row.held.load(Ordering::Relaxed).saturating_sub(1);
            row.held.store(held, Ordering::Relaxed);
            if held == 0 {
                row.who.store(0, Ordering::Relaxed);
            }
        }
    }

    /// My row, or a free one that becomes mine; `None` when so many processes hold permits that no row is left.
    fn row_of(&self, me: Identity) -> Option<&Row> {
        let is = |bits: u64| move |row: &&Row| row.who.load(Ordering::Relaxed) == bits;
        self.used().iter().find(is(me.to_bits())).or_else(|| {
            let index = self.rows.iter().position(|row| is(0)(&row))?;
            self.high.fetch_max(index as u32 + 1, Ordering::Relaxed);
            let row = &self.rows[index];
            row.held.store(0, Ordering::Relaxed);
            row.who.store(me.to_bits(), Ordering::Relaxed);
            Some(row)
        })
    }

    /// Empties the rows of the dead.
    fn bury(&self, lives: impl Fn(Identity) -> bool) {
        for row in self.used() {
            let bits = row.who.load(Ordering::Relaxed);
            if bits != 0 && Identity::from_bits(bits).is_none_or(|who| !lives(who)) {
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
