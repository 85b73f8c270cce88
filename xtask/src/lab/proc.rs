//! [`Process`]: a process of this machine, as `/proc` shows it.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::tool;
use crate::failure::Failure;

/// A process, by its number and the moment of its start: numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    /// In ticks of the kernel's clock.
    start: u64,
}

/// What the kernel says about a process in one line.
struct Status {
    state: char,
    parent: u32,
    start: u64,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn of(id: u32) -> Option<Self> {
        Some(Self { id, start: Status::of(id)?.start })
    }

    /// Reads it from a file that [`Process::write`] made.
    pub(super) fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (id, start) = text.trim().split_once(' ')?;
        Some(Self { id: id.parse().ok()?, start: start.parse().ok()? })
    }

    pub(super) fn write(self, file: &Path) -> Result<(), Failure> {
        let text = format!("{} {}\n", self.id, self.start);
        fs::write(file, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))
    }

    /// Whether it has not ended. A zombie has ended.
    pub(super) fn is_alive(self) -> bool {
        self.status().is_some_and(|status| !matches!(status.state, 'Z' | 'X'))
    }

    /// Whether a signal has stopped it.
    pub(super) fn is_stopped(self) -> bool {
        self.status().is_some_and(|status| matches!(status.state, 'T' | 't'))
    }

    /// Whether its parent has seen its end, or it was never there.
    pub(super) fn is_reaped(self) -> bool {
        self.status().is_none()
    }

    /// Sends a signal, by its name. One that has ended gets none.
    pub(super) fn signal(self, name: &str) -> Result<(), Failure> {
        if !self.is_alive() {
            return Ok(());
        }
        let sent = tool::run("kill", [format!("-{name}"), self.id.to_string()]).map(drop);
        // It may have ended in between.
        if self.is_alive() { sent } else { Ok(()) }
    }

    pub(super) fn children(self) -> Vec<Self> {
        all().into_iter().filter(|process| process.status().is_some_and(|status| status.parent == self.id)).collect()
    }

    /// The namespace of a kind (`net`, `pid`) that it lives in.
    pub(super) fn namespace(self, kind: &str) -> Option<String> {
        Some(fs::read_link(format!("/proc/{}/ns/{kind}", self.id)).ok()?.to_str()?.to_owned())
    }

    /// Its short name, which it may have changed.
    pub(super) fn name(self) -> String {
        self.read_file("comm").trim_end().to_owned()
    }

    /// The file of its program. One that was removed has ` (deleted)` behind its name.
    pub(super) fn program(self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.id)).ok()
    }

    /// Whether it accepts TCP connections at `port`, or another process of its network does.
    pub(super) fn listens_at(self, port: u16) -> bool {
        // Local address, remote address, state; 0A is LISTEN.
        let wanted = format!(":{port:04X}");
        ["net/tcp", "net/tcp6"].iter().any(|table| {
            self.read_file(table).lines().any(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                words.get(1).is_some_and(|local| local.ends_with(&wanted)) && words.get(3) == Some(&"0A")
            })
        })
    }

    fn read_file(self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.id)).unwrap_or_default()
    }

    fn status(self) -> Option<Status> {
        Status::of(self.id).filter(|status| status.start == self.start)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.read_file("cmdline").replace('\0', " ");
        let state = self.status().map_or('X', |status| status.state);
        write!(out, "{} ({state}) {}: {}", self.id, self.name(), words.trim_end())
    }
}

impl Status {
    fn of(id: u32) -> Option<Self> {
        // The name may hold anything, but the last parenthesis ends it.
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut words = text.rsplit_once(')')?.1.split_whitespace();
        let state = words.next()?.chars().next()?;
        let parent = words.next()?.parse().ok()?;
        Some(Self { state, parent, start: words.nth(17)?.parse().ok()? })
    }
}

/// All processes, those of nested namespaces included.
pub(super) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::*;

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let own = Process::of(process::id()).unwrap();
        assert!(own.is_alive() && !own.is_stopped() && !own.is_reaped());
        let other = Process { start: own.start + 1, ..own };
        assert!(!other.is_alive() && other.is_reaped());
        assert!(all().contains(&own));
        assert!(own.namespace("pid").unwrap().starts_with("pid:["));
    }

    #[test]
    fn a_child_can_be_found_and_ended() {
        let mut child = Command::new("tail").args(["-f", "/dev/null"]).spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(Process::of(process::id()).unwrap().children().contains(&process));
        process.signal("KILL").unwrap();
        child.wait().unwrap();
        assert!(!process.is_alive());
        process.signal("KILL").unwrap();
    }

    #[test]
    fn it_can_be_written_down() {
        let own = Process::of(process::id()).unwrap();
        let file = std::env::temp_dir().join(format!("procession-lab-{}", own.id));
        own.write(&file).unwrap();
        assert_eq!(Process::read(&file), Some(own));
        fs::remove_file(&file).unwrap();
        assert_eq!(Process::read(&file), None);
    }
}
