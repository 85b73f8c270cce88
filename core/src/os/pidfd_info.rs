//! What the kernel still knows of a process whose status other code has taken (Linux 6.15: `PIDFD_GET_INFO`).

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::libc;

use crate::tuning::STATUS_TIMEOUT;

/// The kernel's `struct pidfd_info` in its first form (`PIDFD_INFO_SIZE_VER0`), which later kernels take as well.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    control_group: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// In the mask: `exit_code` is asked for, and was filled.
const EXIT: u64 = 1 << 3;

/// `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)`.
const GET_INFO: libc::c_ulong = 3 << 30 | (size_of::<Info>() as libc::c_ulong) << 16 | 0xff << 8 | 11;

/// Returns the status, as `wait` would, of a process that has been waited for; `None` where the kernel does not keep it.
pub(super) fn status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let asked = Instant::now();
    loop {
        let info = ask(pidfd)?;
        if info.mask & EXIT != 0 {
            return Some(info.exit_code);
        }
        // A process that is not waited for leaves by itself, a moment after its descriptor has become readable.
        if asked.elapsed() > STATUS_TIMEOUT {
            return None;
        }
        std::thread::yield_now();
    }
}

fn ask(pidfd: BorrowedFd<'_>) -> Option<Info> {
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the kernel reads the mask and writes at most the size that is part of the request.
    let outcome = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    (outcome == 0).then_some(info)
}

/// Returns whether this kernel keeps what is asked for.
#[cfg(test)]
pub(super) fn is_known() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|one| one.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}
