//! [`Semaphore`]: a number of permits.

use std::fmt;
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::error::{CreateError, CreateErrorKind};
use crate::raw::backoff::Deadline;
use crate::raw::semaphore::{MAX_PERMITS, RawSemaphore};
use crate::segment::{Machine, Segment};

/// A counting semaphore in shared memory: processes take permits and release them.
///
/// It is a handle: clones and copies in other processes are the same semaphore.
///
/// # When a holder dies
///
/// The permits of its guards come back: within 50 ms for waiting threads, within 1 ms for calls that only try. Permits taken for good
/// ([`SemaphoreGuard::forget`]) have no holder and do not come back by themselves. A dead waiter does no harm.
///
/// # Differences from Python's `Semaphore`
///
/// - [`release`](Self::release) takes a number.
/// - Permits are in guards, so that they come back. For Python's way, where one process acquires and another
///   releases, [`forget`](SemaphoreGuard::forget) the guard.
/// - [`bounded`](Self::bounded) checks the bound exactly, without a race.
///
/// # Fairness
///
/// None is promised: a thread that asks may get a permit before a thread that was just woken.
///
/// Guards may be held by up to 480 processes at a time; the next process waits until another has none left.
///
/// # Examples
///
/// ```
/// let seats = procession_sync::Semaphore::new(2)?;
/// let one = seats.acquire();
/// let another = seats.acquire();
/// assert!(seats.try_acquire().is_none());
/// drop(one);
/// assert_eq!(seats.available(), 1);
/// # drop(another);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[doc(alias = "BoundedSemaphore")]
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Semaphore {
    segment: Segment<RawSemaphore, ()>,
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawSemaphore {
    const KIND: u64 = 5;
    const NAME: &str = "semaphore";
}

impl Semaphore {
    /// Makes a semaphore with `permits` permits; [`release`](Self::release) can add more, up to 2^31 - 1.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory. Otherwise `permits` is above 2^31 - 1.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Semaphore::new(3)?.available(), 3);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new(permits: u32) -> Result<Semaphore, CreateError> {
        Semaphore::with(permits, MAX_PERMITS)
    }

    /// Makes a semaphore with `permits` permits, which is also their maximum.
    ///
    /// # Errors
    ///
    /// [`CreateError`], as for [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = procession_sync::Semaphore::bounded(3)?;
    /// assert!(seats.release(1).is_err());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn bounded(permits: u32) -> Result<Semaphore, CreateError> {
        Semaphore::with(permits, permits)
    }

    fn with(permits: u32, bound: u32) -> Result<Semaphore, CreateError> {
        if permits > MAX_PERMITS {
            return Err(CreateErrorKind::Permits { asked: permits, max: MAX_PERMITS }.into());
        }
        let segment = Segment::<RawSemaphore, ()>::new(())?;
        segment.machine().init(permits, bound);
        Ok(Semaphore { segment })
    }

    /// Waits for a permit and takes it.
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = procession_sync::Semaphore::new(1)?;
    /// let seat = seats.acquire();
    /// assert_eq!(seats.available(), 0);
    /// # drop(seat);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn acquire(&self) -> SemaphoreGuard<'_> {
        // Without a deadline the first round brings a permit: where living processes use all rows, it waits for one of those too.
        while !self.machine().acquire(ProcessIdentity::current(), Deadline::None) {}
        SemaphoreGuard { semaphore: self }
    }

    /// Takes a permit if one is available or held by a dead process.
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = procession_sync::Semaphore::new(0)?;
    /// assert!(seats.try_acquire().is_none());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn try_acquire(&self) -> Option<SemaphoreGuard<'_>> {
        let taken = self.machine().try_acquire(ProcessIdentity::current());
        taken.then(|| SemaphoreGuard { semaphore: self })
    }

    /// Does what [`acquire`](Self::acquire) does, and gives up after `timeout`. A zero timeout only tries.
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = procession_sync::Semaphore::new(0)?;
    /// assert!(seats.acquire_timeout(std::time::Duration::from_millis(1)).is_none());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<SemaphoreGuard<'_>> {
        let taken = self.machine().acquire(ProcessIdentity::current(), deadline_after(timeout));
        taken.then(|| SemaphoreGuard { semaphore: self })
    }

    /// Adds permits, which need not have been acquired before.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`]: there would be more than the maximum; then none is added.
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = procession_sync::Semaphore::bounded(2)?;
    /// seats.acquire().forget();
    /// seats.release(1)?;
    /// let error = seats.release(1).unwrap_err();
    /// assert_eq!(error.to_string(), "1 permit cannot be added to 2, the semaphore is bounded to 2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self, permits: u32) -> Result<(), ReleaseError> {
        let refused = |exist| ReleaseError { permits, exist, bound: self.machine().bound() };
        self.machine().release(permits).map_err(refused)
    }

    /// Returns the number of permits that are available now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Semaphore::new(3)?.available(), 3);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[doc(alias = "get_value")]
    #[must_use]
    pub fn available(&self) -> u32 {
        self.machine().available(ProcessIdentity::current())
    }

    fn machine(&self) -> &RawSemaphore {
        self.segment.machine()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders: Vec<_> = self.machine().holders().map(|(who, held)| (who.pid(), held)).collect();
        let mut shown = f.debug_struct("Semaphore");
        shown.field("available", &self.available()).field("holders", &Holders(&holders));
        if self.machine().bound() != MAX_PERMITS {
            shown.field("bound", &self.machine().bound());
        }
        shown.finish()
    }
}

/// The holders and their number of permits.
struct Holders<'a>(&'a [(u32, u32)]);

impl fmt::Debug for Holders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().copied()).finish()
    }
}

/// A permit, which is released when this is dropped or when the process dies. Another thread may drop it.
///
/// # Examples
///
/// ```
/// let seats = procession_sync::Semaphore::new(1)?;
/// let seat = seats.acquire();
/// drop(seat);
/// assert_eq!(seats.available(), 1);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[must_use = "if unused the permit is given back at once"]
#[derive(Debug)]
pub struct SemaphoreGuard<'a> {
    semaphore: &'a Semaphore,
}

impl SemaphoreGuard<'_> {
    /// Removes the permit from the semaphore: it comes back only when it is
    /// [released](Semaphore::release).
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = procession_sync::Semaphore::new(1)?;
    /// seats.acquire().forget();
    /// assert_eq!(seats.available(), 0);
    /// seats.release(1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget(self) {
        self.semaphore.machine().forget(ProcessIdentity::current());
        std::mem::forget(self);
    }
}

impl Drop for SemaphoreGuard<'_> {
    fn drop(&mut self) {
        self.semaphore.machine().release_held(ProcessIdentity::current());
    }
}

/// More permits were released than the maximum of the semaphore.
///
/// # Examples
///
/// ```
/// let error = procession_sync::Semaphore::bounded(5)?.release(2).unwrap_err();
/// assert_eq!(error.to_string(), "2 permits cannot be added to 5, the semaphore is bounded to 5");
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{permits} permit{} cannot be added to {exist}, the semaphore is bounded to {bound}", if *permits == 1 { "" } else { "s" })]
pub struct ReleaseError {
    permits: u32,
    exist: u32,
    bound: u32,
}
