//! The agent: what runs on another host in place of a pool. It starts workers there and has their rings, and decides nothing.
//!
//! It is single-threaded around one poller: the link to the pool, and the workers' links, ends and standard error. To its workers it is
//! the pool that sleeps until it is notified.

mod beats;
mod hosted_worker;
mod orders;
mod reports;
mod run;
pub(crate) mod serve;
