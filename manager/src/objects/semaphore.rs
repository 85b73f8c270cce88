//! [`Semaphore`]: permits that many processes share, and that come back when their holder dies.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use procession_core::Method;
use procession_core::os::poll::deadline_after;

use super::macros::proxy_type;
use super::owner::{self, Owner};
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A number of permits in a manager.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = procession_manager::Manager::start()?;
/// let semaphore = manager.semaphore(2)?;
/// let (first, second) = (semaphore.acquire()?, semaphore.acquire()?);
/// assert!(semaphore.try_acquire()?.is_none());
/// drop(first);
/// assert_eq!(semaphore.available()?, 1);
/// # drop(second);
/// # Ok(())
/// # }
/// ```
///
/// A guard's permit comes back when the guard is dropped or its process dies. One that was [forgotten](SemaphoreGuard::forget)
/// stays taken until somebody [releases](Semaphore::release) one.
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    proxy: Proxy<SemaphoreState>,
}

/// What the manager knows of a [`Semaphore`]. It has no methods of its own.
///
/// ```
/// # use procession_manager::{Manager, Proxy, SemaphoreState};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = Manager::start()?;
/// let proxy: Proxy<SemaphoreState> = manager.semaphore(1)?.proxy().clone();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SemaphoreState {
    available: u64,
    /// How many there may be, if that is bounded.
    bound: Option<u64>,
    /// The permits of guards.
    held: HashSet<Owner>,
}

/// Holds one permit of a [`Semaphore`] until it is dropped, which does not wait for the manager.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = procession_manager::Manager::start()?;
/// let semaphore = manager.semaphore(1)?;
/// drop(semaphore.acquire()?);
/// assert_eq!(semaphore.available()?, 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "the permit is given back as soon as the guard is dropped"]
pub struct SemaphoreGuard<'a> {
    semaphore: &'a Semaphore,
    /// By which the manager knows the permit.
    number: u64,
}

proxy_type!([] Semaphore, SemaphoreState, "manager.semaphore(2)");

impl Semaphore {
    /// Takes a permit, waiting until there is one.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(1)?;
    /// let _guard = semaphore.acquire()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<SemaphoreGuard<'_>, CallError> {
        self.acquire_until(None)
    }

    /// Takes a permit, waiting for so long at the most. `None` if there was none in time.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(0)?;
    /// assert!(semaphore.acquire_timeout(std::time::Duration::from_millis(10))?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<SemaphoreGuard<'_>>, CallError> {
        match self.acquire_until(deadline_after(timeout)) {
            Ok(guard) => Ok(Some(guard)),
            Err(CallError::Timeout { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`] when the manager does not respond at once; otherwise see [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert!(manager.semaphore(0)?.try_acquire()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> Result<Option<SemaphoreGuard<'_>>, CallError> {
        let (number, method) = (owner::unique(), Method::exclusive(SemaphoreState::acquire));
        let (kind, undo) = (RequestKind::Exclusive, || self.give_back(number, true));
        let acquired: Option<()> = self.proxy.acquire(kind, method, &number, owner::now(), undo)?;
        Ok(acquired.map(|()| SemaphoreGuard { semaphore: self, number }))
    }

    /// Adds permits. Answers `false`, and adds none, where there would be more than its bound.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert!(manager.semaphore(0)?.release(2)?);
    /// assert!(!manager.bounded_semaphore(1)?.release(1)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn release(&self, permits: u64) -> Result<bool, CallError> {
        self.proxy.call(SemaphoreState::add, permits)
    }

    /// How many permits there are to be taken.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.semaphore(3)?.available()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_value")]
    pub fn available(&self) -> Result<u64, CallError> {
        self.proxy.read(|semaphore, ()| semaphore.available, ())
    }

    fn acquire_until(&self, deadline: Option<Instant>) -> Result<SemaphoreGuard<'_>, CallError> {
        let (number, method) = (owner::unique(), Method::conditional(SemaphoreState::acquire));
        let (kind, undo) = (RequestKind::Conditional, || self.give_back(number, true));
        let () = self.proxy.acquire(kind, method, &number, deadline, undo)?;
        Ok(SemaphoreGuard { semaphore: self, number })
    }

    fn give_back(&self, number: u64, comes_back: bool) {
        self.proxy.notify(Method::exclusive(SemaphoreState::give_back), &(number, comes_back));
    }
}

impl SemaphoreState {
    pub(super) fn new((available, is_bounded): (u64, bool)) -> SemaphoreState {
        SemaphoreState { available, bound: is_bounded.then_some(available), held: HashSet::new() }
    }

    fn acquire(&mut self, number: u64) -> Option<()> {
        self.available = self.available.checked_sub(1)?;
        self.held.insert(Owner::caller(number));
        Some(())
    }

    /// A permit is given back, or not to be given back any more; once.
    fn give_back(&mut self, (number, comes_back): (u64, bool)) {
        if self.held.remove(&Owner::caller(number)) && comes_back {
            self.available = self.available.saturating_add(1);
        }
    }

    fn add(&mut self, permits: u64) -> bool {
        let held = self.held.len() as u64;
        let available = self.available.checked_add(permits);
        let fits = |available: &u64| self.bound.is_none_or(|bound| available.saturating_add(held) <= bound);
        let available = available.filter(fits);
        self.available = available.unwrap_or(self.available);
        available.is_some()
    }

    pub(super) fn on_client_exit(&mut self, client: u64) {
        let before = self.held.len();
        self.held.retain(|owner| !owner.is_of(client));
        self.available = self.available.saturating_add((before - self.held.len()) as u64);
    }
}

impl SemaphoreGuard<'_> {
    /// Keeps the permit taken when the guard is gone, and when the process is.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(1)?;
    /// semaphore.acquire()?.forget();
    /// assert_eq!(semaphore.available()?, 0);
    /// semaphore.release(1)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget(self) {
        self.end(false);
        std::mem::forget(self);
    }

    fn end(&self, comes_back: bool) {
        self.semaphore.give_back(self.number, comes_back);
    }
}

impl Drop for SemaphoreGuard<'_> {
    fn drop(&mut self) {
        self.end(true);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Semaphore").field(&self.proxy).finish()
    }
}

impl fmt::Debug for SemaphoreGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphoreGuard").finish_non_exhaustive()
    }
}
