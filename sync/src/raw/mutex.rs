//! The lock word: who holds the lock, in the word itself, so that a dead holder can be told from a slow one.
//!
//! | word | meaning |
//! | --- | --- |
//! | 0 | free (sleepers that were just woken may be on their way) |
//! | identity × 2 | held by that process, nobody sleeps |
//! | identity × 2 + 1 | held by that process, somebody may sleep: wake one when unlocking |
//!
//! | from | to | by |
//! | --- | --- | --- |
//! | 0 | me | `lock`, `try_lock` |
//! | 0 | me + 1 | `lock` of one who has slept: others may sleep still |
//! | other | other + 1 | one who is about to sleep |
//! | dead (+ 1) | me + 1 | one who found that the holder is dead, then `fallen` names the dead one |
//! | me | 0 | `unlock` |
//! | me + 1 | 0, wake one | `unlock` |
//!
//! Killed while holding: the word names the dead one. Killed between the last store and the wake, or after having been
//! woken: the word is 0 and the sleepers find it so at the end of their nap.

use std::time::{Duration, Instant};

use super::patience::{Deadline, Patience};
use super::shim::{self, AtomicU64, Ordering, ProcessIdentity, Seeded, Word64};
use super::spin::Spin;

/// Somebody may sleep on the word.
const SLEEPERS: u64 = 1;

/// A lock that names its holder.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawMutex {
    word: Word64,
    /// Who brought the lock's data into doubt, by dying (times 2) or by panicking (times 2, plus 1); 0 for nobody.
    fallen: AtomicU64,
}

/// How long one who only tries waits for a lock inside a primitive. Its holders need less than a microsecond: a smaller value
/// takes one that lost its processor for a moment for a stopped one, a larger one makes tries slow while somebody is stopped.
const BRIEFLY: Duration = Duration::from_millis(5);

/// The word of a holder.
#[inline]
fn word_of(who: ProcessIdentity) -> u64 {
    who.to_bits() << 1
}

/// The holder that a word names.
fn holder_in(word: u64) -> Option<ProcessIdentity> {
    ProcessIdentity::from_bits(word >> 1)
}

impl RawMutex {
    /// Takes the lock if it is free, or if its holder is dead.
    #[inline]
    pub(crate) fn try_lock(&self, me: ProcessIdentity) -> bool {
        match self.word.compare_exchange(0, word_of(me), Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => true,
            Err(seen) => self.try_steal(me, seen),
        }
    }

