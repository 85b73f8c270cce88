//! What lies in the shared memory of a channel, and what a process does to it while it holds a lock.

pub(crate) mod chain;
pub(crate) mod copy_target;
pub(crate) mod error;
pub(crate) mod extent_ref;
pub(crate) mod extents;
pub(crate) mod large_message;
pub(crate) mod layout;
pub(crate) mod limits;
mod locked_end;
pub(crate) mod outstanding;
pub(crate) mod record;
pub(crate) mod recovery;
pub(crate) mod shared_memory;
pub(crate) mod until;
