//! How many threads this process has: what decides whether a fork can be safe.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::{io, process, thread, time};

use super::descriptors::above_standard;
use super::refusal::no_proc;

/// How long a thread that was joined may still be on its way out of the kernel's count.
const LEAVING: time::Duration = time::Duration::from_millis(20);

/// Counts the threads of the process that made it.
///
/// ```
/// let counter = procession_core::os::threads::Counter::new()?;
/// assert!(counter.count()? >= 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Counter {
    /// The kernel's folder of this process's threads, kept open because finding it costs more than asking.
    threads: File,
    owner: u32,
}

impl Counter {
    /// Makes a counter for the calling process.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted, or the limit on descriptors.
    ///
    /// ```
    /// # use procession_core::os::threads::Counter;
    /// let counter = Counter::new()?;
    /// assert!(counter.count()? >= 1, "the one that asks");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Counter> {
        let threads = File::open("/proc/self/task").map_err(no_proc)?;
        Ok(Counter { threads: above_standard(threads.into())?.into(), owner: process::id() })
    }

    /// The number of threads, as the kernel counts them.
    ///
    /// # Errors
    ///
    /// The caller is a copy of the process that made the counter.
    ///
    /// ```
    /// # use procession_core::os::threads::Counter;
    /// let counter = Counter::new()?;
    /// let before = counter.count()?;
    /// std::thread::spawn(std::thread::park);
    /// assert_eq!(counter.count()?, before + 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn count(&self) -> io::Result<u64> {
        // The folder shows the threads of the process that opened it, also to a fork that has inherited the descriptor.
        if process::id() != self.owner {
            return Err(io::Error::other("this counter counts the threads of another process"));
        }
        // The folder has one sub-folder a thread, and two links of its own.
        Ok(self.threads.metadata()?.nlink().saturating_sub(2))
    }

    /// Returns whether the calling thread is the only one.
    ///
    /// A thread that was joined leaves the kernel's count a moment after `join` has returned, so a first
    /// "no" is asked again for a few milliseconds. Only this thread can start another one meanwhile
    /// once the answer is yes.
    ///
    /// # Errors
    ///
    /// As [`count`](Counter::count).
    ///
    /// ```
    /// # use procession_core::os::threads::Counter;
    /// let counter = Counter::new()?;
    /// std::thread::spawn(std::thread::park);
    /// assert!(!counter.is_single()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_single(&self) -> io::Result<bool> {
        let asked = time::Instant::now();
        while self.count()? != 1 {
            if asked.elapsed() > LEAVING {
                return Ok(false);
            }
            thread::yield_now();
        }
        Ok(true)
    }
}

/// Returns whether the calling thread is the only one of this process. See [`Counter::is_single`].
///
/// # Errors
///
/// As [`Counter::new`].
///
/// ```
/// std::thread::spawn(std::thread::park);
/// assert!(!procession_core::os::threads::is_single()?);
/// # std::io::Result::Ok(())
/// ```
pub fn is_single() -> io::Result<bool> {
    Counter::new()?.is_single()
}

/// Returns how many processors the calling thread may run on; `None` where the kernel knows more of them than can be asked for.
///
/// ```
/// assert_ne!(procession_core::os::threads::affinity(), Some(0));
/// ```
#[must_use]
pub fn affinity() -> Option<usize> {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).ok()?;
    let count = (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).count();
    (count > 0).then_some(count)
}
