//! [`Turn`]: one start at a time with the server of this process, and nobody waits longer than it wants to.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use procession_core::os::identity::ProcessIdentity;

use super::server::Server;
use super::until::Until;
use crate::spawn_error::SpawnError;

/// The server of this process, while there is one, and whose turn it is.
struct Slot {
    server: Option<Server>,
    /// Who has it now. In a copy of that process nobody ever gives it back.
    taken_by: Option<ProcessIdentity>,
}

static SLOT: Mutex<Slot> = Mutex::new(Slot { server: None, taken_by: None });
static GIVEN_BACK: Condvar = Condvar::new();

/// The right to use the server, given back when it is dropped.
pub(super) struct Turn {
    /// What is here then is the server of the next turn.
    pub(super) server: Option<Server>,
}

impl Turn {
    pub(super) fn take(until: Until) -> Result<Turn, SpawnError> {
        let (mut slot, me) = (lock(), ProcessIdentity::current());
        while slot.taken_by == Some(me) {
            slot = match until.left() {
                None => GIVEN_BACK.wait(slot).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Err(until.silent()),
                Some(left) => GIVEN_BACK.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        slot.taken_by = Some(me);
        Ok(Turn { server: slot.server.take() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut slot = lock();
        (slot.server, slot.taken_by) = (self.server.take(), None);
        GIVEN_BACK.notify_one();
    }
}

/// Ends the server, if there is one.
pub(crate) fn stop() {
    if let Ok(mut turn) = Turn::take(Until::default()) {
        drop(turn.server.take());
    }
}

/// Lets go of the server, which is that of the process that this one was copied from.
pub(crate) fn disown() {
    drop(lock().server.take());
}

fn lock() -> MutexGuard<'static, Slot> {
    SLOT.lock().unwrap_or_else(PoisonError::into_inner)
}
