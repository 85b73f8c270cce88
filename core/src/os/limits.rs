//! Limits of the machine: which one a failed call has run into, and its value, so that an error can say what to raise.

use std::fs;
use std::io;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limits that a program may have set for itself and its children (memory, descriptors, stack, core files), as pairs of
/// soft and hard values.
///
/// ```
/// assert!(procession_core::os::limits::inheritable().iter().all(|(soft, hard)| soft <= hard));
/// ```
#[must_use]
pub fn inheritable() -> Vec<(u64, u64)> {
    RESOURCES.iter().map(|one| getrlimit(*one).unwrap_or_default()).collect()
}

/// The real, effective and saved user and group of this process: what a child takes over as well.
///
/// ```
/// assert_eq!(procession_core::os::limits::credentials().len(), 6);
/// ```
#[must_use]
pub fn credentials() -> [u32; 6] {
    let (user, group) = (nix::unistd::getresuid(), nix::unistd::getresgid());
    let users = user.map_or([u32::MAX; 3], |id| [id.real.as_raw(), id.effective.as_raw(), id.saved.as_raw()]);
    let groups = group.map_or([u32::MAX; 3], |id| [id.real.as_raw(), id.effective.as_raw(), id.saved.as_raw()]);
    [users[0], users[1], users[2], groups[0], groups[1], groups[2]]
}

/// Returns whether this process acts for another user or group than its real one. What it executes then has "more rights than its
/// starter" for the kernel, and must not obey it.
///
/// ```
/// assert!(!procession_core::os::limits::acts_for_another());
/// ```
#[must_use]
pub fn acts_for_another() -> bool {
    let [user, acting_user, _, group, acting_group, _] = credentials();
    user != acting_user || group != acting_group
}

/// Returns whether the memory of this process is limited (RLIMIT_AS).
///
/// ```
/// println!("{}", if procession_core::os::limits::has_memory_limit() { "mind what you allocate" } else { "go ahead" });
/// ```
#[must_use]
pub fn has_memory_limit() -> bool {
    getrlimit(Resource::RLIMIT_AS).is_ok_and(|(soft, _)| soft != libc::RLIM_INFINITY)
}

/// Those that programs set for themselves. Asking costs a microsecond each, at every start of a process.
const RESOURCES: [Resource; 4] =
    [Resource::RLIMIT_AS, Resource::RLIMIT_CORE, Resource::RLIMIT_NOFILE, Resource::RLIMIT_STACK];

/// Lets this process open as many descriptors as the machine allows it to: for servers, whose clients bring some each. Where
/// that cannot be, everything stays as it is.
///
/// ```
/// use procession_core::os::limits::{inheritable, raise_descriptors};
///
/// raise_descriptors();
/// assert!(inheritable().iter().any(|(soft, hard)| soft == hard), "it is as high as it can be");
/// ```
pub fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _as_it_was = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Says which limit an error is about and what its value is; `None` when it is about no limit.
///
/// ```
/// let full = std::io::Error::from_raw_os_error(24); // EMFILE
/// assert!(procession_core::os::limits::explain(&full).unwrap().contains("RLIMIT_NOFILE"));
/// ```
#[must_use]
pub fn explain(error: &io::Error) -> Option<String> {
    match error.raw_os_error()? {
        libc::EMFILE => Some(format!(
            "this process has reached its limit of open descriptors (RLIMIT_NOFILE = {}; raise it with `ulimit -n`)",
            soft(Resource::RLIMIT_NOFILE)
        )),
        libc::ENFILE => Some(format!(
            "the machine has reached its limit of open files ({})",
            setting("/proc/sys/fs/file-max", "fs.file-max")
        )),
        libc::ETOOMANYREFS => Some(format!(
            "too many descriptors are on their way between processes (RLIMIT_NOFILE = {}; raise it with `ulimit -n`)",
            soft(Resource::RLIMIT_NOFILE)
        )),
        // The kernel uses this number for each of several limits and does not say which.
        libc::EAGAIN => Some(process_limits()),
        libc::ENOMEM => Some(memory_limits().map_or_else(
            || "the machine has no memory left for it".to_owned(),
            |limits| format!("there is no memory for it within the limits of this process ({limits})"),
        )),
        _ => None,
    }
}

/// The limits on this process's own memory and their values; `None` where there are none.
///
/// ```
/// assert_eq!(procession_core::os::limits::memory_limits(), None);
/// ```
#[must_use]
pub fn memory_limits() -> Option<String> {
    let limits = [(Resource::RLIMIT_AS, "RLIMIT_AS", "ulimit -v"), (Resource::RLIMIT_DATA, "RLIMIT_DATA", "ulimit -d")];
    let is_set = |one: &Resource| getrlimit(*one).is_ok_and(|(soft, _)| soft != libc::RLIM_INFINITY);
    let set = limits.iter().filter(|(resource, ..)| is_set(resource));
    let reached: Vec<String> =
        set.map(|(resource, name, remedy)| format!("{name} = {} bytes, see `{remedy}`", soft(*resource))).collect();
    (!reached.is_empty()).then(|| reached.join("; "))
}

/// A failed fork does not say which of the limits on processes it hit: name them all with their values.
fn process_limits() -> String {
    let mut text = format!(
        "no further process may be started (RLIMIT_NPROC = {}, {}, {}",
        soft(Resource::RLIMIT_NPROC),
        setting("/proc/sys/kernel/pid_max", "kernel.pid_max"),
        setting("/proc/sys/kernel/threads-max", "kernel.threads-max"),
    );
    if let Some(max) = cgroup_pids() {
        text.push_str(&format!(", pids.max of the control group = {max}"));
    }
    text.push_str("; raise the one that was reached, or run fewer at once)");
    text
}

fn soft(resource: Resource) -> String {
    match getrlimit(resource) {
        Ok((libc::RLIM_INFINITY, _)) => "unlimited".to_owned(),
        Ok((soft, _)) => soft.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

fn setting(path: &str, name: &str) -> String {
    let value = fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
    format!("{name} = {value}")
}

/// The smallest limit on processes among the control group of this process and those above it.
fn cgroup_pids() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(pids_folder).flat_map(|folder| limits_above(&folder)).min()
}

/// The folder of a line of `/proc/self/cgroup` that can limit processes: of version 2, or the `pids` controller of version 1.
fn pids_folder(line: &str) -> Option<String> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    match controllers {
        // Version 2 of control groups has one hierarchy without a list; in version 1 each controller has its own.
        "" => Some(format!("/sys/fs/cgroup{path}")),
        _ if controllers.split(',').any(|one| one == "pids") => Some(format!("/sys/fs/cgroup/pids{path}")),
        _ => None,
    }
}

fn limits_above(folder: &str) -> Vec<u64> {
    let above = std::path::Path::new(folder).ancestors();
    // Any group above may be the one that is full, so all of them count.
    above.filter_map(|one| fs::read_to_string(one.join("pids.max")).ok()?.trim().parse().ok()).collect()
}
