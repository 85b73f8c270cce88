//! Memory that several processes write to.

use std::fmt;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use nix::unistd::{SysconfVar, sysconf};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::{Kind, Lent, Numbered};
use crate::os::memfd::{self, MemoryFault};
use crate::os::region::Region;

/// What a mapping is in a message.
const KIND: Kind = Kind::own(*b"mapping ");

/// Zeroed memory that can be shared with other processes by sending it in a message.
///
/// It has no name in any file system, all of it is allocated when it is created, and its size is sealed: a machine that
/// runs out of memory gives an error from [`new`](Self::new), never a bus error at a later access, and no other process
/// can pull it away. It lives as long as any process holds it.
///
/// Clones are cheap and show the same memory. What the bytes mean, and who may touch them when, is up to its user:
/// everything here is either atomic or a raw address.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::Relaxed;
/// use procession_core::{codec, Mapping};
///
/// let mapping = Mapping::new(4096)?;
/// let message = codec::encode(&mapping)?;
///
/// // In another process:
/// let theirs: Mapping = codec::decode(message)?;
/// theirs.bytes()[7].store(42, Relaxed);
///
/// assert_eq!(mapping.bytes()[7].load(Relaxed), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "mmap")]
#[doc(alias = "Arena")]
#[doc(alias = "BufferWrapper")]
#[derive(Clone)]
pub struct Mapping(Arc<Inner>);

struct Inner {
    region: Region,
    len: NonZeroUsize,
    memory: OwnedFd,
}

impl Mapping {
    /// Allocates `len` bytes of zeroed memory.
    ///
    /// # Errors
    ///
    /// `len` is 0, the memory is exhausted ([`MappingError::is_out_of_memory`]), or a limit on descriptors or
    /// mappings is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Mapping;
    ///
    /// assert_eq!(Mapping::new(10)?.len(), 10);
    /// let error = Mapping::new(1 << 60).unwrap_err();
    /// assert!(error.is_out_of_memory(), "{error}");
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn new(len: usize) -> Result<Self, MappingError> {
        Self::with_label(len, "procession")
    }

