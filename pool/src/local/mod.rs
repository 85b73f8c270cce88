//! The worker processes of this machine, as the process that has started them holds them: a pool, or the agent of a host.

pub(crate) mod exit;
pub(crate) mod functions;
pub(crate) mod oom;
pub(crate) mod poller;
pub(crate) mod stderr;
pub(crate) mod worker_handle;
