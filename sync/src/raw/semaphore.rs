//! Permits. The permits of a process are counted in a row beside its name, so that they come back when it dies.
//!
//! `total` counts the permits that exist, held ones too; a row of `rows` says how many of them one process holds. What is
//! available is never stored: it is the difference, so that no crash between two steps can make it wrong. Only steps that make
//! fewer permits available can break the promise that no more are held than exist, so only those, taking a permit and
//! clearing a row, happen under `lock`; the others are single atomic steps, which no stopped process can delay.
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
//! A process that is *stopped* while it takes a permit holds `lock`. Then tries give up after `INTERNAL_LOCK_TIMEOUT`, and waits at
//! their deadline.

use super::PARTICIPANTS;
use super::backoff::{Deadline, timer_with_holder};
use super::event_count::EventCount;
use super::mutex::RawMutex;
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity};

/// The maximum number of permits, as in Python.
pub(crate) const MAX_PERMITS: u32 = i32::MAX as u32;

/// Permits and their holders.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawSemaphore {
    lock: RawMutex,
    /// Notified when a permit may have become available.
    permit_returned: EventCount,
    total: AtomicU32,
    /// The maximum of `total`.
    bound: AtomicU32,
    /// The number of rows that were ever used.
    high_water: AtomicU32,
    rows: [Row; PARTICIPANTS],
}

#[repr(C)]
#[derive(Debug)]
struct Row {
    who: AtomicU64,
    held: AtomicU32,
}

impl RawSemaphore {
    /// Initializes a fresh semaphore.
    pub(crate) fn init(&self, permits: u32, bound: u32) {
        // Relaxed: no other process has the segment yet, and the message that carries it there orders both.
        self.total.store(permits, Ordering::Relaxed);
        self.bound.store(bound, Ordering::Relaxed);
    }

    /// Takes a permit. Returns `false` when the deadline has passed.
    pub(crate) fn acquire(&self, me: ProcessIdentity, deadline: Deadline) -> bool {
        // Once without announcing a waiter, which would cost each release a system call.
        if self.take_within(me, deadline) {
            return true;
        }
        let mut timer = timer_with_holder(deadline);
        loop {
            let key = self.permit_returned.prepare_wait();
            // Once more after the announcement: a permit that came back before it was returned without a notification.
            if self.take_within(me, deadline) {
                return true;
            }
            if timer.is_over() {
                return self.try_acquire(me);
            }
            self.permit_returned.wait(key, timer.next_sleep());
            if shim::slept_through(&timer) {
                self.locked(me, self.lock.lock(me, deadline), || self.clear_dead_rows(shim::is_alive));
            }
        }
    }

    /// Takes a permit if one is available or held by a dead process.
    pub(crate) fn try_acquire(&self, me: ProcessIdentity) -> bool {
        // Dead processes are looked for only when no permit is left: asking the kernel costs microseconds.
        let taken = self.locked(me, self.lock.lock_internal(me), || {
            self.take(me) || {
                self.clear_dead_rows(shim::was_alive_recently);
                self.take(me)
            }
        });
        taken.unwrap_or(false)
    }

    /// Returns the permit of a guard to the semaphore.
    pub(crate) fn release_held(&self, me: ProcessIdentity) {
        self.release_own(me);
        // After the row: a waiter that misses the permit there has announced itself, and is found here.
        self.permit_returned.notify(1);
    }

    /// Removes the permit of a guard, until `release` adds it again.
    pub(crate) fn forget(&self, me: ProcessIdentity) {
        // In this order: in between, one permit too few is available and never one too many.
        let _previous = decrement(&self.total);
        self.release_own(me);
    }

    /// Adds permits. Returns the number that exist as an error when there would be too many.
    pub(crate) fn release(&self, permits: u32) -> Result<(), u32> {
        let bound = self.bound.load(Ordering::Relaxed);
        let more = |total: u32| total.checked_add(permits).filter(|sum| *sum <= bound);
        // Release: pairs with the load of `total` in `available_permits`, so that a thread that takes one of
        // these permits sees what was done before.
        self.total.fetch_update(Ordering::Release, Ordering::Relaxed, more)?;
        if permits > 0 {
            self.permit_returned.notify(permits);
        }
        Ok(())
    }

    /// Returns the number of available permits. While a process is stopped in here, those of dead processes are not counted.
    pub(crate) fn available(&self, me: ProcessIdentity) -> u32 {
        let _stopped = self.locked(me, self.lock.lock_internal(me), || self.clear_dead_rows(shim::was_alive_recently));
        self.available_permits()
    }

    /// Returns the maximum number of permits.
    pub(crate) fn bound(&self) -> u32 {
        self.bound.load(Ordering::Relaxed)
    }

