//! Waiting for many things at once, with `wait` and in tasks of tokio.

#[cfg(feature = "tokio")]
mod cut_offs;
#[cfg(feature = "tokio")]
mod tasks;
mod wait;

procession_process::init_at_load!();
