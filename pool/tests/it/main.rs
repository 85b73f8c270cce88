//! The pool's tests with real processes, in one program.

procession_process::init_at_load!();

mod deaths;
mod ends;
mod lazy;
mod leaks;
mod maps;
mod setup;
mod support;
mod transport;
