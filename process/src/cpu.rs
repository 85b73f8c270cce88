//! [`cpu_count`]: the number of processors that this process may use.
//!
//! | source | read from | counted as |
//! | --- | --- | --- |
//! | affinity | the kernel, for the calling thread | the number of processors in it |
//! | quota, control groups version 2 | `cpu.max` of the group and of all above it | the smallest, rounded up |
//! | quota, control groups version 1 | `cpu.cfs_quota_us` and `cpu.cfs_period_us` of the same | the smallest, rounded up |
//! | `PROCESSION_CPU_COUNT` | the environment | as it is; no number, or 0, is no limit |
//!
//! A source that cannot be read sets no limit. Nothing is remembered: a change counts at the next call.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;

/// Returns the number of processors that this process may use at once: at least 1.
///
/// It is the smallest of its affinity (`taskset`, containers), the quota of its control group, rounded up, and the variable
/// `PROCESSION_CPU_COUNT`, where that is set to a number above 0.
///
/// ```
/// assert!(procession_process::cpu_count() >= 1);
/// ```
///
/// # Differences from Python
///
/// `multiprocessing.cpu_count` counts the processors of the machine, also those that this process may not use.
#[must_use]
#[doc(alias = "process_cpu_count")]
pub fn cpu_count() -> usize {
    let quota = std::env::var("PROCESSION_CPU_COUNT").ok().and_then(|text| text.trim().parse::<NonZeroUsize>().ok());
    quota.map_or(usize::MAX, NonZeroUsize::get).min(allowed())
}

/// Returns the number without the variable: the affinity, and the quota where there is one.
fn allowed() -> usize {
    // Not `available_parallelism` first: it counts a quota of 1.5 processors as one, where `quota` below rounds up.
    let affinity = procession_core::os::threads::affinity()
        .unwrap_or_else(|| available_parallelism().map_or(1, NonZeroUsize::get));
    quota().map_or(affinity, |quota| quota.min(affinity)).max(1)
}

/// Returns the smallest quota of the control group of this process and of those above it, in whole processors.
fn quota() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(quota_of_line).min()
}

/// One line is `number:controllers:path`; version 2 has no controllers.
fn quota_of_line(line: &str) -> Option<usize> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    if controllers.is_empty() {
        return smallest("/sys/fs/cgroup", path, |folder| parse_v2(&read(folder, "cpu.max")?));
    }
    let is_cpu = controllers.split(',').any(|one| one == "cpu");
    let mounted = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"];
    let mount = mounted.iter().find(|one| is_cpu && Path::new(one).is_dir())?;
    smallest(mount, path, |folder| parse_v1(&read(folder, "cpu.cfs_quota_us")?, &read(folder, "cpu.cfs_period_us")?))
}

/// The smallest quota of a group and all above it. In a container the path may name a folder that is not visible there.
fn smallest(mount: &str, path: &str, quota: impl Fn(&Path) -> Option<usize>) -> Option<usize> {
    let folder = Path::new(mount).join(path.trim_start_matches('/'));
    folder.ancestors().take_while(|one| one.starts_with(mount)).filter_map(quota).min()
}

fn read(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

/// `cpu.max` of version 2: the quota and the period, or `max`.
fn parse_v2(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    processors(quota.parse().ok()?, period.parse().ok()?)
}

/// The two files of version 1; a quota of −1 means no quota.
fn parse_v1(quota: &str, period: &str) -> Option<usize> {
    processors(quota.trim().parse().ok()?, period.trim().parse().ok()?)
}

/// Returns a quota in whole processors, rounded up; `None` for none. Both are times of the same unit, in each period.
fn processors(quota: i64, period: i64) -> Option<usize> {
    if quota <= 0 || period <= 0 {
        return None;
    }
    // Up, because a part of a processor keeps a worker busy too. Checked, because any number may stand in the file.
    usize::try_from(quota.checked_add(period - 1)? / period).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_round_up_and_nonsense_is_no_quota() {
        assert_eq!(parse_v2("150000 100000\n"), Some(2));
        assert_eq!(parse_v2("50000 100000"), Some(1));
        assert_eq!(parse_v2("max 100000"), None);
        assert_eq!(parse_v1("-1\n", "100000\n"), None);
        assert_eq!(parse_v1("400000\n", "100000\n"), Some(4));
        assert_eq!(processors(i64::MAX, 100_000), None);
        assert_eq!(processors(1, 0), None);
        assert_eq!(quota_of_line("garbage"), None);
    }
}
