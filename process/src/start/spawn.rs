//! [`StartMethod::Spawn`](super::StartMethod::Spawn): this program, executed once more.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use procession_core::os::pidfd::PidFd;
use procession_core::os::{limits, stdio};
use procession_core::{Control, Image, LinkError, start};

use super::deadline::StartDeadline;
use super::protocol::Role;
use super::started::{FirstReport, Started, failure, reap_child, recv_report_in_time, unsent};
use crate::job::Job;
use crate::spawn_error::SpawnError;

/// The end of a dead child's stderr that an error quotes, in bytes and in lines. More hides the error itself, less cuts a panic message.
const QUOTED_STDERR_BYTES: u64 = 4096;
const QUOTED_STDERR_LINES: usize = 20;

/// The bytes of a child's early stderr that are passed on. Programs write less; without a limit a hostile child fills the memory.
const MAX_EARLY_STDERR_BYTES: u64 = 1 << 20;

/// Executes this program, sends the job, and waits for the first report. The error of a child that has died quotes the
/// end of its stderr.
pub(super) fn start(job: &mut Job, deadline: StartDeadline) -> Result<Started, SpawnError> {
    job.image = Some(Image::own().clone());
    let Executed { mut control, pid: _, pidfd, stderr } = execute(&Role::Child)?;
    // Sent before the child exists in `main`: the socket keeps it, and a child that never reaches `init` blocks no sender.
    let sent = control.send(job);
    let recv_first_report = match sent {
        // The report of a child that is gone already says so.
        Ok(()) | Err(LinkError::Disconnected) => recv_report_in_time(&mut control, deadline),
        Err(error) => {
            // Closed first: the child finds no parent and ends by itself, so that `reap_child` need not kill it.
            drop(control);
            reap_child(&pidfd);
            return Err(unsent(error));
        }
    };
    match recv_first_report {
        FirstReport::Started(pid) => {
            // After this report the child writes to the streams of its job, so that the file is complete.
            stderr.pass_on();
            Ok(Started { pid, pidfd, control })
        }
        other => Err(failure(other, &pidfd, || stderr.last_lines())),
    }
}

/// The text of the refusal in a process whose effective user or group is not its real one.
const ACTS_FOR_ANOTHER: &str = "this process acts for another user or group than its real one (`seteuid`, `setegid`, or a \
     set-user-id program), and a program that is executed so must not trust its starter: make the change complete \
     (`setresuid`, `setresgid`), or use StartMethod::Fork";

/// This program, executed once more, with its role sent.
pub(super) struct Executed {
    /// The parent's end. The role was sent over it; what comes next depends on the role.
    pub(super) control: Control,
    /// The process number, which stays its own until `pidfd` is reaped.
    pub(super) pid: u32,
    /// The executed process, for its end.
    pub(super) pidfd: PidFd,
    /// Its stderr from before it was set up: quoted when it dies, else passed on once.
    pub(super) stderr: EarlyStderr,
}

/// Executes this program. Until it is set up, its stdout is the null device, because output from before `init` would be
/// printed once more by each child, and its stderr is kept in case it dies.
pub(super) fn execute(role: &Role) -> Result<Executed, SpawnError> {
    if limits::acts_for_another() {
        return Err(SpawnError::Refused(ACTS_FOR_ANOTHER.to_owned()));
    }
    let (mut control, there) = Control::pair().map_err(SpawnError::from_io)?;
    let input = stdio::nothing_to_read().map_err(SpawnError::from_io)?;
    // Without /dev/null, a file in memory swallows the output as well.
    let output = stdio::null().or_else(|_| stdio::memory_file(c"procession-stdout").map(OwnedFd::from));
    let output = output.map_err(SpawnError::from_io)?;
    let stderr = stdio::memory_file(c"procession-stderr").map_err(SpawnError::from_io)?;
    let (pid, pidfd) =
        start::reexec(&there, [input.as_fd(), output.as_fd(), stderr.as_fd()]).map_err(SpawnError::from_io)?;
    // The child has its own copy. While this one is open, the death of the child would not end the link.
    drop(there);
    match control.send(role) {
        // A child that is gone already is noticed at the receive.
        Ok(()) | Err(LinkError::Disconnected) => {}
        Err(error) => {
            drop(control);
            reap_child(&pidfd);
            return Err(unsent(error));
        }
    }
    Ok(Executed { control, pid, pidfd, stderr: EarlyStderr(stderr) })
}

/// The stderr of a child before it was set up, in a memory file, so that no thread has to read it meanwhile.
pub(super) struct EarlyStderr(File);

impl EarlyStderr {
    /// Returns the last lines.
    pub(super) fn last_lines(&self) -> String {
        let length = self.0.metadata().map_or(0, |meta| meta.len());
        let text = self.read(length.saturating_sub(QUOTED_STDERR_BYTES), length.min(QUOTED_STDERR_BYTES));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_STDERR_LINES)..].join("\n")
    }

    /// Writes it to the stderr of this process.
    pub(super) fn pass_on(&self) {
        let length = self.0.metadata().map_or(0, |meta| meta.len());
        if length > 0 {
            let _unwritable = io::stderr().write_all(self.read(0, length).as_bytes());
        }
    }

    /// At most `MAX_EARLY_STDERR_BYTES` bytes: the length of the file is chosen by the child.
    fn read(&self, from: u64, length: u64) -> String {
        let mut bytes = vec![0; usize::try_from(length.min(MAX_EARLY_STDERR_BYTES)).unwrap_or(0)];
        let read = self.0.read_at(&mut bytes, from).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_cannot_make_its_parent_read_without_end() {
        let mut file = stdio::memory_file(c"test").unwrap();
        writeln!(file, "words").unwrap();
        file.set_len(1 << 40).unwrap();
        let stderr = EarlyStderr(file);
        assert_eq!(stderr.read(0, 1 << 40).len() as u64, MAX_EARLY_STDERR_BYTES);
        assert!(stderr.last_lines().len() as u64 <= QUOTED_STDERR_BYTES);
    }
}
