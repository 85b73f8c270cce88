//! What several of the tests need.

use std::time::{Duration, Instant};

use procession_pool::Pool;
use serde::{Deserialize, Serialize};

/// A hang is a failure: no test takes so long, however slow the machine.
pub(crate) const FOREVER: Duration = Duration::from_secs(120);

/// Bytes that travel as one block, so that large ones are quick in a build without optimizations too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Block(#[serde(with = "procession_core::codec::bytes")] pub(crate) Vec<u8>);

pub(crate) fn pool(workers: usize) -> Pool {
    Pool::new(workers).expect("a pool")
}

/// Sends a signal to a process, as its enemy would.
pub(crate) fn send_signal(pid: u32, signal: &str) {
    let status = std::process::Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
    status.expect("the command `kill`");
}

/// Ends the calling process by a signal.
pub(crate) fn die_by(signal: &str) -> ! {
    send_signal(std::process::id(), signal);
    // It comes soon.
    loop {
        std::thread::park();
    }
}

/// Looks again and again until it is true. For what the kernel does in its own time.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < FOREVER, "{what} did not come true");
        std::thread::yield_now();
    }
}

/// Whether a process has not ended; one that nobody has waited for has.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Stops a process, and waits until it stands still.
pub(crate) fn stop(pid: u32) {
    send_signal(pid, "STOP");
    eventually("the stop", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    });
}
