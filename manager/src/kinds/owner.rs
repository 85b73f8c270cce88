//! [`Owner`]: who holds a lock: a thread of a process.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::ClientId;
use crate::server::context;

/// A thread of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) client: ClientId,
    thread: u64,
}

impl Owner {
    /// In the manager: the one on whose behalf the present call is made, with the number of its thread that came with it.
    pub(crate) fn caller(thread: u64) -> Owner {
        Owner { client: context::caller(), thread }
    }

    pub(crate) fn is_of(self, client: u64) -> bool {
        self.client == ClientId(client)
    }
}

/// The number of the calling thread in its process.
pub(crate) fn thread() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static OWN: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}
