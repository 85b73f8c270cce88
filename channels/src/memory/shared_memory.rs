//! [`Memory`]: the shared memory of a channel as typed places. The one file of this crate with unsafe code.
//!
//! Counters, offsets and flags are atomics: whatever another process does to them is at worst a wrong number, and every number is
//! checked before it is used. Plain bytes are only touched by the one process that the protocol gives them to:
//!
//! - bytes in front of the tail belong to the holder of the tail's lock, until the tail is moved over them;
//! - bytes behind the head are not written, until the head has passed them and their block was freed;
//! - bytes of an extent belong to its holder, and are only read while it is queued.
//!
//! Handles of this crate keep to that, and a process that can write to the memory was given such a handle: it is a part of the same
//! program. A hostile peer could change bytes while they are read; the crate's documentation says so.
#![expect(unsafe_code, reason = "shared memory is reached through raw addresses, and only here")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::codec::Kind;
use procession_core::{Arena, MappingError};
use serde::{Deserializer, Serializer};

use super::error::ChainError;
use super::layout::{BACKED_HEAD, Entry, Header, MAGIC, MAX_EXTENTS, PAGE, TABLE};

/// The kind of a channel's memory in a message.
// SAFETY: only this crate uses the name; what is sent as it comes back as a `Memory`, which keeps to the rules above.
const MEMORY: Kind = unsafe { Kind::new(*b"chan mem") };

/// The kind of an end's socket in a message.
// SAFETY: only this crate uses the name; what is sent as it comes back as the socket of an end.
pub(crate) const SOCKET: Kind = unsafe { Kind::new(*b"chan end") };

/// The shared memory of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    arena: Arena,
    header: NonNull<Header>,
}

impl Memory {
    /// Creates the memory of a new channel.
    pub(crate) fn create() -> Result<Memory, MappingError> {
        let arena = Arena::with_label("procession: channel", BACKED_HEAD)?;
        arena.back(TABLE, PAGE)?;
        let memory = Memory::assemble(arena).ok_or_else(|| Memory::none().expect_err("an empty arena has no room"))?;
        // Pairs with the Acquire in `adopt`.
        memory.header().magic.store(MAGIC, Ordering::Release);
        Ok(memory)
    }

