//! [`BufferMemory`]: memory to lend from, and the table of its pieces.

use std::io;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::Kind;
use crate::memory::arena::Arena;
use crate::memory::mapping::MappingError;
use crate::os::memfd::MemoryFault;

/// What one line of the table takes up, in bytes.
pub(crate) const LINE: u64 = 64;
/// Where the pieces begin, and the table ends.
pub(crate) const TABLE: u64 = 256 << 10;
/// What memory to lend from is in a message.
const KIND: Kind = Kind::own(*b"lending ");
/// What the system gives and takes.
pub(crate) const PAGE: u64 = 4096;

/// Memory to lend from, and nothing else. A handle: clones and copies in other processes are the same memory.
///
/// ```
/// use procession_core::{BufferReader, BufferPool, BufferMemory, codec};
///
/// let here = BufferMemory::with_label("procession: example")?;
/// let there: BufferMemory = codec::decode(codec::encode(&here)?)?;
/// let loan = BufferPool::new(here).publish(b"bytes")?;
/// assert_eq!(BufferReader::new(there).open(loan).expect("it was lent")[..], *b"bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BufferMemory(pub(crate) Arena);

/// A line of the table.
#[repr(C)]
pub(crate) struct Line {
    pub(crate) state: AtomicU64,
    pub(crate) offset: AtomicU64,
    pub(crate) len: AtomicU64,
    /// In the first line: who lends.
    pub(crate) pool: AtomicU64,
}

impl BufferMemory {
    /// Makes memory to lend from.
    ///
    /// # Errors
    ///
    /// The memory is exhausted, or a limit on descriptors or mappings is reached.
    ///
    /// ```
    /// let memory = procession_core::BufferMemory::with_label("procession: example")?;
    /// assert_eq!(procession_core::BufferPool::new(memory).memory_in_use(), 0);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn with_label(label: &str) -> Result<BufferMemory, MappingError> {
        // The first page of the table alone: the pool backs more of it when it has more pieces.
        Arena::with_label(label, PAGE).map(BufferMemory)
    }
}

impl Serialize for BufferMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_as(KIND, serializer)
    }
}

impl<'de> Deserialize<'de> for BufferMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BufferMemory, D::Error> {
        Arena::deserialize_as(KIND, deserializer).map(BufferMemory)
    }
}

/// A line of the table, if it is there.
pub(crate) fn line(memory: &Arena, piece: u32) -> Option<&Line> {
    const { assert!(size_of::<Line>() as u64 <= LINE, "a line has a line of memory for itself") };
    // The number may come from another process, and behind the table no line begins.
    let place = memory.at(u64::from(piece) * LINE, LINE).filter(|_| u64::from(piece) < TABLE / LINE)?;
    // SAFETY: windows begin at pages and the offset is a multiple of 64, so the place is aligned; it lies in the mapping, which lives as
    // long as the arena. Any bytes are valid atomics, and both sides use the table as that only.
    Some(unsafe { place.cast::<Line>().as_ref() })
}

#[cold]
pub(crate) fn unmapped() -> MappingError {
    MappingError::from(MemoryFault::system("map shared memory", io::Error::from(io::ErrorKind::OutOfMemory)))
}
