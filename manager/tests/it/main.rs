//! What a manager does, seen from outside, with real processes.

procession_process::init_at_load!();

mod calls;
mod classics;
mod deaths;
mod deferred;
mod kinds;
mod model;
mod nesting;
mod parallel;
mod references;
mod remote;
mod support;
mod waiting;