    /// Accepts an arena that arrived if it is that of a channel.
    pub(crate) fn adopt(arena: Arena) -> Option<Memory> {
        // Pairs with the Release in `create`.
        Memory::assemble(arena).filter(|memory| memory.header().magic.load(Ordering::Acquire) == MAGIC)
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn encode<S: Serializer>(memory: &Memory, to: S) -> Result<S::Ok, S::Error> {
        memory.arena.serialize_as(MEMORY, to)
    }

    pub(crate) fn decode<'de, D: Deserializer<'de>>(from: D) -> Result<Arena, D::Error> {
        Arena::deserialize_as(MEMORY, from)
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `assemble` found room for a header there, at the start of a page; it is made of atomics, so it is valid
        // whatever it holds and may be changed by others; and the arena keeps it mapped while `self` is borrowed.
        unsafe { self.header.as_ref() }
    }

    /// Returns the entry of an extent; `None` beyond the table.
    #[inline]
    pub(crate) fn entry(&self, number: u32) -> Option<&Entry> {
        if number >= MAX_EXTENTS {
            return None;
        }
        let start = self.arena.at(TABLE + u64::from(number) * size_of::<Entry>() as u64, size_of::<Entry>() as u64)?;
        // SAFETY: mapped while `self` is borrowed, aligned as the table and its entries are multiples of 32, made of atomics.
        Some(unsafe { start.cast::<Entry>().as_ref() })
    }

    /// Returns a number in the memory; `None` where there is no memory, and for an offset that is not a multiple of 8.
    #[inline]
    pub(crate) fn word(&self, at: u64) -> Option<&AtomicU64> {
        if !at.is_multiple_of(8) {
            return None;
        }
        let start = self.arena.at(at, 8)?;
        // SAFETY: mapped while `self` is borrowed, aligned as windows begin with a page, and an atomic.
        Some(unsafe { start.cast::<AtomicU64>().as_ref() })
    }

    /// Writes bytes that belong to the caller by the rules above.
    #[inline]
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Option<()> {
        let start = self.arena.at(at, bytes.len() as u64)?;
        // SAFETY: `bytes.len()` bytes are mapped there; they do not overlap the slice, which is this process's own memory or another
        // message; and by the protocol no other process touches them now.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Some(())
    }

    /// Returns bytes that no process writes to while they are borrowed, by the rules above.
    #[inline]
    pub(crate) fn bytes(&self, at: u64, len: u64) -> Option<&[u8]> {
        let start = self.arena.at(at, len)?;
        let len = usize::try_from(len).ok()?;
        // SAFETY: `len` bytes are mapped there while `self` is borrowed. The caller holds the lock of the head, or the extent, so that
        // by the protocol no process writes there.
        Some(unsafe { NonNull::slice_from_raw_parts(start, len).as_ref() })
    }

    /// Returns bytes of an extent that the caller holds, to be written in place.
    #[expect(clippy::mut_from_ref, reason = "the extent is exclusive, and not the handle to all memory")]
    pub(crate) fn bytes_mut(&self, at: u64, len: u64) -> Option<&mut [u8]> {
        let mut slice = NonNull::slice_from_raw_parts(self.arena.at(at, len)?, usize::try_from(len).ok()?);
        // SAFETY: `len` bytes are mapped there while `self` is borrowed; an extent belongs to one holder, which borrows it once at a
        // time, through the one message that it is writing.
        Some(unsafe { slice.as_mut() })
    }

    /// Prefetches the two cache lines behind a position for writing. A receiver has read them before, so the next message would wait for
    /// them. The line of the position itself is left to the receiver of the message before it.
    #[inline]
    pub(crate) fn prefetch_for_writing(&self, at: u64) {
        let next = at.saturating_add(CACHE_LINE_BYTES - 1) & !(CACHE_LINE_BYTES - 1);
        if let Some(lines) = self.arena.at(next, 2 * CACHE_LINE_BYTES).filter(|_| can_prefetch()) {
            prefetch(lines);
        }
    }

    fn assemble(arena: Arena) -> Option<Memory> {
        let header = arena.at(0, size_of::<Header>() as u64)?.cast();
        Some(Memory { arena, header })
    }

    /// Returns why there is no address for a position: memory that could not be mapped, or a position that cannot be.
    #[cold]
    pub(crate) fn unmapped(&self) -> ChainError {
        self.arena.refusal().map_or(ChainError::Corrupt, ChainError::Memory)
    }

    /// Returns the error for an arena without memory.
    fn none() -> Result<(), MappingError> {
        procession_core::Mapping::new(0).map(drop)
    }
}

/// Bytes of a cache line, the unit that processors exchange.
const CACHE_LINE_BYTES: u64 = 64;

/// Returns whether the processor has the instruction of [`prefetch`]. The oldest that run this code do not.
#[cfg(target_arch = "x86_64")]
#[inline]
fn can_prefetch() -> bool {
    use std::arch::x86_64::__cpuid;
    use std::sync::LazyLock;

    // The bit `PREFETCHW` of the leaf, if there is such a leaf.
    static KNOWN: LazyLock<bool> =
        LazyLock::new(|| __cpuid(0x8000_0000).eax > 0x8000_0000 && __cpuid(0x8000_0001).ecx & 1 << 8 != 0);
    *KNOWN
}

#[cfg(not(target_arch = "x86_64"))]
fn can_prefetch() -> bool {
    false
}

/// Prefetches the cache line of an address and the next one, for writing. `core::arch` does that only in programs that are compiled
/// for newer processors.
#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch(lines: NonNull<u8>) {
    // SAFETY: the processor has these instructions, as `can_prefetch` found; they are hints that never fault, and change neither
    // memory nor registers nor flags.
    unsafe {
        std::arch::asm!(
            "prefetchw [{lines}]",
            "prefetchw [{lines} + 64]",
            lines = in(reg) lines.as_ptr(),
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: NonNull<u8>) {}

// SAFETY: the pointer leads to atomics, which the arena keeps mapped; the arena is `Send`.
unsafe impl Send for Memory {}

// SAFETY: as above; everything that a shared `Memory` gives out is atomic, or guarded by the protocol.
unsafe impl Sync for Memory {}
