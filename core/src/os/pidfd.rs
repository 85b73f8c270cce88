//! [`PidFd`]: a process named by a descriptor, so that waiting and signalling cannot hit a stranger that got its number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::libc;

use super::descriptors::above_standard;
use super::pidfd_info;
use super::poll::{Pollable, poll};
use super::refusal::check;
use super::refusal::{is_refusal, refused};
use crate::tuning::{KILLED_EXIT_RETRY, KILLED_EXIT_TIMEOUT};

/// How a process ended, as the kernel reports it.
///
/// ```
/// use procession_core::os::pidfd::Exit;
///
/// assert_ne!(Exit::Code(9), Exit::Signal { number: 9, core_dumped: false });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code (0 to 255).
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        number: i32,
        /// Whether a core file was written.
        core_dumped: bool,
    },
    /// It ended, but someone else took its status: a `SIGCHLD` that is ignored, or a foreign `waitpid(-1)`.
    Lost,
}

/// A descriptor that stands for one process and becomes readable when that process has ended.
///
/// ```
/// use procession_core::os::pidfd::PidFd;
///
/// let me = PidFd::open(std::process::id())?;
/// assert!(!me.has_ended()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct PidFd {
    named: Named,
    /// Its number, where it is a child of this process: good until its status is taken, and the way out where a filter
    /// refuses the calls that take descriptors. 0: not known.
    child: u32,
}

#[derive(Debug)]
enum Named {
    Process(OwnedFd),
    /// A child that had ended, and whose status other code had taken, before it could be named. The descriptor is one
    /// that is always readable, as that of a process that has ended is.
    Gone(OwnedFd),
}

