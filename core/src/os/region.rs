//! A stretch of address space that shows a file, unmapped when it is dropped.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Address space of our own. It says where the memory is; what may be done there depends on the file behind it.
#[derive(Debug)]
pub(crate) struct Region {
    start: NonNull<c_void>,
    len: NonZeroUsize,
}

impl Region {
    /// Maps the first `len` bytes of a file for reading and writing, shared with everybody who maps it.
    pub(crate) fn shared(fd: impl AsFd, len: NonZeroUsize) -> io::Result<Self> {
        Self::shared_from(fd, 0, len)
    }

    /// As [`shared`](Self::shared), from an offset on that is the start of a page. What lies behind the end of the file shows
    /// up as soon as the file is longer.
    pub(crate) fn shared_from(fd: impl AsFd, offset: i64, len: NonZeroUsize) -> io::Result<Self> {
        Self::map(fd, offset, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED)
    }

    /// Maps the first `len` bytes of a file for reading.
    ///
    /// The mapping is a private one, as kernels before 6.7 refuse shared ones of a file that is sealed against writing.
    /// Nothing is copied: without writes, private pages are the file's own.
    pub(crate) fn read_only(fd: impl AsFd, len: NonZeroUsize) -> io::Result<Self> {
        Self::map(fd, 0, len, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE)
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.cast()
    }

    fn map(fd: impl AsFd, offset: i64, len: NonZeroUsize, access: ProtFlags, flags: MapFlags) -> io::Result<Self> {
        // SAFETY: without a fixed address the kernel chooses a free one, so no memory that is in use changes.
        let start = unsafe { mmap(None, len, access, flags, fd, offset) }?;
        Ok(Self { start, len })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `map` got exactly this stretch from the kernel, and code that holds a pointer or reference into it
        // borrows from, or promised not to outlive, the owner that is being dropped.
        let unmapped = unsafe { munmap(self.start, self.len.get()) };
        debug_assert!(unmapped.is_ok(), "a whole mapping of our own can be unmapped");
    }
}

// SAFETY: a region owns an address and a length; unmapping is allowed from any thread.
unsafe impl Send for Region {}

// SAFETY: nothing can be done through a shared reference but to read the address.
unsafe impl Sync for Region {}
