//! Many readers or one writer. Every reader has a slot that names it, so a dead one is found and its slot emptied.
//!
//! | `writer` | a slot | meaning |
//! | --- | --- | --- |
//! | free | 0 | nobody |
//! | free | identity | that process reads |
//! | held | 0 in all | the holder writes |
//! | held | identity | the holder waits for the last readers; the reader reads, or is about to step back |
//!
//! A reader claims a slot and then looks for a writer; a writer takes the lock and then looks for readers. A full fence
//! between the two steps on both sides makes sure that at least one of them sees the other. The reader gives way, so
//! writers are never starved by readers.

use super::PARTICIPANTS;
use super::bell::Bell;
use super::mutex::RawMutex;
use super::patience::{Deadline, Patience};
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity, Seeded, fence};

/// A lock for many readers or one writer.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawRwLock {
    writer: RawMutex,
    /// Rings when a slot becomes free.
    left: Bell,
    /// No slot from here on was ever used.
    high: AtomicU32,
    readers: [AtomicU64; PARTICIPANTS],
}

/// Which slot a reader has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

impl RawRwLock {
    /// Begins to read; `None` when the deadline has passed.
    pub(crate) fn read(&self, me: ProcessIdentity, until: Deadline) -> Option<Slot> {
        loop {
            if let Some(slot) = self.try_read(me) {
                return Some(slot);
            }
            if !self.writer.wait_until_free(me, until) {
                return None;
            }
            if self.is_full() && !self.wait_for(until, || !self.is_full()) {
                return None;
            }
        }
    }

    /// Begins to read if there is no writer (a dead one does not count) and a slot is free.
    pub(crate) fn try_read(&self, me: ProcessIdentity) -> Option<Slot> {
        let slot = self.claim(me)?;
        if !shim::seeded(Seeded::ReadWithoutFence) {
            // Dekker's pattern: the claim and the load of the word are both SeqCst. Pairs with the fences in `write` and `try_write`.
            shim::fence_of_the_model();
        }
        if self.writer.holder_in_order().is_none() || self.bury_writer(me) {
            // Pairs with the Release in `RawMutex::unlock_slowly`: what the last writer wrote is seen.
            fence(Ordering::Acquire);
            return Some(slot);
        }
        self.done_reading(me, slot);
        None
    }

    /// Ends reading.
    pub(crate) fn done_reading(&self, me: ProcessIdentity, slot: Slot) {
        // Release: pairs with the Acquire in `is_unread`. SeqCst: pairs with the fence in `Bell::listen`.
        let free = self.readers[slot.0].compare_exchange(me.to_bits(), 0, Ordering::SeqCst, Ordering::Relaxed);
        // In a process that was copied from the reader the slot is not its own.
        if free.is_ok() {
            self.left.ring_all_in_order();
        }
    }

    /// Begins to write; `false` when the deadline has passed.
    pub(crate) fn write(&self, me: ProcessIdentity, until: Deadline) -> bool {
        if !self.writer.lock(me, until) {
            return false;
        }
        fence(Ordering::SeqCst);
        let alone = self.is_unread() || self.wait_for(until, || self.is_unread());
        if !alone {
            self.done_writing(me);
        }
        alone
    }

    /// Begins to write if nobody reads or writes; the dead do not count.
    pub(crate) fn try_write(&self, me: ProcessIdentity) -> bool {
        if !self.writer.try_lock(me) {
            return false;
        }
        fence(Ordering::SeqCst);
        if !self.is_unread() {
            self.bury_readers(shim::was_alive_lately);
        }
        let alone = self.is_unread();
        if !alone {
            self.done_writing(me);
        }
        alone
    }

    /// Ends writing.
    pub(crate) fn done_writing(&self, me: ProcessIdentity) {
        self.writer.unlock_for_all(me);
    }

    /// Whether somebody reads or writes.
    pub(crate) fn is_used(&self) -> bool {
        self.writer.holder().is_some() || !self.is_unread()
    }

    /// The writer's lock, for its record of the fallen.
    #[inline]
    pub(crate) fn writer(&self) -> &RawMutex {
        &self.writer
    }

    /// Whether a reader may have a slot in this state of the word: nobody reads while this is true and one holds `writer`.
    fn is_unread(&self) -> bool {
        self.used().iter().all(|slot| slot.load(Ordering::Acquire) == 0)
    }

    fn is_full(&self) -> bool {
        self.readers.iter().all(|slot| slot.load(Ordering::Relaxed) != 0)
    }

    /// Sleeps until readers have left so that `enough` holds, or until the deadline (`false`).
    fn wait_for(&self, until: Deadline, enough: impl Fn() -> bool) -> bool {
        let mut patience = Patience::with_a_holder(until);
        loop {
            let ticket = self.left.listen();
            if enough() {
                return true;
            }
            if patience.is_over() {
                self.bury_readers(shim::is_alive);
                return enough();
            }
            self.left.wait(ticket, patience.nap());
            if patience.slept_through() {
                self.bury_readers(shim::is_alive);
            }
        }
    }

    /// Puts the reader into a slot that is free.
    fn claim(&self, me: ProcessIdentity) -> Option<Slot> {
        self.readers.iter().enumerate().find_map(|(index, slot)| {
            if slot.load(Ordering::Relaxed) != 0 {
                return None;
            }
            // Before the claim, so that a writer who must see the slot looks that far.
            let end = index as u32 + 1;
            if self.high.load(Ordering::Relaxed) < end {
                self.high.fetch_max(end, Ordering::Relaxed);
            }
            // SeqCst: before the look at the writer's word in `try_read`, in the one order of all such operations.
            let claimed = slot.compare_exchange(0, me.to_bits(), Ordering::SeqCst, Ordering::Relaxed);
            claimed.is_ok().then_some(Slot(index))
        })
    }

    /// Frees the slots of dead readers.
    fn bury_readers(&self, lives: impl Fn(ProcessIdentity) -> bool) {
        for slot in self.used() {
            let bits = slot.load(Ordering::Relaxed);
            let dead = bits != 0 && ProcessIdentity::from_bits(bits).is_none_or(|reader| !lives(reader));
            if dead && slot.compare_exchange(bits, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                self.left.ring_all();
            }
        }
    }

    /// Takes the lock from a dead writer and gives it back at once; whether that was so.
    fn bury_writer(&self, me: ProcessIdentity) -> bool {
        let buried =
            self.writer.holder().is_some_and(|writer| !shim::was_alive_lately(writer)) && self.writer.try_lock(me);
        if buried {
            self.writer.unlock_for_all(me);
        }
        buried
    }

    fn used(&self) -> &[AtomicU64] {
        let high = self.high.load(Ordering::Relaxed) as usize;
        &self.readers[..high.min(PARTICIPANTS)]
    }
}

#[cfg(loom)]
impl RawRwLock {
    pub(crate) fn fresh() -> RawRwLock {
        RawRwLock {
            writer: RawMutex::fresh(),
            left: Bell::fresh(),
            high: AtomicU32::new(0),
            readers: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(crate) fn end_naps(&self) {
        self.writer.end_naps();
        self.left.end_naps();
    }
}
