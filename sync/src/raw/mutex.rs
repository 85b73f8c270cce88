//! The lock word: it names the lock holder, so that a dead holder is not taken for a slow one, nor the other way round.
//!
//! | word | meaning |
//! | --- | --- |
//! | 0 | free (sleepers that were just woken may be on their way) |
//! | identity × 2 | held by that process, no thread sleeps |
//! | identity × 2 + 1 | held by that process, threads may sleep: wake one when unlocking |
//!
//! | from | to | by |
//! | --- | --- | --- |
//! | 0 | me | `lock`, `try_lock` |
//! | 0 | me + 1 | `lock` of a thread that has slept: others may sleep still |
//! | other | other + 1 | a thread that is about to sleep |
//! | dead (+ 1) | me + 1 | a thread that found the holder dead, then `poison` names the dead one |
//! | me | 0 | `unlock` |
//! | me + 1 | 0, wake one | `unlock` |
//!
//! Killed while holding: the word names the dead process. Killed between the last store and the wake, or after having been
//! woken: the word is 0 and the sleepers find it so at the end of their sleep.

use std::time::Instant;

use super::backoff::{Deadline, Spin, timer_with_holder};
use super::shim::{self, AtomicU64, Ordering, ProcessIdentity, Seeded, Word64};
use crate::tuning::INTERNAL_LOCK_TIMEOUT;

/// The bit of the word that says that threads may sleep on it.
const SLEEPERS: u64 = 1;

/// A lock that names its holder.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawMutex {
    word: Word64,
    /// The process that left the data in doubt, by dying (times 2) or by panicking (times 2, plus 1); 0 for none.
    poison: AtomicU64,
}

/// The word of a lock held by `who`.
#[inline]
fn word_held_by(who: ProcessIdentity) -> u64 {
    who.to_bits() << 1
}

/// The lock holder that a word names.
fn holder_in(word: u64) -> Option<ProcessIdentity> {
    ProcessIdentity::from_bits(word >> 1)
}

impl RawMutex {
    /// Takes the lock if it is free, or if its holder is dead. Returns whether it was taken.
    #[inline]
    pub(crate) fn try_lock(&self, me: ProcessIdentity) -> bool {
        // Acquire: pairs with the Release in `unlock` and `unlock_slow`.
        match self.word.compare_exchange(0, word_held_by(me), Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => true,
            Err(seen) => self.try_take_over(me, seen),
        }
    }

