//! [`Semaphore`]: a number of permits.

use std::fmt;
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::error::{CreateError, Fault};
use crate::raw::patience::Deadline;
use crate::raw::semaphore::{MOST, RawSemaphore};
use crate::segment::{Machine, Segment};

/// A number of permits in shared memory, of which each process takes some and gives them back.
///
/// A handle: clones and copies in other processes are the same semaphore.
///
/// # When a holder dies
///
/// The permits of its guards come back: who waits for one gets it within 50 ms, who only tries finds it within 1 ms. Permits taken for good
/// ([`SemaphoreGuard::forget`]) are nobody's and do not come back by themselves. A dead waiter hurts nobody.
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
/// None is promised: a process that asks may get a permit before one that was just woken.
///
/// Guards may be held by up to 480 processes at a time; one more waits until a process has none left.
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
    /// Makes one with so many permits; more can be released into it, up to 2^31 - 1.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory, or `permits` is above 2^31 - 1.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Semaphore::new(3)?.available(), 3);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new(permits: u32) -> Result<Semaphore, CreateError> {
        Semaphore::with(permits, MOST)
    }

    /// Makes one with so many permits, of which there can never be more.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
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
        if permits > MOST {
            return Err(Fault::Permits { asked: permits, most: MOST }.into());
        }
        let segment = Segment::<RawSemaphore, ()>::new(())?;
        segment.machine().set_up(permits, bound);
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
        while !self.machine().acquire(ProcessIdentity::current(), Deadline::None) {}
        SemaphoreGuard { semaphore: self }
    }

    /// Takes a permit if there is one; those of the dead count.
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

    /// As [`acquire`](Self::acquire), but gives up after a while. A zero timeout only tries, one beyond the clock is for ever.
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

    /// Adds permits, as many as were forgotten or more.
    ///
    /// # Errors
    ///
    /// There would be more than the bound allows; then none is added.
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

    /// How many permits could be taken at this moment.
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
        if self.machine().bound() != MOST {
            shown.field("bound", &self.machine().bound());
        }
        shown.finish()
    }
}

/// Which process holds how many permits.
struct Holders<'a>(&'a [(u32, u32)]);

impl fmt::Debug for Holders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().copied()).finish()
    }
}

/// A permit, given back when this is dropped or when the process dies. Another thread may drop it.
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
    /// Takes the permit out of the world: it does not come back, whoever dies, until somebody
    /// [releases](Semaphore::release) it.
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
        self.semaphore.machine().give_back(ProcessIdentity::current());
    }
}

/// More permits were released than the semaphore may have.
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