impl PidFd {
    /// Names the process that has the number `pid` now.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is no such process, or the limit on descriptors.
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// assert!(PidFd::open(std::process::id()).is_ok());
    /// ```
    pub fn open(pid: u32) -> io::Result<PidFd> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) });
        let fd = RawFd::try_from(fd.map_err(|error| refused("pidfd_open", error))?).map_err(io::Error::other)?;
        // SAFETY: the kernel just made this descriptor for us; no other code owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(PidFd { named: Named::Process(above_standard(fd)?), child: 0 })
    }

    /// Names a child that was made with this descriptor.
    pub(crate) fn made_with(pid: u32, fd: OwnedFd) -> io::Result<PidFd> {
        match above_standard(fd) {
            Ok(fd) => Ok(PidFd { named: Named::Process(fd), child: pid }),
            Err(error) => {
                // Without a descriptor the child could neither be waited for nor ended later.
                end_child(pid);
                Err(error)
            }
        }
    }

    /// Names a child of this process that has just said that it has this number.
    ///
    /// A child stays, as a zombie at least, until its status is taken, so the number is still its own; unless this program
    /// ignores `SIGCHLD` or waits for children of others. A child that was lost this way has ended with [`Exit::Lost`].
    ///
    /// # Errors
    ///
    /// The limit on descriptors, or a filter refuses the call. The child is left as it is: see [`end_child`].
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = PidFd::of_child(child.id())?;
    /// while !pidfd.has_ended()? {}
    /// assert!(pidfd.reap()?.is_some());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn of_child(pid: u32) -> io::Result<PidFd> {
        let found = match PidFd::open(pid) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => None,
            other => Some(other?),
        };
        match found {
            Some(pidfd) if pidfd.is_child() => Ok(PidFd { child: pid, ..pidfd }),
            // Readable at once, like the descriptor of a process that has ended: callers that poll it need no second case.
            _ended => Ok(PidFd { named: Named::Gone(always_readable()?), child: 0 }),
        }
    }

    /// Makes another descriptor of the same process.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// let me = PidFd::open(std::process::id())?;
    /// assert!(!me.try_clone()?.has_ended()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<PidFd> {
        let named = match &self.named {
            Named::Process(fd) => Named::Process(fd.try_clone()?),
            Named::Gone(fd) => Named::Gone(fd.try_clone()?),
        };
        Ok(PidFd { named, child: self.child })
    }

    /// Sends a signal. Returns `false` when there is no such process any more. One that has ended, but whose status no process
    /// has taken yet, is still there, and takes a signal without any effect.
    ///
    /// # Errors
    ///
    /// What `pidfd_send_signal` reports: `EPERM` for a process of someone else, `EINVAL` for no such signal. Where a filter
    /// refuses the call, a child is signalled by its number.
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// let child = std::process::Command::new("sleep").arg("3600").spawn()?;
    /// assert!(PidFd::of_child(child.id())?.signal(9)?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self, number: i32) -> io::Result<bool> {
        if let Named::Gone(_) = self.named {
            return Ok(false);
        }
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is ours and open, and a null siginfo is allowed.
        let sent = check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.as_raw_fd(), number, no_info, 0) });
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            // A filter says the same as the kernel does of a process of another parent: that one is not a child, or is refused
            // to `kill` as well.
            Err(error) if is_refusal(&error) => self.signal_by_number(number, error),
            Err(error) => Err(error),
        }
    }

    /// A child's number is its own while its status has not been taken.
    fn signal_by_number(&self, number: i32, error: io::Error) -> io::Result<bool> {
        match libc::pid_t::try_from(self.child) {
            Ok(0) | Err(_) => Err(error),
            // `kill` of a process that has ended but was not waited for succeeds, and would claim that the signal was delivered.
            Ok(_) if self.has_ended()? => Ok(false),
            // SAFETY: kill takes two integers.
            Ok(pid) => check(unsafe { libc::kill(pid, number) }).map(|_| true),
        }
    }

    /// Returns whether the process has ended (it may still be a zombie).
    ///
    /// # Errors
    ///
    /// What `poll` reports.
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// assert!(!PidFd::open(std::process::id())?.has_ended()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn has_ended(&self) -> io::Result<bool> {
        poll(&[Pollable::readable(self.as_fd())], Some(Instant::now())).map(|ready| ready[0])
    }

    /// Takes the status of a child that has ended, without waiting: `None` while it runs.
    ///
    /// The kernel gives a status once. The caller keeps it.
    ///
    /// # Errors
    ///
    /// What `waitid` reports, but for `ECHILD`: other code has taken the status. The kernel may still know it (Linux 6.15),
    /// else it is [`Exit::Lost`], once the process has ended.
    ///
    /// ```
    /// # use procession_core::os::pidfd::{Exit, PidFd};
    /// let child = std::process::Command::new("true").spawn()?;
    /// let pidfd = PidFd::of_child(child.id())?;
    /// while !pidfd.has_ended()? {}
    /// assert_eq!(pidfd.reap()?, Some(Exit::Code(0)));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reap(&self) -> io::Result<Option<Exit>> {
        if let Named::Gone(_) = self.named {
            return Ok(Some(Exit::Lost));
        }
        match self.waitid(0) {
            Ok(info) => Ok(exit_of(&info)),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.taken_by_others(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.reap(),
            Err(error) if is_refusal(&error) && self.child != 0 => self.reap_by_number(),
            Err(error) => Err(refused("waitid", error)),
        }
    }

    fn reap_by_number(&self) -> io::Result<Option<Exit>> {
        // `wait4` would block on a child that still runs, as it is called without `WNOHANG`.
        if !self.has_ended()? {
            return Ok(None);
        }
        match wait_for(self.child) {
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.taken_by_others(),
            waited => waited.map(Some),
        }
    }

    /// The status of a process that is not, or no longer, a child of this one.
    fn taken_by_others(&self) -> io::Result<Option<Exit>> {
        Ok(self.has_ended()?.then(|| pidfd_info::status(self.as_fd()).map_or(Exit::Lost, Exit::of_status)))
    }

    /// Returns whether it is a child of this process whose status is still to be had.
    fn is_child(&self) -> bool {
        match self.waitid(libc::WNOWAIT) {
            Ok(_) => true,
            // Then it cannot be known without taking the status.
            Err(error) => is_refusal(&error),
        }
    }

    fn waitid(&self, more: libc::c_int) -> io::Result<libc::siginfo_t> {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        let id = libc::id_t::try_from(self.as_raw_fd()).map_err(io::Error::other)?;
        // `__WALL` finds also a child that was cloned with another signal than SIGCHLD, or none.
        let flags = libc::WEXITED | libc::WNOHANG | libc::__WALL | more;
        // SAFETY: `info` is writable memory of the right size; the descriptor is ours.
        check(unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), flags) })?;
        // SAFETY: all-zero is a valid siginfo_t, and waitid has only filled it further.
        Ok(unsafe { info.assume_init() })
    }

    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The number of the calling process.
///
/// As `std::process::id`, whose code may lie in a page of its own: this is for fresh copies, which pay for each.
///
/// ```
/// assert_eq!(procession_core::os::pidfd::own_number(), std::process::id());
/// ```
#[must_use]
pub fn own_number() -> u32 {
    // SAFETY: getpid takes nothing and cannot fail.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) };
    u32::try_from(pid).unwrap_or(0)
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.named {
            Named::Process(fd) | Named::Gone(fd) => fd.as_fd(),
        }
    }
}

