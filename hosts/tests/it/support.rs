//! What several tests need.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use procession_hosts::{Executable, Hosts};

/// No test takes longer, unless it hangs.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// Hosts that are all this one: a shell starts their agents. The executable lies where it is.
pub(crate) fn here(names: &[&str]) -> Hosts {
    Hosts::command("sh -c {agent}").on(names).executable(Executable::Same)
}

/// Waits for a condition.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < GUARD, "{what}: has not come");
        thread::yield_now();
    }
}

/// Returns whether a process runs: it is there, and no zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])))
}

/// Tasks of the tests.
pub(crate) mod tasks {
    use std::os::unix::process::parent_id;

    pub(crate) fn square(n: u64) -> u64 {
        n * n
    }

    /// The numbers of the worker and of its agent.
    pub(crate) fn pids(_: u64) -> (u32, u32) {
        (std::process::id(), parent_id())
    }
}
