//! How much memory may still be taken: what the machine, the control group and the process's own limits say.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// Requests below this, in bytes, are not worth reading files for: they fail in the kernel if at all.
const SMALL: u64 = 1 << 20;

/// The memory, in bytes, that can be taken before the kernel starts to kill; `None` when nothing is known, or when
/// `size` is small.
pub(crate) fn free_for(size: u64) -> Option<u64> {
    if size < SMALL { None } else { free() }
}

/// The memory, in bytes, that can be taken before the kernel starts to kill, if the system reports it.
pub(crate) fn free() -> Option<u64> {
    // The smaller of the two: a group may be allowed more than the machine has left.
    [free_in_machine(), free_in_group()].into_iter().flatten().min()
}

/// The largest file, in bytes, that this process may make; beyond it the kernel sends a deadly signal.
pub(crate) fn file_size_limit() -> Option<u64> {
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((limit, _)) if limit != RLIM_INFINITY => Some(limit),
        _ => None,
    }
}

fn free_in_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    // Pages of shared memory can be swapped out, so free swap counts as well.
    let kibibytes = field(&text, "MemAvailable:")? + field(&text, "SwapFree:").unwrap_or(0);
    Some(kibibytes * 1024)
}

/// The tightest bound on the way from this process's control group up to the root.
fn free_in_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    // In a container the path may be the host's, while the container's own group is mounted as the root.
    let own = Some(root.join(own)).filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from(root));
    own.ancestors().take_while(|group| group.starts_with(root)).filter_map(free_in).min()
}

fn free_in(group: &Path) -> Option<u64> {
    let number = |name| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    // A group without a limit says `max`, which is no number: then it does not count.
    let room = number("memory.max")?.saturating_sub(number("memory.current")?);
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    // Cached files are counted as used, but give way.
    Some(room.saturating_add(field(&stat, "inactive_file").unwrap_or(0)))
}

/// The number after a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotal:  10 kB\nMemAvailable:    7 kB\ninactive_file 3\n";
        assert_eq!(field(text, "MemAvailable:"), Some(7));
        assert_eq!(field(text, "inactive_file"), Some(3));
        assert_eq!(field(text, "SwapFree:"), None);
        assert_eq!(field("SwapFree: many", "SwapFree:"), None);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(free().is_some_and(|free| free > 0));
        assert_eq!(free_for(1), None);
    }
}
