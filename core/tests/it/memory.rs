//! Memory files that a hostile or careless peer could send, for the tests of those who receive them.

use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

pub(crate) const FIXED: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

/// A memory file of this size without a single page behind it, and with these seals.
pub(crate) fn sparse(size: i64, seals: SealFlag) -> OwnedFd {
    let memory = memfd_create("procession: test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    ftruncate(&memory, size).unwrap();
    if !seals.is_empty() {
        fcntl(&memory, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    }
    memory
}

/// A memory file of this size with pages behind all of it, and with these seals.
pub(crate) fn filled(size: i64, seals: SealFlag) -> OwnedFd {
    let memory = sparse(size, SealFlag::empty());
    nix::fcntl::fallocate(&memory, nix::fcntl::FallocateFlags::empty(), 0, size).unwrap();
    fcntl(&memory, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    memory
}

/// How many bytes of a memory file have pages behind them.
pub(crate) fn backed(memory: impl std::os::fd::AsFd) -> u64 {
    fstat(memory).unwrap().st_blocks as u64 * 512
}

/// Descriptors that are no memory file at all.
pub(crate) fn strangers() -> Vec<OwnedFd> {
    let (reader, writer) = std::io::pipe().unwrap();
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let folder = std::fs::File::open("/").unwrap();
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    vec![reader.into(), writer.into(), here.into(), there.into(), file.into(), folder.into(), zeros.into()]
}
