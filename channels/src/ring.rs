//! [`Memory`]: the shared memory of a channel as typed places. The one file of this crate with unsafe code.
//!
//! Counters, places and marks are atomics, so whatever another process does to them is at worst a wrong number, and every number
//! is checked before it is used. Plain bytes are only touched by the one process that the protocol gives them to:
//!
//! - bytes in front of the tail belong to who holds the tail's lock, until the tail is moved over them;
//! - bytes behind the head are not written by anybody, until the head has passed them and their block was freed;
//! - bytes of an extent belong to its holder, and are only read while it is queued.
//!
//! Handles of this crate keep to that, and whoever can write to the memory is a process that was given such a handle: a part of
//! the same program. A peer that is hostile could change bytes while they are read; the crate's documentation says so.
#![expect(unsafe_code, reason = "shared memory is reached through raw addresses, and only here")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::codec::Kind;
use procession_core::{Arena, MappingError};
use serde::{Deserializer, Serializer};

use crate::layout::{BACKED_HEAD, EXTENTS, Entry, Header, MAGIC, PAGE, TABLE};

/// What the memory of a channel is in a message.
// SAFETY: only this crate uses the name; what is sent as it comes back as a `Memory`, which keeps to the rules above.
const MEMORY: Kind = unsafe { Kind::new(*b"chan mem") };

/// What the socket of an end is in a message.
// SAFETY: only this crate uses the name; what is sent as it comes back as the socket of an end.
pub(crate) const SOCKET: Kind = unsafe { Kind::new(*b"chan end") };

/// The shared memory of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    arena: Arena,
    header: NonNull<Header>,
}

impl Memory {
    /// Makes one.
    pub(crate) fn create() -> Result<Memory, MappingError> {
        let arena = Arena::with_label("procession: channel", BACKED_HEAD)?;
        arena.back(TABLE, PAGE)?;
        let memory = Memory::assemble(arena).ok_or_else(|| Memory::none().expect_err("an empty arena has no room"))?;
        memory.header().magic.store(MAGIC, Ordering::Release);
        Ok(memory)
    }

