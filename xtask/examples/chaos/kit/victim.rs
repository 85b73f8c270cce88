//! A process that works until it is killed or told to end.

use procession_process::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Failure, HANG};

/// Starts a process that does not outlive this one.
pub(crate) fn start<A: Serialize + DeserializeOwned>(life: fn(A), argument: A) -> Result<Process<()>, Failure> {
    Ok(Process::builder().daemon(true).spawn(life, argument)?)
}

/// Kills a process, which must not have ended by itself.
pub(crate) fn kill(process: &Process<()>) -> Result<(), Failure> {
    process.kill();
    let outcome = process.join_timeout(HANG);
    match process.exit_code() {
        Some(-9) => Ok(()),
        _ => Err(format!("a process ended before it was killed: {outcome:?}").into()),
    }
}

/// Waits for a process that was told to end.
pub(crate) fn await_end(who: &str, process: &Process<()>) -> Result<(), Failure> {
    match process.join_timeout(HANG) {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err(format!("{who} does not end").into()),
        Err(error) => Err(format!("{who} failed: {error}").into()),
    }
}