    /// Allocates memory as [`new`](Self::new) does, under a label that shows in `/proc/PID/maps` as `/memfd:LABEL`.
    ///
    /// The label is for people who look there; it need not be unique, and it is cut off after 249 bytes.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Mapping;
    ///
    /// let _mapping = Mapping::with_label(4096, "procession: example")?;
    /// let maps = std::fs::read_to_string("/proc/self/maps")?;
    /// assert!(maps.contains("/memfd:procession: example"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_label(len: usize, label: &str) -> Result<Self, MappingError> {
        Self::create(len, label).map_err(MappingError)
    }

    /// Maps memory that was made by [`new`](Self::new), perhaps by another process, from its descriptor.
    ///
    /// # Errors
    ///
    /// The descriptor is anything else: not a memfd, of another size, not sealed, or not backed by memory that this
    /// machine has.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use procession_core::Mapping;
    ///
    /// let mapping = Mapping::new(100)?;
    /// let memory = mapping.as_fd().try_clone_to_owned()?;
    /// assert_eq!(Mapping::from_descriptor(memory, 100)?.len(), 100);
    ///
    /// let file = std::fs::File::open("/dev/null")?;
    /// assert!(Mapping::from_descriptor(file.into(), 100).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_descriptor(memory: OwnedFd, len: usize) -> Result<Self, MappingError> {
        Self::adopt(memory, len).map_err(MappingError)
    }

    /// The number of bytes, at least one.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_core::Mapping::new(1)?.len(), 1);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.0.len.get()
    }

    /// Where the memory begins in this process: the start of a page, valid for [`len`](Self::len) bytes as long as a
    /// clone exists.
    ///
    /// Other processes may read and write there at any time, so plain reads and writes through this pointer are data
    /// races unless a protocol in the memory itself forbids them.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = procession_core::Mapping::new(1)?;
    /// assert!(mapping.as_ptr().cast::<u64>().is_aligned());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.0.region.start()
    }

    /// The memory as bytes that anybody may change at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let mapping = procession_core::Mapping::new(3)?;
    /// assert!(mapping.bytes().iter().all(|byte| byte.load(Relaxed) == 0));
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        let start = self.as_ptr().cast::<AtomicU8>().as_ptr();
        // SAFETY: the region is mapped for reading and writing, is at least `len` bytes long, and stays mapped while
        // `self` is borrowed; the file behind it was sealed against shrinking. An atomic byte is valid whatever it
        // holds and may be changed by others while the reference lives.
        unsafe { slice::from_raw_parts(start, self.len()) }
    }

    /// Serializes it as memory of another kind than that of a mapping: then it cannot be received as one.
    ///
    /// # Errors
    ///
    /// It is not inside a message to another process.
    ///
    /// ```
    /// use procession_core::{Mapping, codec::{self, Kind}};
    ///
    /// // SAFETY: no other code uses this name.
    /// const MINE: Kind = unsafe { Kind::new(*b"my pages") };
    ///
    /// struct Mine(Mapping);
    ///
    /// impl serde::Serialize for Mine {
    ///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
    ///         self.0.serialize_as(MINE, serializer)
    ///     }
    /// }
    ///
    /// impl<'de> serde::Deserialize<'de> for Mine {
    ///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    ///         Mapping::deserialize_as(MINE, deserializer).map(Mine)
    ///     }
    /// }
    ///
    /// let message = codec::encode(&Mine(Mapping::new(64)?))?;
    /// let copy = message.try_clone()?;
    /// assert!(codec::decode::<Mine>(message).is_ok() && codec::decode::<Mapping>(copy).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serialize_as<S: Serializer>(&self, kind: Kind, serializer: S) -> Result<S::Ok, S::Error> {
        (Lent(kind, self.as_fd()), self.len()).serialize(serializer)
    }

    /// Deserializes what was [serialized](Self::serialize_as) as memory of this kind.
    ///
    /// # Errors
    ///
    /// It is something else, or as for [`from_descriptor`](Self::from_descriptor).
    ///
    /// ```
    /// use procession_core::{Mapping, codec::{self, Kind}};
    ///
    /// // SAFETY: no other code uses this name.
    /// const MINE: Kind = unsafe { Kind::new(*b"my pages") };
    ///
    /// struct Mine(Mapping);
    ///
    /// impl serde::Serialize for Mine {
    ///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
    ///         self.0.serialize_as(MINE, serializer)
    ///     }
    /// }
    ///
    /// impl<'de> serde::Deserialize<'de> for Mine {
    ///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    ///         Mapping::deserialize_as(MINE, deserializer).map(Mine)
    ///     }
    /// }
    ///
    /// let message = codec::encode(&Mine(Mapping::new(64)?))?;
    /// let copy = message.try_clone()?;
    /// assert!(codec::decode::<Mine>(message).is_ok() && codec::decode::<Mapping>(copy).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deserialize_as<'de, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Self, D::Error> {
        let (memory, len) = <(Numbered, usize)>::deserialize(deserializer)?;
        Self::from_descriptor(memory.take(kind)?, len).map_err(D::Error::custom)
    }

    fn create(len: usize, label: &str) -> Result<Self, MemoryFault> {
        let (len, size) = sizes(len)?;
        let memory = memfd::create(label)?;
        memfd::allocate(&memory, size.get() as u64)?;
        // After the allocation, since the seals forbid to grow; and before any other process can have the descriptor.
        memfd::seal(&memory, memfd::FIXED_SIZE)?;
        Self::map(memory, len, size)
    }

    fn adopt(memory: OwnedFd, len: usize) -> Result<Self, MemoryFault> {
        let (len, size) = sizes(len)?;
        // The length is what a message says. Of a shorter file, or one that can be cut off, a touch would end this process.
        memfd::verify(&memory, size.get() as u64, memfd::FIXED_SIZE)?;
        Self::map(memory, len, size)
    }

    fn map(memory: OwnedFd, len: NonZeroUsize, size: NonZeroUsize) -> Result<Self, MemoryFault> {
        let region = Region::shared(&memory, size)
            .map_err(|error| MemoryFault::system(format!("map {size} bytes of shared memory"), error))?;
        Ok(Self(Arc::new(Inner { region, len, memory })))
    }
}

impl AsFd for Mapping {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.memory.as_fd()
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { region, len, memory } = &*self.0;
        f.debug_struct("Mapping").field("start", &region.start()).field("len", len).field("memory", memory).finish()
    }
}

impl Serialize for Mapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_as(KIND, serializer)
    }
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize_as(KIND, deserializer)
    }
}

/// Shared memory could not be had, or was refused.
///
/// # Examples
///
/// ```
/// let error = procession_core::Mapping::new(0).unwrap_err();
/// assert_eq!(error.to_string(), "a mapping needs at least one byte");
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct MappingError(MemoryFault);

impl MappingError {
    /// Returns whether there is too little memory, so that a smaller mapping may succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_core::Mapping::new(usize::MAX).unwrap_err();
    /// assert!(error.is_out_of_memory());
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.0.is_out_of_memory()
    }
}

impl MappingError {
    pub(crate) fn from(fault: MemoryFault) -> Self {
        Self(fault)
    }
}

/// A length as it was asked for, and in whole pages.
fn sizes(len: usize) -> Result<(NonZeroUsize, NonZeroUsize), MemoryFault> {
    let asked = NonZeroUsize::new(len).ok_or_else(|| MemoryFault::refused("a mapping needs at least one byte"))?;
    let too_large = || MemoryFault::NoRoom { asked: len as u64, free: isize::MAX as u64 };
    // No slice may be longer than `isize::MAX` bytes, and `bytes` makes one of all of it.
    let size = len.checked_next_multiple_of(page_size()).filter(|&size| size <= isize::MAX as usize);
    Ok((asked, size.and_then(NonZeroUsize::new).ok_or_else(too_large)?))
}

fn page_size() -> usize {
    const COMMON: usize = 4096;
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| usize::try_from(size).ok()).unwrap_or(COMMON)
}
