//! Signals of this process: ignored, or back to what the kernel does by default.

use std::io;

use nix::libc;

/// The interrupt of the terminal (Ctrl-C).
///
/// ```
/// use procession_core::os::signal::{Disposition, SIGINT, set};
///
/// set(SIGINT, Disposition::Ignore)?; // a worker leaves it to its parent what is done about Ctrl-C
/// assert!(set(SIGINT, Disposition::Default)?, "it was ignored");
/// # std::io::Result::Ok(())
/// ```
pub const SIGINT: i32 = libc::SIGINT;
/// A pipe without a reader.
///
/// ```
/// use procession_core::os::signal::{Disposition, SIGPIPE, set};
///
/// assert!(set(SIGPIPE, Disposition::Ignore)?, "std ignores it in every program");
/// # std::io::Result::Ok(())
/// ```
pub const SIGPIPE: i32 = libc::SIGPIPE;
/// The end of the terminal.
///
/// ```
/// use procession_core::os::signal::{SIGHUP, name};
///
/// assert_eq!(name(SIGHUP), Some("SIGHUP"));
/// ```
pub const SIGHUP: i32 = libc::SIGHUP;
/// A request to end.
///
/// ```
/// use procession_core::os::{pidfd::{Exit, PidFd}, poll::{Pollable, poll}, signal::SIGTERM};
/// use std::{os::fd::AsFd, process::Command};
///
/// let child = Command::new("sleep").arg("3600").spawn()?;
/// let child = PidFd::of_child(child.id())?;
/// child.signal(SIGTERM)?;
/// poll(&[Pollable::readable(child.as_fd())], None)?;
/// assert!(matches!(child.reap()?, Some(Exit::Signal { number: SIGTERM, .. })));
/// # std::io::Result::Ok(())
/// ```
pub const SIGTERM: i32 = libc::SIGTERM;
/// The end.
///
/// ```
/// use procession_core::os::signal::{Disposition, SIGKILL, set};
///
/// assert!(set(SIGKILL, Disposition::Ignore).is_err(), "it cannot be ignored");
/// ```
pub const SIGKILL: i32 = libc::SIGKILL;
/// What a program ends by that gives up: `abort`, a panic that cannot unwind, an allocation that has failed.
///
/// ```
/// assert_eq!(procession_core::os::signal::name(procession_core::os::signal::SIGABRT), Some("SIGABRT"));
/// ```
pub const SIGABRT: i32 = libc::SIGABRT;

use super::refusal::check;

/// What this process does about a signal, as far as it can be set without running code in a handler.
///
/// ```
/// use procession_core::os::signal::{Disposition, SIGHUP, set};
///
/// set(SIGHUP, Disposition::Ignore)?; // as `nohup` does
/// assert!(set(SIGHUP, Disposition::Ignore)?, "it is ignored already");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What the kernel does by default.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what is done about `signal`, and returns whether it was ignored before.
///
/// ```
/// use procession_core::os::signal::{self, Disposition, SIGHUP};
///
/// signal::set(SIGHUP, Disposition::Default)?;
/// assert!(!signal::set(SIGHUP, Disposition::Ignore)?);
/// assert!(signal::set(SIGHUP, Disposition::Default)?);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// There is no such signal, or it cannot be changed (SIGKILL, SIGSTOP).
pub fn set(signal: i32, disposition: Disposition) -> io::Result<bool> {
    let action = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: neither action runs code, so there is nothing that could be unsafe in a handler.
    let before = unsafe { libc::signal(signal, action) };
    if before == libc::SIG_ERR { check(-1).map(|_| false) } else { Ok(before == libc::SIG_IGN) }
}

/// The signal's name (`SIGKILL` for 9), where it has one.
///
/// ```
/// assert_eq!(procession_core::os::signal::name(9), Some("SIGKILL"));
/// assert_eq!(procession_core::os::signal::name(99), None);
/// ```
#[must_use]
pub fn name(signal: i32) -> Option<&'static str> {
    nix::sys::signal::Signal::try_from(signal).ok().map(nix::sys::signal::Signal::as_str)
}

/// Gives the main thread the name that `ps` and `top` show, cut to the kernel's 15 bytes.
///
/// # Errors
///
/// The name holds a zero byte.
///
/// ```
/// procession_core::os::signal::set_process_name("reader")?;
/// assert_eq!(std::fs::read_to_string("/proc/self/comm")?, "reader\n");
/// # std::io::Result::Ok(())
/// ```
pub fn set_process_name(name: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    Ok(nix::sys::prctl::set_name(&name)?)
}

/// Returns whether a process was stopped, by a signal or a debugger. Of one that `/proc` does not show nothing is known.
///
/// ```
/// use procession_core::os::signal::is_stopped;
///
/// assert!(!is_stopped(std::process::id()));
/// assert!(!is_stopped(0), "there is none");
/// ```
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program stands before the state, in parentheses, and may hold parentheses itself.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}
