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
        let mut watch = OomWatch { events: events(), seen: 0 };
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
