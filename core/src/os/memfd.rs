//! Memory that is named by a descriptor: created, filled up with pages, sealed, and checked on receipt.

use std::ffi::{CString, c_uint};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::uio::pwrite;

use super::descriptors::above_standard;
use super::refusal::refused;
use super::{limits, memory};

/// Neither end of the file can move, and no process can undo that.
pub(crate) const FIXED_SIZE: SealFlag =
    SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

/// The file may grow, but what is there stays there.
pub(crate) const NEVER_SMALLER: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_SEAL);

/// Nothing about the file can change any more.
pub(crate) const IMMUTABLE: SealFlag = FIXED_SIZE.union(SealFlag::F_SEAL_WRITE);

/// `MFD_NOEXEC_SEAL`: the memory can never be executed. Linux 6.3 and newer know it, and may insist on it.
const NOEXEC_SEAL: c_uint = 8;

/// The longest name, in bytes, that the kernel takes for a memfd.
const MAX_NAME: usize = 249;

/// How much is allocated in one call, in bytes. A signal undoes a call that it interrupts, so a single huge one might
/// never end.
const ALLOCATION_STEP: u64 = 64 << 20;

/// Cleared once the kernel has refused [`NOEXEC_SEAL`].
static KNOWS_NOEXEC: AtomicBool = AtomicBool::new(true);

/// Why there is no memory, or why received memory is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryFault {
    #[error("{0}")]
    Refused(String),
    #[error("cannot allocate {asked} bytes of shared memory: {free} bytes are free")]
    NoRoom { asked: u64, free: u64 },
    #[error("cannot allocate {asked} bytes of shared memory: the limit on file sizes (`ulimit -f`) is {limit} bytes")]
    FileLimit { asked: u64, limit: u64 },
    #[error("cannot {action}: {}", reason(error))]
    System { action: String, error: io::Error },
}

impl MemoryFault {
    pub(crate) fn system(action: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self::System { action: action.into(), error: error.into() }
    }

    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }

    /// Returns whether it was the amount that failed, so that less may succeed.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        match self {
            Self::NoRoom { .. } | Self::FileLimit { .. } => true,
            Self::System { error, .. } => matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOSPC)),
            Self::Refused(_) => false,
        }
    }
}

/// The limit that was reached, or else what the system says.
fn reason(error: &io::Error) -> String {
    limits::explain(error).unwrap_or_else(|| error.to_string())
}

/// Creates an empty memfd. The label shows in `/proc/PID/maps`; it need not be unique.
pub(crate) fn create(label: &str) -> Result<OwnedFd, MemoryFault> {
    let name = name_of(label);
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    if KNOWS_NOEXEC.load(Ordering::Relaxed) {
        match memfd_create(name.as_c_str(), flags | MFdFlags::from_bits_retain(NOEXEC_SEAL)) {
            Err(Errno::EINVAL) => KNOWS_NOEXEC.store(false, Ordering::Relaxed),
            other => return created(other),
        }
    }
    created(memfd_create(name.as_c_str(), flags))
}

fn created(file: nix::Result<OwnedFd>) -> Result<OwnedFd, MemoryFault> {
    let file = file.map_err(|error| refused("memfd_create", error)).and_then(above_standard);
    file.map_err(|error| MemoryFault::system("create shared memory", error))
}

/// Gives an empty file `size` bytes, all of them backed by memory: what does not fit fails here and not at the first
/// touch.
pub(crate) fn allocate(fd: impl AsFd, size: u64) -> Result<(), MemoryFault> {
    check_room(size)?;
    back_with_pages(fd, size)
}

/// Backs a part of a file with memory, and makes the file longer if it ends before.
pub(crate) fn allocate_at(fd: impl AsFd, offset: u64, len: u64) -> Result<(), MemoryFault> {
    let end = offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok());
    let end = end.ok_or(MemoryFault::NoRoom { asked: len, free: i64::MAX as u64 })?;
    check_room(len)?;
    // The limit is compared with the end of the file and not with what is added: the kernel kills a process that goes beyond.
    match memory::file_size_limit() {
        Some(limit) if end > limit => Err(MemoryFault::FileLimit { asked: end, limit }),
        _ => back_from(fd, offset, end),
    }
}

/// Gives the memory behind whole pages back.
pub(crate) fn punch(fd: impl AsFd, offset: u64, len: u64) -> Result<(), MemoryFault> {
    let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let failed = |error| MemoryFault::system("give shared memory back", error);
    let (offset, len) = (i64::try_from(offset), i64::try_from(len));
    let (Ok(offset), Ok(len)) = (offset, len) else { return Err(failed(Errno::EINVAL)) };
    while let Err(error) = fallocate(&fd, mode, offset, len) {
        if error != Errno::EINTR {
            return Err(failed(error));
        }
    }
    Ok(())
}

/// The size of a file, in bytes.
pub(crate) fn size(fd: impl AsFd) -> Result<u64, MemoryFault> {
    fstat(fd).map(|stat| stat.st_size as u64).map_err(|error| MemoryFault::system("look at shared memory", error))
}

