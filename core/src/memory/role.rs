//! [`Role`]: what one handle alone may do with shared memory, of all that there are in all processes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::os::identity::ProcessIdentity;

/// Held for good by the handle that has taken it, in the process that has. A copy of the handle, in a fork of the process, does not hold it.
#[derive(Debug, Default)]
pub(crate) struct Role(Option<ProcessIdentity>);

impl Role {
    /// Takes the role if it is free: a word in the memory, 0 at first, names the holder.
    pub(crate) fn take(place: &AtomicU64) -> Role {
        let me = ProcessIdentity::current();
        // Acquires nothing: what lies in the memory is published by other words.
        let taken = place.compare_exchange(0, me.to_bits(), Ordering::Relaxed, Ordering::Relaxed);
        Role(taken.is_ok().then_some(me))
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        // A fork copies the handle with all its fields. Two holders of one role would write over each other.
        self.0.is_some_and(|holder| holder == ProcessIdentity::current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_once() {
        let place = AtomicU64::new(0);
        let (first, second) = (Role::take(&place), Role::take(&place));
        assert!(first.is_held() && !second.is_held() && !Role::default().is_held());
    }
}