    /// Takes the lock if it is free, whatever became of a holder.
    #[inline]
    pub(crate) fn take_if_free(&self, me: ProcessIdentity) -> bool {
        self.word.compare_exchange_weak(0, word_of(me), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Takes a lock that is never held for long, but by one who is stopped: `false` when that seems to be so.
    #[inline]
    pub(crate) fn lock_briefly(&self, me: ProcessIdentity) -> bool {
        self.try_lock(me) || self.lock(me, Instant::now().checked_add(BRIEFLY))
    }

    /// Takes the lock, and answers `false` only when the deadline has passed.
    #[inline]
    pub(crate) fn lock(&self, me: ProcessIdentity, until: Deadline) -> bool {
        self.take_if_free(me) || self.lock_slowly(me, until)
    }

    /// Gives the lock back. Does nothing when `me` does not hold it, as in a process that was copied from its holder.
    #[inline]
    pub(crate) fn unlock(&self, me: ProcessIdentity) {
        let free = self.word.compare_exchange(word_of(me), 0, Ordering::Release, Ordering::Relaxed);
        if let Err(seen) = free {
            self.unlock_slowly(me, seen, 1);
        }
    }

    /// As [`unlock`](Self::unlock), but wakes all who wait for the word to become free.
    pub(crate) fn unlock_for_all(&self, me: ProcessIdentity) {
        let seen = self.word.load(Ordering::Relaxed);
        self.unlock_slowly(me, seen, u32::MAX);
    }

    /// The process that holds the lock now.
    pub(crate) fn holder(&self) -> Option<ProcessIdentity> {
        holder_in(self.word.load(Ordering::Relaxed))
    }

    /// As [`holder`](Self::holder), after a SeqCst operation of the caller that another thread looks for after having taken the lock.
    #[inline]
    pub(crate) fn holder_in_order(&self) -> Option<ProcessIdentity> {
        // SeqCst: pairs with the fence that the other thread has between the two.
        holder_in(self.word.load(Ordering::SeqCst))
    }

    /// Sleeps until the lock is free or the deadline has passed (`false`), without taking it; but takes it from a dead
    /// holder and gives it back, so that the death is on record.
    pub(crate) fn wait_until_free(&self, me: ProcessIdentity, until: Deadline) -> bool {
        let mut patience = Patience::with_a_holder(until);
        let mut seen = self.spin();
        while seen != 0 {
            if patience.is_over() {
                return false;
            }
            if self.announce(&mut seen) {
                self.word.wait(seen, patience.nap());
                seen = self.word.load(Ordering::Relaxed);
                if patience.slept_through() && self.steal_from_the_dead(me, seen) {
                    self.unlock_for_all(me);
                }
                seen = self.word.load(Ordering::Relaxed);
            }
        }
        true
    }

    /// Who brought the data into doubt, and whether by panicking.
    #[inline]
    pub(crate) fn fallen(&self) -> Option<(ProcessIdentity, bool)> {
        let word = self.fallen.load(Ordering::Relaxed);
        if word == 0 { None } else { holder_in(word).map(|who| (who, word & 1 != 0)) }
    }

    /// Records that the holder leaves the data in doubt.
    pub(crate) fn panicked(&self, me: ProcessIdentity) {
        self.fallen.store(word_of(me) | 1, Ordering::Relaxed);
    }

    pub(crate) fn absolve(&self) {
        self.fallen.store(0, Ordering::Relaxed);
    }

    /// As [`lock`](Self::lock), where the lock was just seen not to be free.
    #[cold]
    pub(crate) fn lock_slowly(&self, me: ProcessIdentity, until: Deadline) -> bool {
        let mut patience = Patience::with_a_holder(until);
        let mut mine = word_of(me);
        let mut seen = self.spin();
        loop {
            if seen == 0 {
                match self.word.compare_exchange_weak(0, mine, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return true,
                    Err(other) => seen = other,
                }
            } else if patience.is_over() {
                return self.try_steal(me, seen);
            } else if self.announce(&mut seen) {
                self.word.wait(seen, patience.nap());
                mine |= SLEEPERS;
                seen = self.spin();
                if patience.slept_through() && self.steal_from_the_dead(me, seen) {
                    return true;
                }
            }
        }
    }

    /// Sets the mark that somebody sleeps. `false` when the word has changed meanwhile; `seen` is up to date after both.
    fn announce(&self, seen: &mut u64) -> bool {
        if *seen & SLEEPERS != 0 {
            return true;
        }
        let marked = *seen | SLEEPERS;
        match self.word.compare_exchange(*seen, marked, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => *seen = marked,
            Err(other) => *seen = other,
        }
        *seen == marked
    }

    /// Waits a little for a holder that is about to be done, and answers with the last word seen.
    fn spin(&self) -> u64 {
        let mut spin = Spin::new();
        loop {
            let seen = self.word.load(Ordering::Relaxed);
            // Where others sleep already, spinning would only keep the word from them.
            if seen == 0 || seen & SLEEPERS != 0 || !spin.again() {
                return seen;
            }
        }
    }

    #[cold]
    fn try_steal(&self, me: ProcessIdentity, seen: u64) -> bool {
        match holder_in(seen) {
            Some(holder) if shim::was_alive_lately(holder) => false,
            _ => self.steal_from_the_dead(me, seen),
        }
    }

    /// Takes the lock from a dead holder, whom it records as fallen.
    fn steal_from_the_dead(&self, me: ProcessIdentity, seen: u64) -> bool {
        // A word that names no process at all was not written by a machine like this one: it is nobody's lock.
        let holder = holder_in(seen);
        if seen == 0 || holder.is_some_and(|holder| shim::is_alive(holder) && !shim::seeded(Seeded::StealFromTheLiving))
        {
            return false;
        }
        // Others may sleep: the mark is in nobody's memory but the dead one's word.
        let mine = word_of(me) | SLEEPERS;
        let taken = self.word.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken {
            // A word without a process in it is blamed on the first process of all, which never dies.
            self.fallen.store(holder.map_or(2, word_of), Ordering::Relaxed);
        }
        taken
    }

    #[cold]
    fn unlock_slowly(&self, me: ProcessIdentity, mut seen: u64, count: u32) {
        while seen & !SLEEPERS == word_of(me) {
            match self.word.compare_exchange(seen, 0, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    if seen & SLEEPERS != 0 && !shim::seeded(Seeded::UnlockWithoutWake) {
                        self.word.wake(count);
                    }
                    return;
                }
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(loom)]
impl RawMutex {
    pub(crate) fn fresh() -> RawMutex {
        RawMutex { word: Word64::fresh(), fallen: AtomicU64::new(0) }
    }

    pub(crate) fn end_naps(&self) {
        self.word.wake(u32::MAX);
    }
}
