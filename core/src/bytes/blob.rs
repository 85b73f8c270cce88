//! Bytes that are written once and then shared without copying.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::slice;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::handles::Kind;
use crate::bytes::codec::numbered::{Lent, Numbered};
use crate::os::memfd::{self, MemoryFault};
use crate::os::region::Region;

/// Immutable bytes in memory that any number of processes can read at once.
///
/// Making one copies the bytes, once; sending and reading it copies nothing. The kernel has sealed the memory: neither
/// its maker nor anybody else can change a byte of it any more, so that a plain `&[u8]` is what it looks like.
///
/// # Examples
///
/// ```
/// use procession_core::{codec, Blob};
///
/// let blob = Blob::from_bytes(b"a large table")?;
/// let message = codec::encode(&blob)?;
///
/// // In another process:
/// let theirs: Blob = codec::decode(message)?;
/// assert_eq!(&theirs[..], b"a large table");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Blob(Arc<Inner>);

struct Inner {
    /// Nothing is mapped for a blob without bytes.
    region: Option<Region>,
    len: usize,
    memory: OwnedFd,
}

impl Blob {
    /// Copies the bytes into memory that can be shared, and seals it.
    ///
    /// # Errors
    ///
    /// The memory is exhausted ([`BlobError::is_out_of_memory`]), or a limit on descriptors or mappings is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Blob;
    ///
    /// assert_eq!(Blob::from_bytes(&[1, 2, 3])?.len(), 3);
    /// assert!(Blob::from_bytes(&[])?.is_empty());
    /// # Ok::<(), procession_core::BlobError>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlobError> {
        Self::create(bytes).map_err(BlobError)
    }

    /// Maps a blob from its descriptor, which may come from another process.
    ///
    /// # Errors
    ///
    /// The descriptor is anything but sealed memory of `len` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use procession_core::Blob;
    ///
    /// let blob = Blob::from_bytes(b"bytes")?;
    /// let memory = blob.as_fd().try_clone_to_owned()?;
    /// assert_eq!(&Blob::from_descriptor(memory, 5)?[..], b"bytes");
    ///
    /// let file = std::fs::File::open("/dev/zero")?;
    /// assert!(Blob::from_descriptor(file.into(), 5).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_descriptor(memory: OwnedFd, len: u64) -> Result<Self, BlobError> {
        Self::adopt(memory, len).map_err(BlobError)
    }

    /// The descriptor of the memory, for [`from_descriptor`](Self::from_descriptor) in another process.
    ///
    /// # Errors
    ///
    /// The blob has other clones, and the limit on open descriptors is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Blob;
    ///
    /// let memory = Blob::from_bytes(b"bytes")?.into_descriptor()?;
    /// assert_eq!(&Blob::from_descriptor(memory, 5)?[..], b"bytes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_descriptor(self) -> io::Result<OwnedFd> {
        // The last holder gives its descriptor away; with others left a duplicate keeps their file open.
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Ok(inner.memory),
            Err(shared) => shared.memory.try_clone(),
        }
    }

    fn create(bytes: &[u8]) -> Result<Self, MemoryFault> {
        let memory = memfd::create("procession: blob")?;
        // Filled first, since the seal forbids writing, also to this process. From then on the bytes can be lent as a slice.
        memfd::fill(&memory, bytes)?;
        memfd::seal(&memory, memfd::IMMUTABLE)?;
        Self::map(memory, bytes.len())
    }

    fn adopt(memory: OwnedFd, len: u64) -> Result<Self, MemoryFault> {
        // Without the seals another process could write under the slices that this blob lends.
        memfd::verify(&memory, len, memfd::IMMUTABLE)?;
        let in_memory = usize::try_from(len).map_err(|_| MemoryFault::refused("the blob does not fit into memory"))?;
        Self::map(memory, in_memory)
    }

    /// Maps memory that is known to be sealed, and to have `len` bytes.
    fn map(memory: OwnedFd, len: usize) -> Result<Self, MemoryFault> {
        // An empty file cannot be mapped, so an empty blob has no region.
        let region = NonZeroUsize::new(len)
            .map(|len| Region::read_only(&memory, len))
            .transpose()
            .map_err(|error| MemoryFault::system(format!("map {len} bytes of shared memory"), error))?;
        Ok(Self(Arc::new(Inner { region, len, memory })))
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Some(region) = &self.0.region else { return &[] };
        // SAFETY: the region is `len` bytes long, mapped for reading, and stays mapped while `self` is borrowed. Its
        // file is sealed against shrinking, so the pages stay, and against writing, which the kernel grants only when
        // no process has it mapped for writing: the bytes never change.
        unsafe { slice::from_raw_parts(region.start().as_ptr(), self.0.len) }
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsFd for Blob {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.memory.as_fd()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { region: _, len, memory } = &*self.0;
        f.debug_struct("Blob").field("len", len).field("memory", memory).finish()
    }
}

/// It travels as a plain descriptor: no process can change it, so every process may have it.
impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Lent(Kind::PLAIN, self.as_fd()), self.len()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (memory, len) = <(Numbered, u64)>::deserialize(deserializer)?;
        Self::from_descriptor(memory.take(Kind::PLAIN)?, len).map_err(D::Error::custom)
    }
}

/// A blob could not be made, or was refused.
///
/// # Examples
///
/// ```
/// let file = std::fs::File::open("/dev/null").unwrap();
/// let error = procession_core::Blob::from_descriptor(file.into(), 1).unwrap_err();
/// assert_eq!(error.to_string(), "the descriptor is not shared memory");
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BlobError(MemoryFault);

impl BlobError {
    /// Returns whether there is too little memory, so that a smaller blob may succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// let file = std::fs::File::open("/dev/null").unwrap();
    /// let error = procession_core::Blob::from_descriptor(file.into(), 1).unwrap_err();
    /// assert!(!error.is_out_of_memory());
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.0.is_out_of_memory()
    }
}