    /// Returns the holders and their number of permits; a snapshot without the lock.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (ProcessIdentity, u32)> + '_ {
        let of = |row: &Row| {
            Some((ProcessIdentity::from_bits(row.who.load(Ordering::Relaxed))?, row.held.load(Ordering::Relaxed)))
        };
        self.used().iter().filter_map(of).filter(|(_, held)| *held > 0)
    }

    fn take_within(&self, me: ProcessIdentity, deadline: Deadline) -> bool {
        self.locked(me, self.lock.lock(me, deadline), || self.take(me)).unwrap_or(false)
    }

    /// Runs one step of the table above and releases the lock; `None` if it was not taken. It may come from a dead holder, whose
    /// step is then done or not done.
    fn locked<R>(&self, me: ProcessIdentity, is_taken: bool, step: impl FnOnce() -> R) -> Option<R> {
        // Not `then_some`, which would run the step in any case.
        is_taken.then(|| {
            let result = step();
            self.lock.unlock(me);
            result
        })
    }

    /// Takes a permit if one is available. The caller holds the lock.
    fn take(&self, me: ProcessIdentity) -> bool {
        if self.available_permits() == 0 {
            return false;
        }
        let Some(row) = self.row_of(me) else { return false };
        // Other threads of this process may lower it meanwhile, without the lock.
        row.held.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Returns the permits that exist less those that are held: at most one too few while a permit is being forgotten, and under
    /// the lock never too many.
    fn available_permits(&self) -> u32 {
        // Acquire: pairs with the Release in `decrement`; what the last holder of a permit did is seen by the next one.
        let held = self.used().iter().map(|row| row.held.load(Ordering::Acquire)).fold(0, u32::saturating_add);
        // After the rows: `forget` lowers `total` before its row. Acquire pairs with the Release in `release`.
        self.total.load(Ordering::Acquire).saturating_sub(held)
    }

    /// Takes one permit off the row of `me`, which no other process can take over before it is empty.
    fn release_own(&self, me: ProcessIdentity) {
        let mine = self.used().iter().find(|row| row.who.load(Ordering::Relaxed) == me.to_bits());
        let _of_a_copied_process = mine.map(|row| decrement(&row.held));
    }

    /// Returns the row of `me`, or an empty one that becomes its row; `None` when no row is left. The caller holds the lock.
    fn row_of(&self, me: ProcessIdentity) -> Option<&Row> {
        let mine = |row: &&Row| row.who.load(Ordering::Relaxed) == me.to_bits();
        self.used().iter().find(mine).or_else(|| {
            // Fresh rows before those of other processes, so that a process keeps its row between two permits.
            let unnamed = self.rows.iter().position(|row| row.who.load(Ordering::Relaxed) == 0);
            let index = unnamed.or_else(|| self.rows.iter().position(|row| row.held.load(Ordering::Relaxed) == 0))?;
            self.high_water.fetch_max(index as u32 + 1, Ordering::Relaxed);
            let row = &self.rows[index];
            // The count before the name: a row whose owner dies between the two stores is an empty one. Relaxed: under the lock.
            row.held.store(0, Ordering::Relaxed);
            row.who.store(me.to_bits(), Ordering::Relaxed);
            Some(row)
        })
    }

    /// Clears the rows of dead processes. The caller holds the lock.
    fn clear_dead_rows(&self, is_alive: impl Fn(ProcessIdentity) -> bool) {
        for row in self.used() {
            let bits = row.who.load(Ordering::Relaxed);
            if bits != 0 && ProcessIdentity::from_bits(bits).is_none_or(|who| !is_alive(who)) {
                // The count before the name: a row whose owner dies between the two stores is an empty one. Relaxed: under the lock.
                row.held.store(0, Ordering::Relaxed);
                row.who.store(0, Ordering::Relaxed);
            }
        }
    }

    fn used(&self) -> &[Row] {
        let high_water = self.high_water.load(Ordering::Relaxed) as usize;
        &self.rows[..high_water.min(PARTICIPANTS)]
    }
}

/// Subtracts 1, but never below 0.
fn decrement(count: &AtomicU32) -> Result<u32, u32> {
    // Release: pairs with the Acquire loads in `available_permits`.
    count.fetch_update(Ordering::Release, Ordering::Relaxed, |count| count.checked_sub(1))
}

#[cfg(loom)]
impl RawSemaphore {
    pub(crate) fn fresh() -> RawSemaphore {
        RawSemaphore {
            lock: RawMutex::fresh(),
            permit_returned: EventCount::fresh(),
            total: AtomicU32::new(0),
            bound: AtomicU32::new(0),
            high_water: AtomicU32::new(0),
            rows: std::array::from_fn(|_| Row { who: AtomicU64::new(0), held: AtomicU32::new(0) }),
        }
    }

    pub(crate) fn wake_sleepers(&self) {
        self.lock.wake_sleepers();
        self.permit_returned.wake_sleepers();
    }
}
