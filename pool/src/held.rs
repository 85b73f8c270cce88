//! [`Held`]: the lock of a pool while a thread has it, and what that thread does when it has given it back.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use crate::guard;
use crate::shared::Floor;

/// The floor, locked. Whoever watches for results is told of them when it is not any more: to be woken is code of the user's, which
/// may call the same pool.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    /// `None` from the end on.
    floor: Option<MutexGuard<'a, Floor>>,
}

impl<'a> Held<'a> {
    pub(crate) fn new(floor: MutexGuard<'a, Floor>) -> Held<'a> {
        Held { floor: Some(floor) }
    }
}

impl Deref for Held<'_> {
    type Target = Floor;

    #[inline]
    fn deref(&self) -> &Floor {
        self.floor.as_deref().expect("it is locked until it is dropped")
    }
}

impl DerefMut for Held<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Floor {
        self.floor.as_deref_mut().expect("it is locked until it is dropped")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(mut floor) = self.floor.take() else { return };
        let calls = floor.dispatcher.take_calls();
        drop(floor);
        for call in calls {
            // A panic of whoever is woken has been reported on stderr by then, and is nobody else's business.
            let _panicked = guard::run(|| call.call());
        }
    }
}
