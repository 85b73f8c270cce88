//! [`Holding`]: which process took a guard, so that a copy of it cannot use what it does not hold.

use std::fmt;
use std::marker::PhantomData;
use std::thread;

use procession_core::os::identity::ProcessIdentity;

use crate::raw::mutex::RawMutex;

/// What a guard remembers of the moment in which its lock was taken.
#[derive(Debug)]
pub(crate) struct Holding {
    me: ProcessIdentity,
    /// Whether the thread was panicking already: then a panic is not this holder's.
    panicking: bool,
    of_this_thread: PhantomData<*const ()>,
}

impl Holding {
    /// For one who has just taken a lock.
    #[inline]
    pub(crate) fn begin() -> Holding {
        Holding { me: ProcessIdentity::current(), panicking: thread::panicking(), of_this_thread: PhantomData }
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
            in_a_copy();
        }
    }

    /// Who gives the lock back. A panic that began while it was held leaves its mark, unless it is a copy's.
    #[inline]
    pub(crate) fn end(&self, lock: &RawMutex) -> ProcessIdentity {
        let me = ProcessIdentity::current();
        if !self.panicking && me == self.me && thread::panicking() {
            lock.panicked(me);
        }
        me
    }
}

#[cold]
#[track_caller]
fn in_a_copy() -> ! {
    panic!("this guard belongs to the process that this one is a copy of: take the lock anew in the copy")
}

/// What `Debug` shows in place of data that another holds.
pub(crate) struct LockedBy(pub(crate) Option<u32>);

impl fmt::Debug for LockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "<locked by process {pid}>"),
            None => f.write_str("<locked>"),
        }
    }
}
