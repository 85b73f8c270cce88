//! [`Mapped`]: a lock that is mapped in this process, where a fork finds out whether the process holds it.

use std::collections::BTreeMap;
use std::sync::{Mutex, Once};

use procession_core::os::held;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex::lock;

/// A machine whose guards lend data.
pub(crate) trait DataLock: Sync {
    /// Returns whether any guard of that process holds it.
    fn is_held_by(&self, process: ProcessIdentity) -> bool;
}

/// A lock with the name of its primitive.
type Named = (&'static str, &'static dyn DataLock);

/// All locks that are mapped, by their addresses. Locking does not touch it, so that only programs that fork pay for the check.
static MAPPED: Mutex<BTreeMap<usize, Named>> = Mutex::new(BTreeMap::new());

/// The place of a lock in the list, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mapped(usize);

impl Mapped {
    /// Lists a lock.
    pub(crate) fn new(name: &'static str, machine: &'static dyn DataLock) -> Mapped {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| held::register(held_lock));
        let address = std::ptr::from_ref(machine).addr();
        lock(&MAPPED).insert(address, (name, machine));
        Mapped(address)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        lock(&MAPPED).remove(&self.0);
    }
}

/// Returns the name of a lock that this process holds.
fn held_lock() -> Option<&'static str> {
    let me = ProcessIdentity::current();
    lock(&MAPPED).values().find_map(|(name, machine)| machine.is_held_by(me).then_some(*name))
}
