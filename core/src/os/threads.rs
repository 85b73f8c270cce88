//! How many threads this process has: what decides whether a fork can be safe.

use std::os::unix::fs::MetadataExt;
use std::{io, thread, time};

/// How long a thread that was joined may still be on its way out of the kernel's count.
const LEAVING: time::Duration = time::Duration::from_millis(20);

/// The number of threads of this process, as the kernel counts them.
///
/// # Errors
///
/// `/proc` is not mounted.
pub fn count() -> io::Result<u64> {
    // The folder has one sub-folder a thread, and two links of its own.
    Ok(std::fs::metadata("/proc/self/task")?.nlink().saturating_sub(2))
}

/// Whether the calling thread is the only one.
///
/// A thread that was joined leaves the kernel's count a moment after `join` has returned, so a first
/// "no" is asked again for a few milliseconds. Nobody but this thread can start another one meanwhile
/// once the answer is yes.
///
/// # Errors
///
/// As [`count`].
pub fn is_single() -> io::Result<bool> {
    let asked = time::Instant::now();
    while count()? != 1 {
        if asked.elapsed() > LEAVING {
            return Ok(false);
        }
        thread::yield_now();
    }
    Ok(true)
}

/// How many processors the calling thread may run on; `None` where the kernel knows more of them than can be asked for.
#[must_use]
pub fn affinity() -> Option<usize> {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).ok()?;
    let count = (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).count();
    (count > 0).then_some(count)
}