    /// Takes the lock if it is free, without a look at its holder. It may fail although the lock is free.
    #[inline]
    pub(crate) fn try_lock_if_free(&self, me: ProcessIdentity) -> bool {
        // Acquire: pairs with the Release in `unlock` and `unlock_slow`.
        self.word.compare_exchange_weak(0, word_held_by(me), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Takes a lock that only a stopped process holds for long. Returns `false` when that seems to be so.
    #[inline]
    pub(crate) fn lock_internal(&self, me: ProcessIdentity) -> bool {
        self.try_lock(me) || self.lock(me, Instant::now().checked_add(INTERNAL_LOCK_TIMEOUT))
    }

    /// Takes the lock. Returns `false` only when the deadline has passed.
    #[inline]
    pub(crate) fn lock(&self, me: ProcessIdentity, deadline: Deadline) -> bool {
        self.try_lock_if_free(me) || self.lock_slow(me, deadline)
    }

    /// Releases the lock. Does nothing when `me` does not hold it, as in a copy of the lock holder.
    #[inline]
    pub(crate) fn unlock(&self, me: ProcessIdentity) {
        // Release: pairs with the Acquire of every way to take the lock.
        let free = self.word.compare_exchange(word_held_by(me), 0, Ordering::Release, Ordering::Relaxed);
        if let Err(seen) = free {
            // One sleeper, because one can have the lock. It sets the mark again for those that sleep on.
            self.unlock_slow(me, seen, 1);
        }
    }

    /// Releases the lock and wakes all threads that wait for the word to become free.
    #[inline]
    pub(crate) fn unlock_and_wake_all(&self, me: ProcessIdentity) {
        // Release: pairs with the Acquire of every way to take the lock.
        let free = self.word.compare_exchange(word_held_by(me), 0, Ordering::Release, Ordering::Relaxed);
        if let Err(seen) = free {
            // Readers wait for this word without taking the lock. Each can go on, so that waking one would leave the rest asleep.
            self.unlock_slow(me, seen, u32::MAX);
        }
    }

    /// Returns the process that holds the lock now.
    pub(crate) fn holder(&self) -> Option<ProcessIdentity> {
        holder_in(self.word.load(Ordering::Relaxed))
    }

    /// Returns the lock holder after a SeqCst store of the caller, which the holder looks for after it has taken the lock.
    #[inline]
    pub(crate) fn holder_seq_cst(&self) -> Option<ProcessIdentity> {
        // SeqCst: pairs with the fence between the holder's two steps, so that at least one side sees the other.
        holder_in(self.word.load(Ordering::SeqCst))
    }

    /// Sleeps until the lock is free, without taking it, or until the deadline (`false`). From a dead holder the lock is
    /// taken and released at once, so that the death is on record.
    pub(crate) fn wait_until_free(&self, me: ProcessIdentity, deadline: Deadline) -> bool {
        let mut timer = timer_with_holder(deadline);
        let mut seen = self.spin();
        while seen != 0 {
            if timer.is_over() {
                return false;
            }
            if self.mark_sleepers(&mut seen) {
                self.word.wait(seen, timer.next_sleep());
                seen = self.word.load(Ordering::Relaxed);
                // Only after a whole sleep: a thread that was woken has seen the lock change hands, and asking the kernel
                // takes 3 µs.
                if shim::slept_through(&timer) && self.take_over_from_dead(me, seen) {
                    self.unlock_and_wake_all(me);
                }
                seen = self.word.load(Ordering::Relaxed);
            }
        }
        true
    }

    /// Returns the process that left the data in doubt, and whether it panicked.
    #[inline]
    pub(crate) fn poisoned_by(&self) -> Option<(ProcessIdentity, bool)> {
        // Relaxed: read by the lock holder, whom the Acquire of the word has shown what earlier holders stored.
        let word = self.poison.load(Ordering::Relaxed);
        if word == 0 { None } else { holder_in(word).map(|who| (who, word & 1 != 0)) }
    }

    /// Records that the lock holder panicked.
    pub(crate) fn poison_by_panic(&self, me: ProcessIdentity) {
        self.poison.store(word_held_by(me) | 1, Ordering::Relaxed);
    }

    pub(crate) fn clear_poison(&self) {
        self.poison.store(0, Ordering::Relaxed);
    }

    /// Takes a lock that was just seen not to be free. Returns `false` only when the deadline has passed.
    #[cold]
    pub(crate) fn lock_slow(&self, me: ProcessIdentity, deadline: Deadline) -> bool {
        let mut timer = timer_with_holder(deadline);
        let mut mine = word_held_by(me);
        let mut seen = self.spin();
        loop {
            if seen == 0 {
                // Acquire: pairs with the Release in `unlock` and `unlock_slow`.
                match self.word.compare_exchange_weak(0, mine, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return true,
                    Err(other) => seen = other,
                }
            } else if timer.is_over() {
                // The last look: the holder may have died in a sleep that the deadline has cut short.
                return self.try_take_over(me, seen);
            } else if self.mark_sleepers(&mut seen) {
                self.word.wait(seen, timer.next_sleep());
                // Other threads may sleep still, whose mark the last unlock has cleared.
                mine |= SLEEPERS;
                seen = self.spin();
                if shim::slept_through(&timer) && self.take_over_from_dead(me, seen) {
                    return true;
                }
            }
        }
    }

    /// Sets the mark of sleepers. Returns `false` when the word has changed meanwhile; `seen` is up to date after both.
    fn mark_sleepers(&self, seen: &mut u64) -> bool {
        if *seen & SLEEPERS != 0 {
            return true;
        }
        let marked = *seen | SLEEPERS;
        // Relaxed: the mark publishes nothing. A holder that unlocks meanwhile makes this fail, and one that unlocks later sees it.
        match self.word.compare_exchange(*seen, marked, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => *seen = marked,
            Err(other) => *seen = other,
        }
        *seen == marked
    }

    /// Spins for a moment while the lock is held. Returns the last word seen.
    fn spin(&self) -> u64 {
        let mut spin = Spin::new();
        loop {
            let seen = self.word.load(Ordering::Relaxed);
            // Where others sleep already, spinning would only keep the word from them.
            if seen == 0 || seen & SLEEPERS != 0 || !spin.pause() {
                return seen;
            }
        }
    }

    #[cold]
    fn try_take_over(&self, me: ProcessIdentity, seen: u64) -> bool {
        match holder_in(seen) {
            Some(holder) if shim::was_alive_recently(holder) => false,
            _ => self.take_over_from_dead(me, seen),
        }
    }

    /// Takes the lock from a dead holder and records the death. Returns whether it was taken.
    fn take_over_from_dead(&self, me: ProcessIdentity, seen: u64) -> bool {
        // A word that names no process was not written by this code: no living process holds the lock.
        let holder = holder_in(seen);
        if seen == 0 || holder.is_some_and(|holder| shim::is_alive(holder) && !shim::seeded(Seeded::TakeOverFromLiving))
        {
            return false;
        }
        // Other threads may sleep: their mark was in the word of the dead holder only.
        let mine = word_held_by(me) | SLEEPERS;
        // Acquire: the dead holder released nothing, but earlier holders did, in the release sequence that its word ends.
        let taken = self.word.compare_exchange(seen, mine, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken {
            // A word that names no process is blamed on process 1, which never dies.
            self.poison.store(holder.map_or(2, word_held_by), Ordering::Relaxed);
        }
        taken
    }

    #[cold]
    fn unlock_slow(&self, me: ProcessIdentity, mut seen: u64, count: u32) {
        while seen & !SLEEPERS == word_held_by(me) {
            // Release: pairs with the Acquire of every way to take the lock.
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
        RawMutex { word: Word64::fresh(), poison: AtomicU64::new(0) }
    }

    pub(crate) fn wake_sleepers(&self) {
        self.word.wake(u32::MAX);
    }
}
