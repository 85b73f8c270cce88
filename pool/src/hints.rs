//! [`OomWatch`]: whether the system has killed something for want of memory.

use std::fs;
use std::path::PathBuf;

/// The count of such killings in this process's memory group.
#[derive(Debug)]
pub(crate) struct OomWatch {
    events: Option<PathBuf>,
    seen: u64,
}

impl OomWatch {
    pub(crate) fn new() -> OomWatch {
        OomWatch::over(events())
    }

    fn over(events: Option<PathBuf>) -> OomWatch {
        let mut watch = OomWatch { events, seen: 0 };
        watch.has_struck();
        watch
    }

    /// Whether there was one since this was last asked.
    pub(crate) fn has_struck(&mut self) -> bool {
        let now = self.count().unwrap_or(self.seen);
        std::mem::replace(&mut self.seen, now) < now
    }

    fn count(&self) -> Option<u64> {
        let text = fs::read_to_string(self.events.as_ref()?).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    }
}

/// Where the system counts them, if it does.
fn events() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let events = PathBuf::from("/sys/fs/cgroup").join(own).join("memory.events");
    events.exists().then_some(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killing_is_told_once_and_only_if_the_system_has_counted_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let count = |kills: u64| {
            let text = format!("low 0\nhigh 7\nmax 3\noom 5\noom_kill {kills}\noom_group_kill 0\n");
            fs::write(file.path(), text).unwrap();
        };
        count(2);
        let mut watch = OomWatch::over(Some(file.path().to_owned()));
        assert!(!watch.has_struck(), "what was before the pool is not its business");
        count(3);
        assert!(watch.has_struck() && !watch.has_struck());
        // A group that was made anew counts from the beginning.
        count(0);
        assert!(!watch.has_struck());
        count(1);
        assert!(watch.has_struck());
    }

    #[test]
    fn where_nothing_is_counted_nothing_is_claimed() {
        assert!(!OomWatch::over(None).has_struck());
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watch = OomWatch::over(Some(file.path().to_owned()));
        assert!(!watch.has_struck());
        fs::write(file.path(), "oom_kill many\n").unwrap();
        assert!(!watch.has_struck());
        drop(file);
        assert!(!watch.has_struck());
    }
}
