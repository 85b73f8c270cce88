//! [`PidFd`]: a process named by a descriptor, so that waiting and signalling cannot hit a stranger that got its number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;

use super::check;
use super::poll::{Pollable, poll};

/// How a process ended, as the kernel tells it.
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
pub struct PidFd(Named);

#[derive(Debug)]
enum Named {
    Process(OwnedFd),
    /// A child that had ended, and whose status somebody else had taken, before it could be named. The descriptor is of the
    /// null device, which is always readable, as that of a process that has ended is.
    Gone(OwnedFd),
}

impl PidFd {
    /// Names the process that has the number `pid` now.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is none, or the limit on descriptors.
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// assert!(PidFd::open(std::process::id()).is_ok());
    /// ```
    pub fn open(pid: u32) -> io::Result<PidFd> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
        Ok(PidFd(Named::Process(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Names a child of this process that has just said that it has this number.
    ///
    /// A child stays, as a zombie at least, until its status is taken, so the number is still its own; unless this program
    /// ignores `SIGCHLD` or waits for children of others. A child that was lost this way has ended with [`Exit::Lost`].
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
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
            Some(pidfd) if pidfd.is_child() => Ok(pidfd),
            _ended => Ok(PidFd(Named::Gone(super::stdio::null()?))),
        }
    }

    /// Sends a signal. Answers `false` when there is no such process any more. One that has ended, but whose status nobody
    /// has taken yet, is still there, and takes a signal without any effect.
    ///
    /// # Errors
    ///
    /// What `pidfd_send_signal` reports: `EPERM` for a process of someone else, `EINVAL` for no such signal.
    ///
    /// ```
    /// # use procession_core::os::pidfd::PidFd;
    /// let child = std::process::Command::new("sleep").arg("3600").spawn()?;
    /// assert!(PidFd::of_child(child.id())?.signal(9)?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self, number: i32) -> io::Result<bool> {
        if let Named::Gone(_) = self.0 {
            return Ok(false);
        }
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is ours and open, and a null siginfo is allowed.
        let sent = check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.as_raw_fd(), number, no_info, 0) });
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the process has ended (it may still be a zombie).
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
        poll(&[Pollable::readable(self.as_fd())], Some(std::time::Instant::now())).map(|ready| ready[0])
    }

    /// Takes the status of a child that has ended, without waiting: `None` while it runs.
    ///
    /// The kernel gives a status once. The caller keeps it.
    ///
    /// # Errors
    ///
    /// What `waitid` reports, but for `ECHILD`, which is [`Exit::Lost`] once the process has ended.
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
        if let Named::Gone(_) = self.0 {
            return Ok(Some(Exit::Lost));
        }
        match self.waitid(0) {
            Ok(info) => Ok(exit_of(&info)),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(self.has_ended()?.then_some(Exit::Lost)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.reap(),
            Err(error) => Err(error),
        }
    }

    /// Whether it is a child of this process whose status is still to be had.
    fn is_child(&self) -> bool {
        self.waitid(libc::WNOWAIT).is_ok()
    }

    fn waitid(&self, more: libc::c_int) -> io::Result<libc::siginfo_t> {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        let id = libc::id_t::try_from(self.as_raw_fd()).map_err(io::Error::other)?;
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
        match &self.0 {
            Named::Process(fd) | Named::Gone(fd) => fd.as_fd(),
        }
    }
}

impl From<OwnedFd> for PidFd {
    fn from(fd: OwnedFd) -> PidFd {
        PidFd(Named::Process(fd))
    }
}

/// What a filled `siginfo_t` says; `None` when `WNOHANG` found nothing to report.
fn exit_of(info: &libc::siginfo_t) -> Option<Exit> {
    // SAFETY: waitid fills the fields of a SIGCHLD, and zero was there before.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    match info.si_code {
        _ if pid == 0 => None,
        libc::CLD_EXITED => Some(Exit::Code(status)),
        code => Some(Exit::Signal { number: status, core_dumped: code == libc::CLD_DUMPED }),
    }
}