/// Appends all of `bytes` to an empty file.
pub(crate) fn fill(fd: impl AsFd, bytes: &[u8]) -> Result<(), MemoryFault> {
    check_room(bytes.len() as u64)?;
    let mut written = 0;
    while written < bytes.len() {
        // Written and not copied through a mapping: with no memory left this is an error, and the other a bus error.
        match pwrite(&fd, &bytes[written..], written as i64) {
            Ok(0) | Err(Errno::ENOSPC | Errno::ENOMEM) => return Err(no_room(bytes.len() as u64)),
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(MemoryFault::system("write to shared memory", error)),
        }
    }
    Ok(())
}

/// Adds seals, which can never be taken off.
pub(crate) fn seal(fd: impl AsFd, seals: SealFlag) -> Result<(), MemoryFault> {
    fcntl(fd, FcntlArg::F_ADD_SEALS(seals)).map(drop).map_err(|error| MemoryFault::system("seal shared memory", error))
}

/// Checks that a descriptor from another process is a memfd of exactly this size with these seals, and backs it with
/// memory.
///
/// After that no access inside the size can fault, as far as the kernel has memory: the sender may still punch holes
/// into memory that it may write, and a hole is filled again when it is touched.
pub(crate) fn verify(fd: impl AsFd, size: u64, seals: SealFlag) -> Result<(), MemoryFault> {
    verify_kind(&fd, seals)?;
    verify_file(&fd, size)
}

/// Checks that a descriptor from another process is a memfd that cannot shrink, and says how large it is now.
pub(crate) fn verify_growing(fd: impl AsFd) -> Result<u64, MemoryFault> {
    // Growing cannot be sealed here, since the arena grows; so the size is read and may be larger by the next look.
    verify_kind(&fd, NEVER_SMALLER)?;
    size(fd)
}

fn verify_kind(fd: &impl AsFd, seals: SealFlag) -> Result<(), MemoryFault> {
    let found =
        fcntl(fd, FcntlArg::F_GET_SEALS).map_err(|_| MemoryFault::refused("the descriptor is not shared memory"))?;
    let found = SealFlag::from_bits_retain(found);
    // More seals than are needed do no harm, so they are not compared for equality.
    if !found.contains(seals) {
        return Err(MemoryFault::refused(format!("shared memory lacks seals: {found:?}, where {seals:?} is needed")));
    }
    // Pages of hugetlbfs are taken from a pool that can be empty at the first touch, even after sealing.
    let system = |error| MemoryFault::system("look at shared memory", error);
    if fstatfs(fd).map_err(system)?.filesystem_type() != TMPFS_MAGIC {
        return Err(MemoryFault::refused("shared memory is not made of ordinary pages"));
    }
    Ok(())
}

fn verify_file(fd: &impl AsFd, size: u64) -> Result<(), MemoryFault> {
    let system = |error| MemoryFault::system("look at shared memory", error);
    let stat = fstat(fd).map_err(system)?;
    let found = stat.st_size as u64;
    // The exact size: a message's length and the file must agree, or one of the two was made by other code.
    if found != size {
        return Err(MemoryFault::refused(format!("shared memory has {found} bytes where {size} were announced")));
    }
    let backed = (stat.st_blocks as u64).saturating_mul(512);
    if backed < size {
        // Filling them up would let a few bytes of a message take any amount of memory. Memory made by this crate is filled.
        return Err(MemoryFault::refused(format!("shared memory of {size} bytes has pages for {backed} only")));
    }
    Ok(())
}

fn back_with_pages(fd: impl AsFd, size: u64) -> Result<(), MemoryFault> {
    back_from(fd, 0, size)
}

fn back_from(fd: impl AsFd, start: u64, end: u64) -> Result<(), MemoryFault> {
    let (mut done, size) = (start, end - start);
    while done < end {
        let step = ALLOCATION_STEP.min(end - done);
        match fallocate(&fd, FallocateFlags::empty(), done as i64, step as i64) {
            Ok(()) => done += step,
            Err(Errno::EINTR) => {}
            Err(Errno::ENOSPC | Errno::ENOMEM) => return Err(no_room(size)),
            Err(error) => {
                let action = format!("allocate {size} bytes of shared memory");
                return Err(MemoryFault::system(action, refused("fallocate", error)));
            }
        }
    }
    Ok(())
}

/// Refuses what cannot fit. The kernel itself would try, and kill a process of its choice when it has nothing left.
fn check_room(size: u64) -> Result<(), MemoryFault> {
    match memory::file_size_limit() {
        Some(limit) if size > limit => return Err(MemoryFault::FileLimit { asked: size, limit }),
        _ => {}
    }
    match memory::free_for(size) {
        Some(free) if size > free => Err(MemoryFault::NoRoom { asked: size, free }),
        _ => Ok(()),
    }
}

#[cold]
fn no_room(asked: u64) -> MemoryFault {
    MemoryFault::NoRoom { asked, free: memory::free().unwrap_or(0) }
}

/// The label as the kernel takes it: bounded, and without the byte that would end it.
fn name_of(label: &str) -> CString {
    let bytes: Vec<u8> = label.bytes().filter(|&byte| byte != 0).take(MAX_NAME).collect();
    CString::new(bytes).unwrap_or_default()
}
