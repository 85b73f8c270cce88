//! [`Shared`]: values that need no lock, because they are atomic or because they do not change.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::data::{Plain, Shape};
use crate::error::CreateError;
use crate::segment::{Machine, Segment};

/// A value in shared memory that each process can read at any time, without a lock.
///
/// All processes can change the atomics inside; plain data stays what it was when this was made. `T` is [`Plain`] data that is
/// `Sync`, or a slice of it. It is a handle: clones and copies in other processes show the same memory.
///
/// # Differences from Python's `RawValue` and `RawArray`
///
/// Only atomics can change, so there are no races. Their arithmetic wraps silently as it does everywhere in Rust; to have an
/// overflow noticed, use `fetch_update` with `checked_add`, or a [`Mutex`](crate::Mutex).
///
/// # Differences from an atomic in a message
///
/// serde copies the value of a bare `AtomicU64` silently. Inside `Shared` it is the same one everywhere.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use procession_sync::Shared;
///
/// let hits = Shared::new(AtomicU64::new(0))?;
/// hits.fetch_add(1, Relaxed);
///
/// let primes = Shared::from_slice(&[2, 3, 5, 7])?;
/// assert_eq!(primes.iter().sum::<i32>(), 17);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
///
/// What can be changed without a lock and is not atomic does not compile:
///
/// ```compile_fail,E0277
/// let cell = procession_sync::Shared::new(std::cell::Cell::new(0));
/// ```
#[doc(alias = "RawValue")]
#[doc(alias = "RawArray")]
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Shared<T: Shape + Sync + ?Sized> {
    segment: Segment<NoMachine, T>,
}

/// The machine of values that need none.
#[repr(C)]
#[derive(Debug)]
struct NoMachine;

// SAFETY: there is nothing.
unsafe impl Machine for NoMachine {
    const KIND: u64 = 8;
    const NAME: &str = "shared value";
}

impl<T: Plain + Sync> Shared<T> {
    /// Shares a value.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let limits = procession_sync::Shared::new((1, 100))?;
    /// assert_eq!(limits.1, 100);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new(value: T) -> Result<Shared<T>, CreateError> {
        Ok(Shared { segment: Segment::new(value)? })
    }
}

impl<T: Plain + Sync> Shared<[T]> {
    /// Shares a slice of `len` values; `value` computes each from its index.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    ///
    /// let bins = procession_sync::Shared::<[AtomicU32]>::from_fn(16, |_| AtomicU32::new(0))?;
    /// bins[3].fetch_add(1, Relaxed);
    /// assert_eq!(bins[3].load(Relaxed), 1);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T) -> Result<Shared<[T]>, CreateError> {
        Ok(Shared { segment: Segment::from_fn(len, value)? })
    }

    /// Shares a copy of `values`.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let table = procession_sync::Shared::from_slice(&[1.0, 0.5, 0.25])?;
    /// assert_eq!(table[2], 0.25);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn from_slice(values: &[T]) -> Result<Shared<[T]>, CreateError>
    where
        T: Copy,
    {
        Shared::from_fn(values.len(), |index| values[index])
    }
}

impl<T: Shape + Sync + ?Sized> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the segment holds a valid value there (any bytes are one). It was written before it could be shared, and
        // since then everybody has shared references only, through which nothing but atomics changes.
        unsafe { self.segment.data().as_ref() }
    }
}

impl<T: Shape + Sync + ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared { segment: self.segment.clone() }
    }
}

impl<T: Shape + Sync + fmt::Debug + ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
