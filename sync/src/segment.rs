//! [`Segment`]: one mapping that holds a machine and its data, made here or received and checked.
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | the [`Header`], written once before the mapping is shared |
//! | 64 | the machine |
//! | behind it, aligned for the data and to 64 | the data |

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::Mapping;
use procession_core::codec::Kind;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data::{self, Layout, Plain};
use crate::error::{CreateError, CreateErrorKind};
use crate::mapped::{DataLock, Mapped};

/// "Procession's sync, layout 3": changes whenever a machine's layout or protocol does.
const MAGIC: u64 = u64::from_le_bytes(*b"prosync\x03");
/// What the memory of a segment is in a message: it comes out as a segment only, or safe code could write to it beside the machine.
// SAFETY: only this crate uses the name, and only segments send and receive what is of this kind.
const SEGMENT: Kind = unsafe { Kind::new(*b"sync mem") };
/// Headers, machines and data do not share cache lines.
const CACHE_LINE: usize = 64;
/// The maximum alignment of data, because a mapping begins with a page.
const PAGE_SIZE: usize = 4096;

/// A machine that can be found in shared memory.
///
/// # Safety
///
/// The type is `repr(C)` and made of atomics only, all zeros is its fresh state, no bytes are invalid, and
/// its alignment is at most 64.
pub(crate) unsafe trait Machine: Sync + 'static {
    /// The number of the kind of machine, which no other has.
    const KIND: u64;
    /// The name of the primitive in errors.
    const NAME: &str;

    /// Returns the machine as a lock, if its guards lend data.
    fn as_data_lock(&self) -> Option<&dyn DataLock> {
        None
    }
}

/// The head of a segment, by which a receiver checks it.
#[repr(C)]
struct Header {
    magic: AtomicU64,
    kind: AtomicU64,
    size: AtomicU64,
    align: AtomicU64,
    count: AtomicU64,
    /// The type of the data. Another type of the same size may be changed in other ways: a number is no atomic number.
    data: AtomicU64,
}

/// A machine of type `M` with data of type `T`, in memory that stays mapped as long as this lives.
pub(crate) struct Segment<M, T: ?Sized> {
    /// Dropped before the mapping, in which the listed machine lies. `None` for machines that are no locks.
    mapped: Option<Arc<Mapped>>,
    mapping: Mapping,
    machine: NonNull<M>,
    data: NonNull<T>,
}

impl<M: Machine, T: Plain> Segment<M, T> {
    /// Makes a segment with one value.
    pub(crate) fn new(value: T) -> Result<Self, CreateError> {
        let mut value = Some(value);
        Self::create(1, |start| {
            // SAFETY: `create` calls this once, with room for one value that no other code has seen.
            unsafe { data::fill(start, 1, |_| value.take().expect("one value for one place")) };
        })
    }
}

impl<M: Machine, T: Plain> Segment<M, [T]> {
    /// Makes a segment with a slice of `count` values.
    pub(crate) fn from_fn(count: usize, value: impl FnMut(usize) -> T) -> Result<Self, CreateError> {
        Self::create(count, |start| {
            // SAFETY: `create` calls this with room for `count` values that no other code has seen.
            unsafe { data::fill(start, count, value) };
        })
    }
}

impl<M: Machine, T: Layout + ?Sized> Segment<M, T> {
    pub(crate) fn machine(&self) -> &M {
        // SAFETY: `assemble` found room for a machine there; it is valid whatever it holds, made of atomics, and stays mapped
        // while `self` is borrowed.
        unsafe { self.machine.as_ref() }
    }

