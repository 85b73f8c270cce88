//! [`SlotGuard`]: one start at a time uses the server of this process, and each caller waits until its own deadline only.

use std::sync::{Condvar, Mutex, MutexGuard};

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex;

use super::deadline::StartDeadline;
use super::server_handle::Server;
use crate::spawn_error::SpawnError;

/// The server of this process, while there is one, and its user.
struct Slot {
    /// `None` before the first start, while a caller uses it, and after [`stop_server`].
    server: Option<Server>,
    /// The process that uses it now. In a copy of that process it is never released.
    taken_by: Option<ProcessIdentity>,
}

/// The server of this process. The mutex is held for moments only: a caller takes the server out and works without it.
static SLOT: Mutex<Slot> = Mutex::new(Slot { server: None, taken_by: None });
/// Notified at each release of the slot.
static RELEASED: Condvar = Condvar::new();

/// The right to use the server, until it is dropped.
pub(super) struct SlotGuard {
    /// The server, which goes back into the slot.
    pub(super) server: Option<Server>,
}

impl SlotGuard {
    /// Waits for its turn. The error of a deadline that passes meanwhile is [`SpawnError::TimedOut`]; then nothing was started.
    pub(super) fn take(until: StartDeadline) -> Result<SlotGuard, SpawnError> {
        let (mut slot, me) = (lock(), ProcessIdentity::current());
        while slot.taken_by == Some(me) {
            slot = match until.remaining() {
                None => mutex::ignore_poison(RELEASED.wait(slot)),
                Some(remaining) if remaining.is_zero() => return Err(until.timeout_error()),
                Some(remaining) => mutex::ignore_poison(RELEASED.wait_timeout(slot, remaining)).0,
            };
        }
        // The server is taken out and not used under the mutex, which has no deadline.
        slot.taken_by = Some(me);
        Ok(SlotGuard { server: slot.server.take() })
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut slot = lock();
        (slot.server, slot.taken_by) = (self.server.take(), None);
        // One is enough: a woken thread takes a free slot even when its deadline has passed, so that no wake-up is lost.
        RELEASED.notify_one();
    }
}

/// Ends the server process that [`StartMethod::Server`](crate::StartMethod::Server) has started, if there is one, and gives
/// back its descriptors.
///
/// Nothing else changes: running children stay, and the next start brings a new server.
///
/// ```
/// use procession_process::{Process, stop_server};
///
/// # procession_process::init();
/// assert_eq!(Process::spawn(|n: i32| n + 1, 1)?.join()?, 2);
/// stop_server();
/// assert_eq!(Process::spawn(|n: i32| n + 1, 2)?.join()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stop_server() {
    if let Ok(mut slot_guard) = SlotGuard::take(StartDeadline::default()) {
        drop(slot_guard.server.take());
    }
}

/// Drops the server, which belongs to the original of this copy.
pub(crate) fn forget_inherited() {
    // No other thread of the original can have held the mutex: `fork` refuses a process with several threads.
    drop(lock().server.take());
}

fn lock() -> MutexGuard<'static, Slot> {
    mutex::lock(&SLOT)
}
