//! [`Rights`]: what a process may do and reach, and can give up at any time: a child must have no more of it than its parent.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};

use super::limits;

/// What the calling thread may do and reach. Equal to what it was before as long as nothing was given up or gained.
///
/// Users and groups, capabilities, filters of system calls, the root of its paths, namespaces, limits, the process group
/// and session, and the signals that it ignores.
///
/// ```
/// use procession_core::os::rights::Rights;
///
/// assert_eq!(Rights::current(), Rights::current());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    credentials: [u32; 6],
    limits: [(u64, u64); RESOURCES.len()],
    /// The lines of the kernel's file about this thread that are about rights.
    told: Vec<u8>,
    secure_bits: i32,
    root: Option<(u64, u64)>,
    namespaces: [u64; NAMESPACES.len()],
    group_and_session: (i32, i32),
}

/// All that the kernel has.
const RESOURCES: [Resource; 16] = [
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_LOCKS,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_MSGQUEUE,
    Resource::RLIMIT_NICE,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_RSS,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_RTTIME,
    Resource::RLIMIT_SIGPENDING,
    Resource::RLIMIT_STACK,
];

/// What begins the lines of `/proc/thread-self/status` that are about rights. The ids have a place of their own.
const LINES: [&[u8]; 5] = [b"Groups:", b"SigIgn:", b"Cap", b"NoNewPrivs:", b"Seccomp"];

/// That of the users stands first: nobody enters another of the rest without a right to, or a new one of the users.
const NAMESPACES: [&str; 8] = ["user", "cgroup", "ipc", "mnt", "net", "pid_for_children", "time_for_children", "uts"];

/// The capability (by number) without which no namespace can be entered.
const SYS_ADMIN: u32 = 21;

impl Rights {
    /// Those of the calling thread, now. What the system does not tell counts as unchanged.
    ///
    /// ```
    /// use procession_core::os::rights::Rights;
    ///
    /// let before = Rights::current();
    /// assert_eq!(before, Rights::current(), "nothing was given up");
    /// ```
    #[must_use]
    pub fn current() -> Rights {
        let told = told(&fs::read("/proc/thread-self/status").unwrap_or_default());
        let namespaces = if may_enter_namespaces(&told) { &NAMESPACES[..] } else { &NAMESPACES[..1] };
        let mut found = [0; NAMESPACES.len()];
        found.iter_mut().zip(namespaces).for_each(|(found, name)| *found = namespace(name));
        Rights {
            credentials: limits::credentials(),
            limits: RESOURCES.map(|one| getrlimit(one).unwrap_or_default()),
            told,
            secure_bits: secure_bits(),
            root: fs::metadata("/").ok().map(|root| (root.dev(), root.ino())),
            namespaces: found,
            group_and_session: group_and_session(),
        }
    }
}

/// The lines about rights of a `status` file.
fn told(status: &[u8]) -> Vec<u8> {
    let lines = status.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| LINES.iter().any(|start| line.starts_with(start))).flatten().copied().collect()
}

/// Whether a thread with these rights may enter another namespace without a new one of users.
fn may_enter_namespaces(told: &[u8]) -> bool {
    let text = String::from_utf8_lossy(told);
    let effective = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    bits.is_none_or(|bits| bits >> SYS_ADMIN & 1 == 1)
}

/// The number of a namespace of the calling thread; 0 where there is none of this kind.
fn namespace(name: &str) -> u64 {
    let link = fs::read_link(format!("/proc/thread-self/ns/{name}")).ok();
    let number = link.and_then(|link| link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok());
    number.unwrap_or(0)
}

fn secure_bits() -> i32 {
    // SAFETY: this request takes nothing and writes nothing.
    unsafe { libc::prctl(libc::PR_GET_SECUREBITS) }
}

fn group_and_session() -> (i32, i32) {
    // SAFETY: asks about the caller and writes nothing.
    let group = unsafe { libc::getpgid(0) };
    // SAFETY: as above.
    (group, unsafe { libc::getsid(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_about_rights_are_kept() {
        let status =
            b"Name:\tx\nUid:\t0\nGroups:\t4 7 \nVmPeak:\t1\nSigIgn:\t0\nCapEff:\t0000000000200000\nSeccomp:\t2\n";
        let kept = told(status);
        assert_eq!(kept, b"Groups:\t4 7 \nSigIgn:\t0\nCapEff:\t0000000000200000\nSeccomp:\t2\n");
        assert!(may_enter_namespaces(&kept), "bit 21");
        assert!(!may_enter_namespaces(b"CapEff:\t00000000a80425fb\n"), "what containers have");
    }

    #[test]
    fn what_is_ignored_counts() {
        use crate::os::signal::{Disposition, SIGHUP, set};
        let before = Rights::current();
        let ignored = set(SIGHUP, Disposition::Ignore).unwrap();
        assert_ne!(before, Rights::current());
        set(SIGHUP, if ignored { Disposition::Ignore } else { Disposition::Default }).unwrap();
    }
}
