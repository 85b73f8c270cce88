//! Many readers or one writer. Each reader has a slot that names it, so that the slots of dead readers can be cleared.
//!
//! | `writer` | a slot | meaning |
//! | --- | --- | --- |
//! | free | 0 | unlocked |
//! | free | identity | that process reads |
//! | held | 0 in all | the holder writes |
//! | held | identity | the holder waits for the last readers; the reader reads, or is about to step back |
//!
//! A reader claims a slot and then looks for a writer; a writer takes the lock and then looks for readers. A full fence, or SeqCst
//! operations, between the two steps on both sides make sure that at least one of them sees the other. The reader gives way, so
//! writers are never starved by readers.

use super::PARTICIPANTS;
use super::backoff::{Deadline, timer_with_holder};
use super::event_count::EventCount;
use super::mutex::RawMutex;
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity, Seeded, fence};

/// A lock for many readers or one writer.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawRwLock {
    writer: RawMutex,
    /// Notified when a slot becomes free.
    reader_left: EventCount,
    /// The number of slots that were ever used.
    high_water: AtomicU32,
    readers: [AtomicU64; PARTICIPANTS],
}

/// The slot of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

impl RawRwLock {
    /// Locks for reading. Returns `None` when the deadline has passed.
    pub(crate) fn read(&self, me: ProcessIdentity, deadline: Deadline) -> Option<Slot> {
        loop {
            if let Some(slot) = self.try_read(me) {
                return Some(slot);
            }
            // The reader waits without taking the writer's lock, so that all readers go on together when it is free.
            if !self.writer.wait_until_free(me, deadline) {
                return None;
            }
            if self.is_full() && !self.wait_for(deadline, || !self.is_full()) {
                return None;
            }
        }
    }

    /// Locks for reading if there is no living writer and a slot is free.
    pub(crate) fn try_read(&self, me: ProcessIdentity) -> Option<Slot> {
        let slot = self.claim(me)?;
        if !shim::seeded(Seeded::ReadWithoutFence) {
            // Dekker's pattern: the claim and the load of the word are both SeqCst. Pairs with the fences in `write` and `try_write`.
            shim::model_fence();
        }
        if self.writer.holder_seq_cst().is_none() || self.clear_dead_writer(me) {
            // Pairs with the Release in `RawMutex::unlock_slow`: what the last writer wrote is seen.
            fence(Ordering::Acquire);
            return Some(slot);
        }
        // The reader steps back, so that a stream of readers cannot keep a waiting writer out.
        self.unlock_read(me, slot);
        None
    }

    /// Unlocks a reader.
    pub(crate) fn unlock_read(&self, me: ProcessIdentity, slot: Slot) {
        // Release: pairs with the Acquire in `is_unread`. SeqCst: pairs with the fence in `EventCount::prepare_wait`.
        let free = self.readers[slot.0].compare_exchange(me.to_bits(), 0, Ordering::SeqCst, Ordering::Relaxed);
        // In a copy of the reader the slot is not its own.
        if free.is_ok() {
            self.reader_left.notify_all_after_seq_cst();
        }
    }

    /// Locks for writing. Returns `false` when the deadline has passed.
    pub(crate) fn write(&self, me: ProcessIdentity, deadline: Deadline) -> bool {
        if !self.writer.lock(me, deadline) {
            return false;
        }
        // Between taking the lock and the look at the slots: pairs with the SeqCst claim and load in `try_read`.
        fence(Ordering::SeqCst);
        let alone = self.is_unread() || self.wait_for(deadline, || self.is_unread());
        if !alone {
            self.unlock_write(me);
        }
        alone
    }

    /// Locks for writing if no living process reads or writes.
    pub(crate) fn try_write(&self, me: ProcessIdentity) -> bool {
        if !self.writer.try_lock(me) {
            return false;
        }
        // Pairs with the SeqCst claim and load in `try_read`, as in `write`.
        fence(Ordering::SeqCst);
        // A dead reader must not fail a try, but the kernel is asked only where a slot is claimed at all.
        if !self.is_unread() {
            self.clear_dead_readers(shim::was_alive_recently);
        }
        let alone = self.is_unread();
        if !alone {
            self.unlock_write(me);
        }
        alone
    }

    /// Unlocks the writer.
    pub(crate) fn unlock_write(&self, me: ProcessIdentity) {
        // Readers and writers sleep on this word alike, and all the readers may go on together.
        self.writer.unlock_and_wake_all(me);
    }