/// Ends a child that cannot be named, and takes its status, so that nothing of it stays.
///
/// A child that does not end within a second, because it hangs in the kernel, is left behind as it is.
///
/// ```
/// let child = std::process::Command::new("sleep").arg("3600").spawn()?;
/// procession_core::os::pidfd::end_child(child.id());
/// # std::io::Result::Ok(())
/// ```
pub fn end_child(pid: u32) {
    // 0 would be this process's whole group.
    if let Some(pid) = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0) {
        // SAFETY: kill takes two integers; the child's number is its own until its status is taken.
        let _ended_meanwhile = unsafe { libc::kill(pid, libc::SIGKILL) };
        let killed = Instant::now();
        // Without a descriptor no event has a deadline. Whether its status is taken here or by others, there is no child any more then.
        while let Ok(None) = try_wait_for(pid) {
            if killed.elapsed() > KILLED_EXIT_TIMEOUT {
                return;
            }
            std::thread::sleep(KILLED_EXIT_RETRY);
        }
    }
}

/// Takes the status of a child by its number, if it has ended.
fn try_wait_for(pid: libc::pid_t) -> io::Result<Option<Exit>> {
    let mut status = 0;
    let flags = libc::__WALL | libc::WNOHANG;
    // SAFETY: the kernel writes one integer to `status`, and nothing through a null pointer.
    let found = check(unsafe { libc::wait4(pid, &raw mut status, flags, std::ptr::null_mut()) })?;
    Ok((found != 0).then(|| Exit::of_status(status)))
}

/// Waits for a child by its number and takes its status.
fn wait_for(child: u32) -> io::Result<Exit> {
    let (pid, mut status) = (libc::pid_t::try_from(child).map_err(io::Error::other)?, 0);
    loop {
        // SAFETY: the kernel writes one integer to `status`, and nothing through a null pointer.
        match check(unsafe { libc::wait4(pid, &raw mut status, libc::__WALL, std::ptr::null_mut()) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            waited => return waited.map(|_| Exit::of_status(status)),
        }
    }
}

impl Exit {
    /// Reads a status as `wait` returns it.
    pub(super) fn of_status(status: i32) -> Exit {
        if libc::WIFEXITED(status) {
            return Exit::Code(libc::WEXITSTATUS(status));
        }
        Exit::Signal { number: libc::WTERMSIG(status), core_dumped: libc::WCOREDUMP(status) }
    }
}

/// A descriptor that is readable, and stays so.
fn always_readable() -> io::Result<OwnedFd> {
    super::stdio::nothing_to_read()
}

/// What a filled `siginfo_t` says; `None` when `WNOHANG` found nothing to report.
fn exit_of(info: &libc::siginfo_t) -> Option<Exit> {
    // SAFETY: waitid fills the fields of a SIGCHLD, and zero was there before.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    // With `WNOHANG` a number of 0 says that there is no status yet.
    match info.si_code {
        _ if pid == 0 => None,
        libc::CLD_EXITED => Some(Exit::Code(status)),
        code => Some(Exit::Signal { number: status, core_dumped: code == libc::CLD_DUMPED }),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn ended(code: &str) -> (std::process::Child, PidFd) {
        let child = Command::new("sh").args(["-c", code]).spawn().expect("a shell");
        let pidfd = PidFd::of_child(child.id()).expect("it is named");
        poll(&[Pollable::readable(pidfd.as_fd())], None).expect("it ends");
        (child, pidfd)
    }

    #[test]
    fn a_status_that_others_have_taken_is_asked_of_the_kernel() {
        for (code, exit) in [("exit 3", Exit::Code(3)), ("kill -9 $$", Exit::Signal { number: 9, core_dumped: false })]
        {
            let (mut child, pidfd) = ended(code);
            child.wait().expect("the status goes to another");
            let found = pidfd.reap().expect("it has ended").expect("it has ended");
            // Linux before 6.15 has forgotten it.
            assert!(found == exit || found == Exit::Lost && !pidfd_info::is_known(), "{found:?}");
        }
    }

    #[test]
    fn by_number_the_same_is_found() {
        let (_child, pidfd) = ended("exit 3");
        assert_eq!(pidfd.reap_by_number().expect("it has ended"), Some(Exit::Code(3)));
        let mut child = Command::new("sleep").arg("3600").spawn().expect("it starts");
        let pidfd = PidFd::of_child(child.id()).expect("it is named");
        assert_eq!(pidfd.reap_by_number().expect("nothing is wrong"), None);
        let error = || io::Error::from_raw_os_error(libc::EPERM);
        assert!(pidfd.signal_by_number(libc::SIGKILL, error()).expect("it is a child"));
        poll(&[Pollable::readable(pidfd.as_fd())], None).expect("it ends");
        assert!(!pidfd.signal_by_number(libc::SIGKILL, error()).expect("it is a child"));
        assert!(matches!(pidfd.reap_by_number(), Ok(Some(Exit::Signal { number: 9, .. }))));
        child.wait().expect_err("its status has been taken");
        let stranger = PidFd::open(std::process::id()).expect("it is named");
        assert!(stranger.signal_by_number(0, error()).is_err());
    }
}
