//! [`OomCounter`]: whether the kernel has killed a process because memory ran out.

use std::fs;
use std::path::PathBuf;

/// The count of such kills in this process's cgroup.
#[derive(Debug)]
pub(crate) struct OomCounter {
    events: Option<PathBuf>,
    seen: u64,
}

impl OomCounter {
    pub(crate) fn new() -> OomCounter {
        OomCounter::over(events())
    }

    fn over(events: Option<PathBuf>) -> OomCounter {
        let mut counter = OomCounter { events, seen: 0 };
        counter.take_kill();
        counter
    }

    /// Returns whether there was a kill since the last call.
    pub(crate) fn take_kill(&mut self) -> bool {
        let now = self.count().unwrap_or(self.seen);
        std::mem::replace(&mut self.seen, now) < now
    }

    /// Returns the count of this moment, where it can be read.
    fn count(&self) -> Option<u64> {
        let text = fs::read_to_string(self.events.as_ref()?).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    }
}

/// Returns the file in which the kernel counts them, where it does.
fn events() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    // The line of cgroup v2. Version 1 is not read: there a kill for memory is reported as a plain SIGKILL.
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let events = PathBuf::from("/sys/fs/cgroup").join(own).join("memory.events");
    events.exists().then_some(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_reported_once_and_only_if_the_kernel_has_counted_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let count = |kills: u64| {
            let text = format!("low 0\nhigh 7\nmax 3\noom 5\noom_kill {kills}\noom_group_kill 0\n");
            fs::write(file.path(), text).unwrap();
        };
        count(2);
        let mut counter = OomCounter::over(Some(file.path().to_owned()));
        assert!(!counter.take_kill(), "kills before the pool do not count");
        count(3);
        assert!(counter.take_kill() && !counter.take_kill());
        // The count of a new cgroup begins again.
        count(0);
        assert!(!counter.take_kill());
        count(1);
        assert!(counter.take_kill());
    }

    #[test]
    fn without_a_count_there_are_no_kills() {
        assert!(!OomCounter::over(None).take_kill());
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut counter = OomCounter::over(Some(file.path().to_owned()));
        assert!(!counter.take_kill());
        fs::write(file.path(), "oom_kill many\n").unwrap();
        assert!(!counter.take_kill());
        drop(file);
        assert!(!counter.take_kill());
    }
}