    /// Returns whether the lock is held, for reading or writing.
    pub(crate) fn is_locked(&self) -> bool {
        self.writer.holder().is_some() || !self.is_unread()
    }

    /// Returns whether that process writes or reads.
    pub(crate) fn is_held_by(&self, process: ProcessIdentity) -> bool {
        let reads = |slot: &AtomicU64| slot.load(Ordering::Relaxed) == process.to_bits();
        self.writer.holder() == Some(process) || self.used().iter().any(reads)
    }

    /// Returns the writer's lock, which has the record of poison.
    #[inline]
    pub(crate) fn writer(&self) -> &RawMutex {
        &self.writer
    }

    /// Returns whether no slot is claimed. While the caller holds `writer`, no reader begins to read then.
    fn is_unread(&self) -> bool {
        // Acquire: pairs with the Release in `unlock_read`, so that no read of a former reader comes after a write of this writer.
        self.used().iter().all(|slot| slot.load(Ordering::Acquire) == 0)
    }

    fn is_full(&self) -> bool {
        self.readers.iter().all(|slot| slot.load(Ordering::Relaxed) != 0)
    }

    /// Sleeps until enough readers have left that `condition` holds, or until the deadline (`false`).
    fn wait_for(&self, deadline: Deadline, condition: impl Fn() -> bool) -> bool {
        let mut timer = timer_with_holder(deadline);
        loop {
            let key = self.reader_left.prepare_wait();
            if condition() {
                return true;
            }
            if timer.is_over() {
                // The last look: a reader may have died in a sleep that the deadline has cut short.
                self.clear_dead_readers(shim::is_alive);
                return condition();
            }
            // The key was taken before the look at the slots, so that a reader that leaves in between is noticed.
            self.reader_left.wait(key, timer.next_sleep());
            if shim::slept_through(&timer) {
                self.clear_dead_readers(shim::is_alive);
            }
        }
    }

    /// Claims a free slot for the reader.
    fn claim(&self, me: ProcessIdentity) -> Option<Slot> {
        self.readers.iter().enumerate().find_map(|(index, slot)| {
            if slot.load(Ordering::Relaxed) != 0 {
                return None;
            }
            // Before the claim, so that a writer that must see the slot looks that far: the SeqCst claim publishes it.
            let end = index as u32 + 1;
            if self.high_water.load(Ordering::Relaxed) < end {
                self.high_water.fetch_max(end, Ordering::Relaxed);
            }
            // SeqCst: before the look at the writer's word in `try_read`, in the one order of all such operations.
            let claimed = slot.compare_exchange(0, me.to_bits(), Ordering::SeqCst, Ordering::Relaxed);
            claimed.is_ok().then_some(Slot(index))
        })
    }

    /// Clears the slots of dead readers.
    fn clear_dead_readers(&self, is_alive: impl Fn(ProcessIdentity) -> bool) {
        for slot in self.used() {
            let bits = slot.load(Ordering::Relaxed);
            let dead = bits != 0 && ProcessIdentity::from_bits(bits).is_none_or(|reader| !is_alive(reader));
            if dead && slot.compare_exchange(bits, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                self.reader_left.notify_all();
            }
        }
    }

    /// Takes the lock from a dead writer and releases it at once, which records the death. Returns whether that was so.
    fn clear_dead_writer(&self, me: ProcessIdentity) -> bool {
        // `try_lock` records the death as poison, and the unlock lets the readers in.
        let cleared =
            self.writer.holder().is_some_and(|writer| !shim::was_alive_recently(writer)) && self.writer.try_lock(me);
        if cleared {
            self.writer.unlock_and_wake_all(me);
        }
        cleared
    }

    fn used(&self) -> &[AtomicU64] {
        let high_water = self.high_water.load(Ordering::Relaxed) as usize;
        &self.readers[..high_water.min(PARTICIPANTS)]
    }
}

#[cfg(loom)]
impl RawRwLock {
    pub(crate) fn fresh() -> RawRwLock {
        RawRwLock {
            writer: RawMutex::fresh(),
            reader_left: EventCount::fresh(),
            high_water: AtomicU32::new(0),
            readers: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(crate) fn wake_sleepers(&self) {
        self.writer.wake_sleepers();
        self.reader_left.wake_sleepers();
    }
}
