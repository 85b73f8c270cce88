//! [`StartMethod::Spawn`](super::StartMethod::Spawn): this program, executed once more.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use procession_core::os::pidfd::PidFd;
use procession_core::os::{limits, stdio};
use procession_core::{Control, Image, LinkError, start};

use super::until::Until;
use super::{Answer, Started, answer_in_time, bury, failure, unsent};
use crate::init::Role;
use crate::job::Job;
use crate::spawn_error::SpawnError;

/// How much of a dead child's stderr an error quotes, in bytes and in lines.
const QUOTE: u64 = 4096;
const LINES: usize = 20;

/// How much of what a child wrote before it was set up is passed on, in bytes. No honest program writes as much.
const MOST: u64 = 1 << 20;

pub(super) fn start(job: &mut Job, until: Until) -> Result<Started, SpawnError> {
    job.image = Some(Image::own().clone());
    let Executed { mut control, pid: _, pidfd, stderr } = execute(&Role::Child)?;
    let sent = control.send(job);
    let answer = match sent {
        // A child that is gone already is found out here.
        Ok(()) | Err(LinkError::Disconnected) => answer_in_time(&mut control, until),
        Err(error) => {
            drop(control);
            bury(&pidfd);
            return Err(unsent(error));
        }
    };
    match answer {
        Answer::Started(pid) => {
            stderr.pass_on();
            Ok(Started { pid, pidfd, control })
        }
        other => Err(failure(other, &pidfd, || stderr.last_lines())),
    }
}

const ACTS_FOR_ANOTHER: &str = "this process acts for another user or group than its real one (`seteuid`, `setegid`, or a \
     set-user-id program), and a program that is executed so must not trust its starter: make the change complete \
     (`setresuid`, `setresgid`), or use StartMethod::Fork";

/// This program, executed once more and told its role.
pub(super) struct Executed {
    pub(super) control: Control,
    pub(super) pid: u32,
    pub(super) pidfd: PidFd,
    pub(super) stderr: EarlyStderr,
}

/// Executes this program. Until it is set up, its stdout leads nowhere, because what runs before `init` would be
/// printed once more by each child, and its stderr is kept in case it dies.
pub(super) fn execute(role: &Role) -> Result<Executed, SpawnError> {
    if limits::acts_for_another() {
        return Err(SpawnError::Refused(ACTS_FOR_ANOTHER.to_owned()));
    }
    let (mut control, there) = Control::pair().map_err(SpawnError::from_io)?;
    let input = stdio::nothing_to_read().map_err(SpawnError::from_io)?;
    let output = stdio::null().or_else(|_| stdio::memory_file(c"procession-stdout").map(OwnedFd::from));
    let output = output.map_err(SpawnError::from_io)?;
    let stderr = stdio::memory_file(c"procession-stderr").map_err(SpawnError::from_io)?;
    let (pid, pidfd) =
        start::reexec(&there, [input.as_fd(), output.as_fd(), stderr.as_fd()]).map_err(SpawnError::from_io)?;
    drop(there);
    match control.send(role) {
        // One that is gone already is found out when it is listened to.
        Ok(()) | Err(LinkError::Disconnected) => {}
        Err(error) => {
            drop(control);
            bury(&pidfd);
            return Err(unsent(error));
        }
    }
    Ok(Executed { control, pid, pidfd, stderr: EarlyStderr(stderr) })
}

/// What a child wrote to stderr before it was set up, in a memory file, so that nobody has to read along.
pub(super) struct EarlyStderr(File);

impl EarlyStderr {
    /// The end of it.
    pub(super) fn last_lines(&self) -> String {
        let length = self.0.metadata().map_or(0, |meta| meta.len());
        let text = self.read(length.saturating_sub(QUOTE), length.min(QUOTE));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Writes it where it was meant to go.
    pub(super) fn pass_on(&self) {
        let length = self.0.metadata().map_or(0, |meta| meta.len());
        if length > 0 {
            let _unwritable = io::stderr().write_all(self.read(0, length).as_bytes());
        }
    }

    /// At most `MOST` bytes: how long the file is, the child says.
    fn read(&self, from: u64, length: u64) -> String {
        let mut bytes = vec![0; usize::try_from(length.min(MOST)).unwrap_or(0)];
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
        assert_eq!(stderr.read(0, 1 << 40).len() as u64, MOST);
        assert!(stderr.last_lines().len() as u64 <= QUOTE);
    }
}
