//! [`Rights`]: what a process may do and reach, and can give up at any time: a child must have no more of it than its parent.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

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
    status: Vec<u8>,
    secure_bits: i32,
    root: Option<(u64, u64)>,
    namespaces: Namespaces,
    group_and_session: (i32, i32),
}

/// All that the kernel applies: it keeps those for locks and for resident memory, and looks at neither.
const RESOURCES: [Resource; 14] = [
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_MSGQUEUE,
    Resource::RLIMIT_NICE,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_RTTIME,
    Resource::RLIMIT_SIGPENDING,
    Resource::RLIMIT_STACK,
];

/// What begins the lines of `/proc/thread-self/status` that are about rights. The ids have a place of their own.
const LINES: [&[u8]; 5] = [b"Groups:", b"SigIgn:", b"Cap", b"NoNewPrivs:", b"Seccomp"];

/// That of the users stands first: no process enters another of the rest without a right to, or a new one of the users.
const NAMESPACES: [&CStr; 8] =
    [c"user", c"cgroup", c"ipc", c"mnt", c"net", c"pid_for_children", c"time_for_children", c"uts"];

/// The place of the namespace in which the next child lives among [`NAMESPACES`].
const OF_CHILDREN: usize = 5;

/// What the kernel calls each of [`NAMESPACES`], such as `net:[4026531833]`; empty where it was not asked.
type Namespaces = [[u8; 32]; NAMESPACES.len()];

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
        let status = read_status().unwrap_or_default();
        // Without the right to enter namespaces only the user's own can change, so the other links are not read.
        let namespaces = namespaces(if may_enter_namespaces(&status) { &NAMESPACES } else { &NAMESPACES[..1] });
        Rights {
            credentials: limits::credentials(),
            limits: RESOURCES.map(|one| getrlimit(one).unwrap_or_default()),
            status,
            secure_bits: secure_bits(),
            root: fs::metadata("/").ok().map(|root| (root.dev(), root.ino())),
            namespaces,
            group_and_session: group_and_session(),
        }
    }
}

impl Rights {
    /// These rights, which a process had before it started its first child, as they are read afterwards: a namespace of
    /// processes has no name before there is one in it.
    ///
    /// ```
    /// use procession_core::os::rights::Rights;
    ///
    /// assert_eq!(Rights::current().named(), Rights::current());
    /// ```
    #[must_use]
    pub fn named(mut self) -> Rights {
        let was_asked = self.namespaces[OF_CHILDREN - 1] != [0; 32];
        if was_asked && self.namespaces[OF_CHILDREN] == [0; 32] {
            self.namespaces[OF_CHILDREN] = namespaces(&NAMESPACES)[OF_CHILDREN];
        }
        self
    }
}

/// Asked at every start of a process, so in as few calls as can be.
fn read_status() -> io::Result<Vec<u8>> {
    let (mut file, mut room) = (File::open("/proc/thread-self/status")?, [0; 8192]);
    let count = file.read(&mut room)?;
    Ok(rights_lines(&room[..count]))
}

/// The lines about rights of a `status` file.
fn rights_lines(status: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(512);
    let lines = status.split_inclusive(|byte| *byte == b'\n');
    lines
        // The first letter first: it rules out most of the sixty lines.
        .filter(|line| {
            matches!(line[0], b'G' | b'S' | b'C' | b'N') && LINES.iter().any(|start| line.starts_with(start))
        })
        .for_each(|line| kept.extend_from_slice(line));
    kept
}

/// Returns whether a thread with these rights may enter another namespace without a new one of users.
fn may_enter_namespaces(status: &[u8]) -> bool {
    let effective = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"CapEff:"));
    let digits = effective.and_then(|digits| std::str::from_utf8(digits.trim_ascii()).ok());
    let bits = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    bits.is_none_or(|bits| bits >> SYS_ADMIN & 1 == 1)
}

/// The names of namespaces of the calling thread.
fn namespaces(which: &[&CStr]) -> Namespaces {
    let mut found = Namespaces::default();
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    if let Ok(folder) = File::options().read(true).custom_flags(flags).open("/proc/thread-self/ns") {
        for (name, room) in which.iter().zip(&mut found) {
            // SAFETY: a null-terminated name, and the kernel writes at most as many bytes as there are.
            let _unknown =
                unsafe { libc::readlinkat(folder.as_raw_fd(), name.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
        }
    }
    found
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
        let kept = rights_lines(status);
        assert_eq!(kept, b"Groups:\t4 7 \nSigIgn:\t0\nCapEff:\t0000000000200000\nSeccomp:\t2\n");
        assert!(may_enter_namespaces(&kept), "bit 21");
        assert!(!may_enter_namespaces(b"CapEff:\t00000000a80425fb\n"), "what containers have");
    }

    #[test]
    fn what_is_ignored_counts() {
        use crate::os::signal::{Disposition, SIGHUP, set};
        let before = Rights::current();
        let ignored = set(SIGHUP, Disposition::Ignore).unwrap();
        assert_eq!(before == Rights::current(), ignored, "unless it was ignored before");
        set(SIGHUP, if ignored { Disposition::Ignore } else { Disposition::Default }).unwrap();
    }
}
