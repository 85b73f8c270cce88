//! [`Ownership`]: the process that took a guard, so that a copy of the process cannot use the guard.

use std::fmt;
use std::marker::PhantomData;
use std::thread;

use procession_core::os::identity::ProcessIdentity;

use crate::raw::mutex::RawMutex;

/// The process that took a lock, and whether it was panicking then.
#[derive(Debug)]
pub(crate) struct Ownership {
    me: ProcessIdentity,
    /// Whether the thread was panicking already: then the panic does not poison the lock.
    panicking: bool,
    of_this_thread: PhantomData<*const ()>,
}

impl Ownership {
    /// Records the state when a lock was just taken.
    #[inline]
    pub(crate) fn begin() -> Ownership {
        Ownership { me: ProcessIdentity::current(), panicking: thread::panicking(), of_this_thread: PhantomData }
    }

    /// Returns only in the process that took the lock. A guard may be in a thread-local or in leaked memory when its process is copied;
    /// the copy has the guard, but the original has the lock.
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

    /// Poisons the lock if a panic began while it was held. Returns the process that releases it.
    #[inline]
    pub(crate) fn end(&self, lock: &RawMutex) -> ProcessIdentity {
        let me = ProcessIdentity::current();
        // A copy of the process unwinds its own guards, but the data belongs to the lock holder.
        // A guard that was taken while the thread unwound, by a destructor, is dropped in an orderly way: as in std.
        if !self.panicking && me == self.me && thread::panicking() {
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
