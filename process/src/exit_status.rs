//! [`ExitStatus`]: how a process ended.
//!
//! The kernel reports eight bits of an exit code. A child of this library that exits with another one reports it in full over its
//! control link beforehand, and the parent puts the two together.

use std::fmt;

use procession_core::os::pidfd::Exit;
use procession_core::os::signal;
use serde::{Deserialize, Serialize};

/// How a process ended: by exiting with a code, or by a signal.
///
/// ```
/// use procession_process::Process;
///
/// # procession_process::init();
/// let sleeper = Process::spawn(|()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
/// sleeper.kill();
/// sleeper.join().unwrap_err();
/// let status = sleeper.exit_status().unwrap();
/// assert_eq!(status.signal(), Some(9));
/// assert_eq!(status.exit_code(), -9);
/// assert_eq!(status.to_string(), "signal 9 (SIGKILL)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Differences from `std::process::ExitStatus`
///
/// It can be sent to other processes, and a code beyond 255 (`exit(256)`) is reported as the process gave it, where the kernel
/// passes on the lowest eight bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExitStatus(Kind);

/// The three ends that a parent can learn of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Kind {
    Code(i32),
    Signal { number: i32, core_dumped: bool },
    Lost,
}

impl ExitStatus {
    pub(crate) fn of(exit: Exit) -> ExitStatus {
        ExitStatus(match exit {
            Exit::Code(code) => Kind::Code(code),
            Exit::Signal { number, core_dumped } => Kind::Signal { number, core_dumped },
            Exit::Lost => Kind::Lost,
        })
    }

    /// Returns the status with the code that the process gave, of which the kernel has only the lowest eight bits.
    pub(crate) fn with_full_code(self, code: i32) -> ExitStatus {
        // The kernel passes eight bits on. A report that does not match them is of an exit that a signal or `_exit` overtook.
        if self.0 == Kind::Code(code & 0xff) { ExitStatus(Kind::Code(code)) } else { self }
    }

    /// Returns whether the process exited with code 0.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::spawn(|()| (), ())?;
    /// process.join()?;
    /// assert!(process.exit_status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Returns the exit code; `None` when a signal ended the process.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert_eq!(process.child().wait()?.code(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        if let Kind::Code(code) = self.0 { Some(code) } else { None }
    }

    /// Returns the number of the signal that ended the process; `None` when it exited.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::abort(), ())?;
    /// assert_eq!(process.child().wait()?.signal(), Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        if let Kind::Signal { number, .. } = self.0 { Some(number) } else { None }
    }

    /// Returns whether the signal left a core file behind.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert!(!process.child().wait()?.core_dumped());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn core_dumped(&self) -> bool {
        matches!(self.0, Kind::Signal { core_dumped: true, .. })
    }

    /// Returns Python's number: the code, or −N for signal N; 255 when the status was lost (see [`is_lost`](ExitStatus::is_lost)).
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::abort(), ())?;
    /// assert_eq!(process.child().wait()?.exit_code(), -6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_code(&self) -> i32 {
        match self.0 {
            Kind::Code(code) => code,
            Kind::Signal { number, .. } => -number,
            Kind::Lost => 255,
        }
    }

    /// Returns whether the status is lost: this program ignores `SIGCHLD`, or waits for children that are not its own.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::spawn(|()| (), ())?;
    /// assert!(!process.child().wait()?.is_lost());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0 == Kind::Lost
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Code(code) => write!(f, "exit code {code}"),
            Kind::Signal { number, core_dumped } => {
                write!(f, "signal {number}")?;
                signal::name(number).map_or(Ok(()), |name| write!(f, " ({name})"))?;
                f.write_str(if core_dumped { ", core dumped" } else { "" })
            }
            Kind::Lost => f.write_str("an exit status that was lost (does this program ignore SIGCHLD?)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(number: i32, core_dumped: bool) -> ExitStatus {
        ExitStatus::of(Exit::Signal { number, core_dumped })
    }

    #[test]
    fn reads_aloud() {
        assert_eq!(ExitStatus::of(Exit::Code(3)).to_string(), "exit code 3");
        assert_eq!(signal(11, true).to_string(), "signal 11 (SIGSEGV), core dumped");
        assert_eq!(signal(40, false).to_string(), "signal 40");
        assert!(ExitStatus::of(Exit::Lost).to_string().contains("SIGCHLD"));
    }

    #[test]
    fn a_full_code_replaces_only_its_own_remainder() {
        assert_eq!(ExitStatus::of(Exit::Code(0)).with_full_code(256).code(), Some(256));
        assert!(!ExitStatus::of(Exit::Code(0)).with_full_code(256).success());
        assert_eq!(ExitStatus::of(Exit::Code(255)).with_full_code(-1).code(), Some(-1));
        assert_eq!(ExitStatus::of(Exit::Code(3)).with_full_code(256).code(), Some(3));
        assert_eq!(signal(9, false).with_full_code(256), signal(9, false));
    }
}
