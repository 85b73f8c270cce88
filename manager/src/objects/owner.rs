//! [`Owner`]: who holds a lock: a guard or a thread of a process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::server::context;
use crate::wire::ids::ClientId;

/// A guard, or a thread, of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) client: ClientId,
    number: u64,
}

impl Owner {
    /// In the manager: the one on whose behalf the present call is made, with the number that came with it.
    pub(crate) fn caller(number: u64) -> Owner {
        Owner { client: context::caller(), number }
    }

    pub(crate) fn is_of(self, client: u64) -> bool {
        self.client == ClientId(client)
    }
}

/// Returns the number of the calling thread in its process.
pub(crate) fn thread() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        // Not the system's thread id, which is given out again after its thread has ended. Relaxed: it only has to be unique.
        static OWN: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}

/// A number that nothing else in this process has: of an acquisition, so that it can be undone without harm to another one.
pub(crate) fn unique() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    // Relaxed, as in `thread`: the number orders nothing.
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}
