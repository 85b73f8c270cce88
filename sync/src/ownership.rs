//! [`Owner`] and [`Ownership`]: the process that took a guard, so that a copy of the process cannot use the guard.

use std::fmt;
use std::marker::PhantomData;
use std::thread;

use procession_core::os::identity::ProcessIdentity;

use crate::raw::mutex::RawMutex;

/// The process that took a lock, in a thread that keeps the guard.
#[derive(Debug)]
pub(crate) struct Owner {
    me: ProcessIdentity,
    of_this_thread: PhantomData<*const ()>,
}

impl Owner {
    /// Records the process that has just taken a lock, which is this one.
    #[inline]
    pub(crate) fn new(me: ProcessIdentity) -> Owner {
        Owner { me, of_this_thread: PhantomData }
    }

    /// Returns only in the process that took the lock. A guard may be in a thread-local or in leaked memory when its process is copied
    /// by a bare `fork`; the copy has the guard, but the original has the lock.
    ///
    /// # Panics
    ///
    /// In a copy.
    #[inline]
    #[track_caller]
    pub(crate) fn check(&self) {
        if ProcessIdentity::current() != self.me {
            panic_in_copy();
        }
    }
}

/// The owner of a lock that can be poisoned, and whether its thread was panicking when it took the lock.
#[derive(Debug)]
pub(crate) struct Ownership {
    owner: Owner,
    /// Whether the thread was panicking already: then the panic does not poison the lock.
    panicking: bool,
}

impl Ownership {
    /// Records the state when a lock was just taken by this process.
    #[inline]
    pub(crate) fn begin(me: ProcessIdentity) -> Ownership {
        Ownership { owner: Owner::new(me), panicking: thread::panicking() }
    }

    /// Returns only in the process that took the lock, as [`Owner::check`] does.
    #[inline]
    #[track_caller]
    pub(crate) fn check(&self) {
        self.owner.check();
    }

    /// Poisons the lock if a panic began while it was held. Returns the process that releases it.
    #[inline]
    pub(crate) fn end(&self, lock: &RawMutex) -> ProcessIdentity {
        let me = ProcessIdentity::current();
        // A copy of the process unwinds its own guards, but the data belongs to the lock holder.
        // A guard that was taken while the thread unwound, by a destructor, is dropped in an orderly way: as in std.
        if !self.panicking && me == self.owner.me && thread::panicking() {
            lock.poison_by_panic(me);
        }
        me
    }
}

#[cold]
#[track_caller]
fn panic_in_copy() -> ! {
    panic!("this guard belongs to the process that this one is a copy of: take the lock anew in the copy")
}

/// The text of `Debug` in place of data that is locked.
pub(crate) struct LockedBy(pub(crate) Option<u32>);

impl fmt::Debug for LockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "<locked by process {pid}>"),
            None => f.write_str("<locked>"),
        }
    }
}
