//! [`SharedMemory`]: bytes that several processes see.

use std::fmt;
use std::sync::atomic::AtomicU8;

use serde::{Deserialize, Serialize};

use crate::copy;
use crate::error::CreateError;
use crate::name::{self, NameError, NamedBytes};

/// Bytes in shared memory, without a name or, on request, with one.
///
/// They begin as zeros. It is a handle: clones and copies in other processes show the same bytes. All of it is allocated at once and
/// its size is sealed, so that an access never fails. Only single bytes are atomic: to keep larger values whole, use a
/// [`Mutex`](crate::Mutex) beside it.
///
/// # Names
///
/// Send the handle in a message where you can. For processes that do not know each other, [`create`](Self::create) gives the
/// memory a name which others of the same user [`open`](Self::open). A small record under `/dev/shm` says which
/// processes have it; the memory itself is not there. It goes away with the last process that created or opened it, however that
/// one ended. Then the name is free again, and only the record is left, which the next process to use the name replaces.
///
/// # Differences from Python's `SharedMemory`
///
/// There is no `ShareableList`: a list of one type is a `Mutex<[T]>`, one of several types is a queue or a manager's business.
/// The end of a process takes the memory from no other, no memory stays behind after the last of them, and a lack of memory
/// is an error at once.
///
/// # Examples
///
/// ```
/// let memory = procession_sync::SharedMemory::new(1 << 20)?;
/// memory.write(100, b"hello");
/// let mut read = [0; 5];
/// memory.read(100, &mut read);
/// assert_eq!(&read, b"hello");
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[doc(alias = "ShareableList")]
#[doc(alias = "multiprocessing.shared_memory")]
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SharedMemory {
    segment: NamedBytes,
}

impl SharedMemory {
    /// Allocates `len` bytes without a name.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::SharedMemory::new(100)?.len(), 100);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new(len: usize) -> Result<SharedMemory, CreateError> {
        Ok(SharedMemory { segment: NamedBytes::from_fn(len, |_| AtomicU8::new(0))? })
    }

    /// Allocates `len` bytes under a name that is not in use.
    ///
    /// # Errors
    ///
    /// [`NameError::is_taken`]: the name is in use. Otherwise it is no name, there is not enough memory, or the record cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::SharedMemory;
    ///
    /// let name = format!("example-{}", std::process::id());
    /// let memory = SharedMemory::create(&name, 100)?;
    /// assert!(SharedMemory::create(&name, 100).unwrap_err().is_taken());
    /// SharedMemory::unlink(&name)?;
    /// # Ok::<(), procession_sync::NameError>(())
    /// ```
    pub fn create(name: &str, len: usize) -> Result<SharedMemory, NameError> {
        let segment = name::create(name, || NamedBytes::from_fn(len, |_| AtomicU8::new(0)))?;
        Ok(SharedMemory { segment })
    }

    /// Opens the memory that a process, this one included, has created under a name.
    ///
    /// # Errors
    ///
    /// [`NameError::is_not_found`]: no living process has memory of this name. Otherwise it is another user's.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::SharedMemory;
    ///
    /// let name = format!("another-example-{}", std::process::id());
    /// let memory = SharedMemory::create(&name, 100)?;
    /// memory.write(0, b"hello");
    /// let same = SharedMemory::open(&name)?;
    /// let mut read = [0; 5];
    /// same.read(0, &mut read);
    /// assert_eq!(&read, b"hello");
    /// SharedMemory::unlink(&name)?;
    /// # Ok::<(), procession_sync::NameError>(())
    /// ```
    pub fn open(name: &str) -> Result<SharedMemory, NameError> {
        Ok(SharedMemory { segment: name::open(name)? })
    }

    /// Removes the name. Processes that have the memory keep it.
    ///
    /// # Errors
    ///
    /// [`NameError::is_not_found`]: there is no such name.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(procession_sync::SharedMemory::unlink("not-in-use").unwrap_err().is_not_found());
    /// ```
    pub fn unlink(name: &str) -> Result<(), NameError> {
        name::unlink(name)
    }

    /// Returns the number of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::SharedMemory::new(7)?.len(), 7);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    #[doc(alias = "size")]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Returns whether there are no bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(procession_sync::SharedMemory::new(0)?.is_empty());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes, which any process may change at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let memory = procession_sync::SharedMemory::new(7)?;
    /// memory.bytes()[3].store(1, Relaxed);
    /// assert_eq!(memory.bytes()[3].load(Relaxed), 1);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[doc(alias = "buf")]
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the segment holds this number of atomic bytes there, which are valid whatever they are and may be changed by others.
        unsafe { self.segment.data().as_ref() }
    }

    /// Copies bytes out of the memory, from `offset` on.
    ///
    /// # Panics
    ///
    /// The memory ends before `offset + into.len()`.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut read = [1; 3];
    /// procession_sync::SharedMemory::new(7)?.read(4, &mut read);
    /// assert_eq!(read, [0; 3]);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[track_caller]
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.range(offset, into.len());
        copy::out_of(from, into);
    }

    /// Copies bytes into the memory, from `offset` on.
    ///
    /// # Panics
    ///
    /// The memory ends before `offset + from.len()`.
    ///
    /// # Examples
    ///
    /// ```
    /// let memory = procession_sync::SharedMemory::new(7)?;
    /// memory.write(4, &[1, 2, 3]);
    /// let mut read = [0; 4];
    /// memory.read(3, &mut read);
    /// assert_eq!(read, [0, 1, 2, 3]);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[track_caller]
    pub fn write(&self, offset: usize, from: &[u8]) {
        let to = self.range(offset, from.len());
        copy::into(to, from);
    }

    #[track_caller]
    fn range(&self, offset: usize, len: usize) -> &[AtomicU8] {
        let all = self.bytes();
        // Checked, because a sum that wraps around would be inside again.
        let end = offset.checked_add(len).filter(|end| *end <= all.len());
        let end = end.unwrap_or_else(|| {
            panic!("{len} bytes from {offset} on are not inside {} bytes of shared memory", all.len())
        });
        &all[offset..end]
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("len", &self.len()).finish_non_exhaustive()
    }
}
