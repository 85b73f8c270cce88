//! What a process holds of the kernel's, to be compared before and after.

use std::{fs, io};

use procession_process::active_children;

use super::{Failure, wait_for};

/// How much of each kind this process has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Belongings {
    descriptors: usize,
    threads: usize,
    children: usize,
}

impl Belongings {
    pub(crate) fn count() -> io::Result<Belongings> {
        // Whose handle was dropped is reaped when somebody asks who is there.
        drop(active_children());
        let entries = |path: &str| fs::read_dir(path).map(Iterator::count);
        let (descriptors, threads) = (entries("/proc/self/fd")?, entries("/proc/self/task")?);
        Ok(Belongings { descriptors, threads, children: children().len() })
    }

    /// An error unless all is as before. The kernel may take a moment to end the last thread.
    pub(crate) fn compare(&self) -> Result<(), Failure> {
        let mut now = Belongings::count()?;
        let is_as_before = || {
            now = Belongings::count()?;
            Ok(now == *self)
        };
        wait_for("an end", is_as_before)
            .map_err(|_| format!("something is left over: {now:?} instead of {self:?}").into())
    }
}

/// The numbers of this process's children, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let mine = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let all = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent_of(*pid) == Some(mine)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
