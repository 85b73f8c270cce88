//! The pool's tests with real processes, in one program.

procession_process::init_at_load!();

mod agents;
mod asynchronous;
mod blame;
mod broadcasts;
mod company;
mod contexts;
mod deaths;
mod endless;
mod ends;
mod farewells;
mod figures;
mod hostile;
mod last_words;
mod lazy;
mod leaks;
mod maps;
mod policies;
mod setup;
mod stopped;
mod support;
mod tending;
mod transport;
mod unbegun;
mod wakers;
