//! The lock word with a memory of the thread that holds it and of how often.
//!
//! | `thread` | `depth` | meaning |
//! | --- | --- | --- |
//! | 0 or another's | any | this thread does not hold the lock |
//! | mine, and the word names my process | n | this thread holds the lock n times |
//!
//! Both are written by the holder only. A thread of another process may have the same number: the word decides.

use super::mutex::RawMutex;
use super::patience::Deadline;
use super::shim::{AtomicU32, AtomicU64, Identity, Ordering};

/// A lock that its holding thread can take again.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawReentrant {
    lock: RawMutex,
    thread: AtomicU64,
    depth: AtomicU32,
}

impl RawReentrant {
    /// Takes the lock once more; `false` when the deadline has passed.
    ///
    /// # Panics
    ///
    /// The thread holds the lock 2^32 - 1 times already.
    pub(crate) fn lock(&self, me: Identity, thread: u64, until: Deadline) -> bool {
        self.deepen(me, thread) || (self.lock.lock(me, until) && self.begin(thread))
    }

    pub(crate) fn try_lock(&self, me: Identity, thread: u64) -> bool {
        self.deepen(me, thread) || (self.lock.try_lock(me) && self.begin(thread))
    }

    /// Gives the lock back once.
    pub(crate) fn unlock(&self, me: Identity) {
        // In a process that was copied from the holder, the lock is not this one's.
        if self.lock.holder() != Some(me) {
            return;
        }
        let depth = self.depth.load(Ordering::Relaxed).saturating_sub(1);
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            self.thread.store(0, Ordering::Relaxed);
            self.lock.unlock(me);
        }
    }

    #[inline]
    pub(crate) fn raw(&self) -> &RawMutex {
        &self.lock
    }

    /// Once more, if this thread holds the lock.
    fn deepen(&self, me: Identity, thread: u64) -> bool {
        // Only this thread writes its own number, so it reads its own writes; every other number is a "no".
        let mine = self.thread.load(Ordering::Relaxed) == thread && self.lock.holder() == Some(me);
        if mine {
            let depth = self.depth.load(Ordering::Relaxed).checked_add(1);
            self.depth.store(depth.expect("a thread took a reentrant lock 2^32 times"), Ordering::Relaxed);
        }
        mine
    }

    /// The first time. Always `true`.
    fn begin(&self, thread: u64) -> bool {
        self.depth.store(1, Ordering::Relaxed);
        self.thread.store(thread, Ordering::Relaxed);
        true
    }
}
