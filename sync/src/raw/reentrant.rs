//! The lock word with the thread that holds it and the number of times it does.
//!
//! | `owner` | `thread` | `depth` | meaning |
//! | --- | --- | --- | --- |
//! | not my process | any | any | this thread does not hold the lock |
//! | my process | another's | any | this thread does not hold the lock |
//! | my process, and so says the word | mine | n | this thread holds the lock n times |
//!
//! All three are written by the lock holder only, `owner` last when the lock is taken and first when it is released. So they speak
//! of the same holding, also while a thread that took the lock over from a dead holder has not yet written its own: numbers of threads
//! are given in each process anew, but `owner` then still names the dead process.

use super::backoff::Deadline;
use super::mutex::RawMutex;
use super::shim::{self, AtomicU32, AtomicU64, Ordering, ProcessIdentity, Seeded};

/// A lock that the holding thread can take again.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawReentrant {
    lock: RawMutex,
    /// The process that `thread` belongs to, as a number; 0 for none.
    owner: AtomicU64,
    thread: AtomicU64,
    depth: AtomicU32,
}

impl RawReentrant {
    /// Takes the lock once more. Returns `false` when the deadline has passed.
    ///
    /// # Panics
    ///
    /// The thread holds the lock 2^32 - 1 times already.
    pub(crate) fn lock(&self, me: ProcessIdentity, thread: u64, deadline: Deadline) -> bool {
        self.deepen(me, thread) || (self.lock.lock(me, deadline) && self.begin(me, thread))
    }

    pub(crate) fn try_lock(&self, me: ProcessIdentity, thread: u64) -> bool {
        self.deepen(me, thread) || (self.lock.try_lock(me) && self.begin(me, thread))
    }

    /// Releases the lock once.
    pub(crate) fn unlock(&self, me: ProcessIdentity) {
        // In a copy of the lock holder the lock is not held.
        if self.lock.holder() != Some(me) {
            return;
        }
        let depth = self.depth.load(Ordering::Relaxed).saturating_sub(1);
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            // Before the lock is free: the next holder writes it after having taken the lock. Relaxed: the Release of the word
            // comes after it.
            self.owner.store(0, Ordering::Relaxed);
            self.lock.unlock(me);
        }
    }

    #[inline]
    pub(crate) fn raw(&self) -> &RawMutex {
        &self.lock
    }

    /// Counts once more, if this thread holds the lock. Returns whether it does.
    fn deepen(&self, me: ProcessIdentity, thread: u64) -> bool {
        // Acquire: pairs with the Release in `begin`. A thread that sees its own process as the owner sees that holding's thread, too.
        let owned = self.owner.load(Ordering::Acquire) == me.to_bits();
        let mine = (owned || shim::seeded(Seeded::TakeOverWithoutOwner))
            && self.thread.load(Ordering::Relaxed) == thread
            && self.lock.holder() == Some(me);
        if mine {
            let depth = self.depth.load(Ordering::Relaxed).checked_add(1);
            self.depth.store(depth.expect("a thread took a reentrant lock 2^32 times"), Ordering::Relaxed);
        }
        mine
    }

    /// Returns how many times the lock is held now.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed)
    }

    /// Records the first time. Always returns `true`.
    fn begin(&self, me: ProcessIdentity, thread: u64) -> bool {
        // Both before `owner`: a thread that finds its own process there must not find the numbers of an earlier holding.
        self.depth.store(1, Ordering::Relaxed);
        self.thread.store(thread, Ordering::Relaxed);
        // Release: pairs with the Acquire in `deepen`.
        self.owner.store(me.to_bits(), Ordering::Release);
        true
    }
}

#[cfg(loom)]
impl RawReentrant {
    pub(crate) fn fresh() -> RawReentrant {
        RawReentrant {
            lock: RawMutex::fresh(),
            owner: AtomicU64::new(0),
            thread: AtomicU64::new(0),
            depth: AtomicU32::new(0),
        }
    }
}
