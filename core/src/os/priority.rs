//! How much of the processors a process gets: its niceness, and which of them it may use.

use std::io;

use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Sets how much this process yields to others, from -20 to 19. Less than before needs a privilege.
///
/// # Errors
///
/// The privilege is missing.
///
/// ```
/// procession_core::os::priority::set_niceness(1)?;
/// let stat = std::fs::read_to_string("/proc/self/stat")?;
/// let after_the_name = stat.rsplit(") ").next().expect("a state");
/// assert_eq!(after_the_name.split(' ').nth(16), Some("1"));
/// # std::io::Result::Ok(())
/// ```
pub fn set_niceness(niceness: i32) -> io::Result<()> {
    // SAFETY: the call takes numbers only.
    let outcome = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
    super::refusal::check(outcome).map(drop)
}

/// Lets the calling thread, and those that it starts from now on, run on one processor only.
///
/// # Errors
///
/// There is no such processor, or it is not for this process.
///
/// ```
/// assert!(procession_core::os::priority::pin_to(usize::MAX).is_err());
/// ```
pub fn pin_to(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