    /// Believes an arena that arrived only if it is that of a channel.
    pub(crate) fn adopt(arena: Arena) -> Option<Memory> {
        Memory::assemble(arena).filter(|memory| memory.header().magic.load(Ordering::Acquire) == MAGIC)
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn pack<S: Serializer>(memory: &Memory, to: S) -> Result<S::Ok, S::Error> {
        memory.arena.serialize_as(MEMORY, to)
    }

    pub(crate) fn unpack<'de, D: Deserializer<'de>>(from: D) -> Result<Arena, D::Error> {
        Arena::deserialize_as(MEMORY, from)
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `assemble` found room for a header there, at the start of a page; it is made of atomics, so it is valid
        // whatever it holds and may be changed by others; and the arena keeps it mapped while `self` is borrowed.
        unsafe { self.header.as_ref() }
    }

    /// The entry of an extent; `None` beyond the table.
    #[inline]
    pub(crate) fn entry(&self, number: u32) -> Option<&Entry> {
        if number >= EXTENTS {
            return None;
        }
        let place = self.arena.at(TABLE + u64::from(number) * size_of::<Entry>() as u64, size_of::<Entry>() as u64)?;
        // SAFETY: mapped while `self` is borrowed, aligned as the table and its entries are multiples of 32, made of atomics.
        Some(unsafe { place.cast::<Entry>().as_ref() })
    }

    /// A number in the memory; `None` where there is no memory, and for an offset that is not a multiple of 8.
    #[inline]
    pub(crate) fn word(&self, at: u64) -> Option<&AtomicU64> {
        if !at.is_multiple_of(8) {
            return None;
        }
        let place = self.arena.at(at, 8)?;
        // SAFETY: mapped while `self` is borrowed, aligned as windows begin with a page, and an atomic.
        Some(unsafe { place.cast::<AtomicU64>().as_ref() })
    }

    /// Writes bytes that belong to the caller by the rules above.
    #[inline]
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Option<()> {
        let place = self.arena.at(at, bytes.len() as u64)?;
        // SAFETY: so many bytes are mapped there, they are not in the slice, which is this process's own memory or another
        // message, and by the protocol nobody else touches them now.
        unsafe { place.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Some(())
    }

    /// Bytes that nobody writes to while they are borrowed, by the rules above.
    #[inline]
    pub(crate) fn bytes(&self, at: u64, len: u64) -> Option<&[u8]> {
        let place = self.arena.at(at, len)?;
        let len = usize::try_from(len).ok()?;
        // SAFETY: so many bytes are mapped there while `self` is borrowed. The caller holds the lock of the head, or the
        // extent, so that by the protocol nobody writes there.
        Some(unsafe { NonNull::slice_from_raw_parts(place, len).as_ref() })
    }

    /// Bytes of an extent that the caller holds, to be written in place. Borrowed for as long as the extent is.
    #[expect(clippy::mut_from_ref, reason = "the extent is exclusive, and not the handle to all memory")]
    pub(crate) fn bytes_mut(&self, at: u64, len: u64) -> Option<&mut [u8]> {
        let mut place = NonNull::slice_from_raw_parts(self.arena.at(at, len)?, usize::try_from(len).ok()?);
        // SAFETY: so many bytes are mapped there while `self` is borrowed; extents belong to one holder, who asks once.
        Some(unsafe { place.as_mut() })
    }

    /// Has the processor bring the two lines of memory behind a place here, to be written to soon. They are another's, who read
    /// there when they were last used; so the next message need not wait for them. The line of the place itself is left to whoever
    /// reads the message before. Without effect where the processor cannot, or there is no memory.
    #[inline]
    pub(crate) fn expect_to_write(&self, at: u64) {
        let next = at.saturating_add(LINE - 1) & !(LINE - 1);
        if let Some(place) = self.arena.at(next, 2 * LINE).filter(|_| can_prefetch()) {
            prefetch(place);
        }
    }

    fn assemble(arena: Arena) -> Option<Memory> {
        let header = arena.at(0, size_of::<Header>() as u64)?.cast();
        Some(Memory { arena, header })
    }

    /// The error of memory that cannot be.
    fn none() -> Result<(), MappingError> {
        procession_core::Mapping::new(0).map(drop)
    }
}

/// The size of a line of memory, in bytes, as processors hand them to each other.
const LINE: u64 = 64;

/// Whether the processor knows the instruction of [`prefetch`]. The oldest that run this code do not.
#[cfg(target_arch = "x86_64")]
#[inline]
fn can_prefetch() -> bool {
    use std::arch::x86_64::__cpuid;
    use std::sync::LazyLock;

    /// The bit `PREFETCHW` of the leaf, if there is such a leaf.
    static KNOWN: LazyLock<bool> =
        LazyLock::new(|| __cpuid(0x8000_0000).eax > 0x8000_0000 && __cpuid(0x8000_0001).ecx & 1 << 8 != 0);
    *KNOWN
}

#[cfg(not(target_arch = "x86_64"))]
fn can_prefetch() -> bool {
    false
}

/// Asks for the line of an address and the next one, for writing. What `core::arch` has for it asks only for reading, unless the
/// whole program is compiled for newer processors.
#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch(place: NonNull<u8>) {
    // SAFETY: the processor has these instructions, as `can_prefetch` found; they are hints that never fault, and change neither
    // memory nor registers nor flags.
    unsafe {
        std::arch::asm!(
            "prefetchw [{place}]",
            "prefetchw [{place} + 64]",
            place = in(reg) place.as_ptr(),
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: NonNull<u8>) {}

// SAFETY: the pointer shows to what the arena, which is `Send`, keeps mapped, and that is atomics.
unsafe impl Send for Memory {}

// SAFETY: as above; everything that a shared `Memory` gives out is atomic, or guarded by the protocol.
unsafe impl Sync for Memory {}
