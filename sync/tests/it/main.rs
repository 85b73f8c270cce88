//! The crate from outside: real processes, real deaths.

procession_process::init_at_load!();

mod helpers;

mod copies;
mod counter;
mod death;
mod hostile;
mod meeting;
mod parts;
mod passing;
mod permits;
mod poison;
mod shared_memory;
mod tickets;
mod timeouts;
mod traits;
