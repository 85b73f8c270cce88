//! The crate from outside: real processes, real deaths.

procession_process::init_at_load!();

mod death;
mod joinable;
mod pipe;
mod queue;
mod stopped;
