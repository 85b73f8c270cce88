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

use procession_core::{Arena, MappingError};

use crate::layout::{BACKED_HEAD, EXTENTS, Entry, Header, MAGIC, PAGE, TABLE};

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

    fn assemble(arena: Arena) -> Option<Memory> {
        let header = arena.at(0, size_of::<Header>() as u64)?.cast();
        Some(Memory { arena, header })
    }

    /// The error of memory that cannot be.
    fn none() -> Result<(), MappingError> {
        procession_core::Mapping::new(0).map(drop)
    }
}

// SAFETY: the pointer shows to what the arena, which is `Send`, keeps mapped, and that is atomics.
unsafe impl Send for Memory {}

// SAFETY: as above; everything that a shared `Memory` gives out is atomic, or guarded by the protocol.
unsafe impl Sync for Memory {}
