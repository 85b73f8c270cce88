//! What a manager does, seen from outside, with real processes.

procession_process::init_at_load!();

mod callbacks;
mod calls;
mod classics;
mod cut_offs;
mod deaths;
mod deferred;
mod model;
mod nesting;
mod objects;
mod parallel;
#[cfg(all(feature = "pool", feature = "remote"))]
mod pool;
mod references;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "remote")]
mod remote_cut_offs;
mod seams;
mod stopped;
mod support;
mod waiting;