    /// Returns the address of the data. The caller that makes it a reference must know that no other reference conflicts.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<T> {
        self.data
    }

    /// Returns the mapping of the segment.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    fn create(count: usize, fill: impl FnOnce(NonNull<u8>)) -> Result<Self, CreateError> {
        // A mapping begins at a page, at another address in each process: only alignments up to a page hold in all of them.
        if T::ALIGN > PAGE_SIZE {
            return Err(CreateErrorKind::Alignment(T::ALIGN).into());
        }
        let len = len::<M, T>(count).ok_or(CreateErrorKind::TooLarge { count, size: T::SIZE })?;
        let mapping = Mapping::with_label(len, &format!("procession: {}", M::NAME)).map_err(CreateErrorKind::Memory)?;
        let header = header(&mapping);
        // Relaxed: no other process has the mapping yet, and the message that brings it there orders these stores.
        header.magic.store(MAGIC, Ordering::Relaxed);
        header.kind.store(M::KIND, Ordering::Relaxed);
        header.size.store(T::SIZE as u64, Ordering::Relaxed);
        header.align.store(T::ALIGN as u64, Ordering::Relaxed);
        header.count.store(count as u64, Ordering::Relaxed);
        header.data.store(T::mark(), Ordering::Relaxed);
        // The values last: a panic of the caller's closure drops the mapping, and no other process ever sees it.
        let segment = Self::assemble(mapping, count);
        fill(segment.data.cast());
        Ok(segment)
    }

    /// Checks that a mapping that arrived holds what the receiver expects.
    pub(crate) fn from_mapping(mapping: Mapping) -> Result<Self, String> {
        let expected = M::NAME;
        // The order matters: each check makes the next one possible, and all come before the first use of the machine.
        if mapping.len() < size_of::<Header>() {
            return Err(format!("{} bytes of shared memory are too small for a {expected}", mapping.len()));
        }
        let header = header(&mapping);
        let matches = |field: &AtomicU64, value: u64| field.load(Ordering::Relaxed) == value;
        if !matches(&header.magic, MAGIC) || !matches(&header.kind, M::KIND) {
            return Err(format!("the shared memory that arrived is not a {expected} of this version"));
        }
        if !matches(&header.size, T::SIZE as u64)
            || !matches(&header.align, T::ALIGN as u64)
            || !matches(&header.data, T::mark())
        {
            return Err(format!("the {expected} that arrived holds another type of data"));
        }
        // Read once: another process could change it between two reads.
        let count = usize::try_from(header.count.load(Ordering::Relaxed)).ok();
        match count.filter(|count| T::can_count(*count) && len::<M, T>(*count) == Some(mapping.len())) {
            Some(count) => Ok(Self::assemble(mapping, count)),
            None => Err(format!("the {expected} that arrived does not have the size that its header says")),
        }
    }

    /// Finds the parts of a mapping whose length is [`len`] for this count.
    fn assemble(mapping: Mapping, count: usize) -> Self {
        let start = mapping.as_ptr();
        // SAFETY: the mapping is at least as long as `len` says, which is beyond both offsets.
        let machine = unsafe { start.add(CACHE_LINE) }.cast::<M>();
        // SAFETY: as above.
        let data = unsafe { start.add(data_offset::<M, T>()) };
        // SAFETY: there is room for a machine, as above, any bytes are a valid one, and it stays mapped while it is listed: each clone
        // of a segment drops its part in `mapped` before its part in `mapping`.
        let listed: &'static M = unsafe { machine.as_ref() };
        let mapped = listed.as_data_lock().map(|lock| Arc::new(Mapped::new(M::NAME, lock)));
        Segment { mapped, machine, data: T::at(data, count), mapping }
    }
}

fn header(mapping: &Mapping) -> &Header {
    const { assert!(size_of::<Header>() <= CACHE_LINE, "the header has the first line for itself") };
    // SAFETY: callers have checked the length, a mapping begins with a page, and six atomics are valid whatever they hold.
    unsafe { mapping.as_ptr().cast::<Header>().as_ref() }
}

/// Returns the offset of the data.
fn data_offset<M: Machine, T: Layout + ?Sized>() -> usize {
    const { assert!(align_of::<M>() <= CACHE_LINE, "machines are aligned to a line at most") };
    (CACHE_LINE + size_of::<M>()).next_multiple_of(T::ALIGN.max(CACHE_LINE))
}

/// Returns the length of a mapping for `count` elements; `None` when it exceeds any memory.
fn len<M: Machine, T: Layout + ?Sized>(count: usize) -> Option<usize> {
    T::SIZE.checked_mul(count)?.checked_add(data_offset::<M, T>()).filter(|len| *len <= isize::MAX as usize)
}

impl<M, T: ?Sized> Clone for Segment<M, T> {
    fn clone(&self) -> Self {
        let (mapped, mapping) = (self.mapped.clone(), self.mapping.clone());
        Segment { mapped, mapping, machine: self.machine, data: self.data }
    }
}

// SAFETY: the machine is used through shared references and is `Sync`; the data is sent with the handle, so it must be `Send`.
unsafe impl<M: Sync, T: Send + ?Sized> Send for Segment<M, T> {}

// SAFETY: a shared segment gives out the machine, which is `Sync`, and the address of the data, which is no access: the
// primitives that make one promise more on their own types.
unsafe impl<M: Sync, T: Send + ?Sized> Sync for Segment<M, T> {}

impl<M, T: ?Sized> fmt::Debug for Segment<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mapping.fmt(f)
    }
}

impl<M: Machine, T: Layout + ?Sized> Serialize for Segment<M, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.mapping.serialize_as(SEGMENT, serializer)
    }
}

impl<'de, M: Machine, T: Layout + ?Sized> Deserialize<'de> for Segment<M, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_mapping(Mapping::deserialize_as(SEGMENT, deserializer)?).map_err(D::Error::custom)
    }
}
