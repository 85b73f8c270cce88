//! What a program calls: pools, jobs, results.

pub(crate) mod async_result;
mod broadcast;
pub(crate) mod builder;
pub(crate) mod hosts;
pub(crate) mod imap;
pub(crate) mod job;
pub(crate) mod pool;
mod validate;
pub(crate) mod waiting;
mod worker_state;
