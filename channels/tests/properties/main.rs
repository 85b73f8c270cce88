//! What holds for any use of queues and pipes, shown with real processes.

mod corruption;
mod pipe;
mod queue;
mod support;

procession_process::init_at_load!();
