//! [`Draft`]: a large message that is being written, where it will be read.

use procession_core::codec::Spill;

use crate::extents::{Extent, NoExtent};
use crate::fault::Fault;
use crate::outlet::{Outlet, Unsent};
use crate::patience::Until;
use crate::ring::Memory;

/// What comes behind a large block is usually a few numbers, for which there is room then.
const ROOM_BEHIND: u64 = 4096;

/// A large message that is being written. Freed if it is not sent.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    memory: &'a Memory,
    extent: Extent,
    /// How many bytes there are.
    len: u64,
    until: Until,
    queued: bool,
}

impl<'a> Draft<'a> {
    /// An empty one with room for so many bytes.
    pub(crate) fn new(memory: &'a Memory, room: u64, until: Until) -> Result<Draft<'a>, Unsent> {
        let extent = memory.allocate(room, until)?;
        Ok(Draft { memory, extent, len: 0, until, queued: false })
    }

    /// Writes more bytes, where there is no room for them in a larger place.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Unsent> {
        let (start, end) = (self.len, self.len.saturating_add(bytes.len() as u64));
        if end > self.memory.size(self.extent) {
            self.move_to_a_place_for(end.saturating_mul(2))?;
        }
        self.memory.back(self.extent, end)?;
        self.place(start, end - start)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Writes over bytes that were written.
    fn amend(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.place(at, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Where it lies, and how long it is.
    pub(crate) fn written(&self) -> (Extent, u64) {
        (self.extent, self.len)
    }

    /// Takes note that it belongs to the chain now.
    pub(crate) fn is_sent(&mut self) {
        self.queued = true;
    }

    fn place(&mut self, start: u64, len: u64) -> Result<&mut [u8], Fault> {
        let bytes = self.memory.bytes_mut(self.extent.at.saturating_add(start), len);
        bytes.ok_or_else(|| self.memory.arena().refusal().map_or(Fault::Garbled, Fault::Memory))
    }

    fn move_to_a_place_for(&mut self, room: u64) -> Result<(), Unsent> {
        let mut larger = Draft::new(self.memory, room, self.until)?;
        let len = self.len;
        larger.append(self.place(0, len)?)?;
        std::mem::swap(self, &mut larger);
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.queued {
            self.memory.free(self.extent.number);
        }
    }
}

/// Writes the large blocks of a value where the message will be read.
#[derive(Debug)]
pub(crate) struct Spilling<'a> {
    outlet: &'a Outlet,
    until: Until,
    pub(crate) draft: Option<Draft<'a>>,
    /// Why the beginning that was taken cannot be followed by the rest.
    pub(crate) failed: Option<Unsent>,
}

impl<'a> Spilling<'a> {
    pub(crate) fn new(outlet: &'a Outlet, until: Until) -> Spilling<'a> {
        Spilling { outlet, until, draft: None, failed: None }
    }

    fn write(&mut self, before: &[u8], block: &[u8]) -> Result<(), Unsent> {
        if self.draft.is_none() {
            let room = before.len() as u64 + block.len() as u64 + ROOM_BEHIND;
            self.draft = Some(self.outlet.extent(room as usize, self.until)?);
        }
        let Some(draft) = &mut self.draft else { return Err(Fault::Garbled.into()) };
        draft.append(before)?;
        draft.append(block)
    }
}

impl Spill for Spilling<'_> {
    fn spill(&mut self, before: &[u8], block: &[u8]) -> bool {
        // After a failure the rest is thrown away, which costs less than to keep it.
        if self.failed.is_none() {
            self.failed = self.write(before, block).err();
        }
        true
    }

    fn amend(&mut self, at: usize, bytes: &[u8]) {
        if self.failed.is_none()
            && let Some(draft) = &mut self.draft
        {
            self.failed = draft.amend(at as u64, bytes).err().map(Unsent::Fault);
        }
    }
}

impl From<NoExtent> for Unsent {
    #[cold]
    fn from(none: NoExtent) -> Unsent {
        if matches!(none, NoExtent::Busy) { Unsent::Full } else { Unsent::Fault(none.into()) }
    }
}
