//! [`Semaphore`]: permits that many processes share, and that come back when their holder dies.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use procession_core::Method;
use procession_core::os::poll::deadline_after;

use super::operations::face;
use crate::error::CallError;
use crate::ids::ClientId;
use crate::proxy::Proxy;
use crate::server::context;
use crate::wire::Kind;

/// A number of permits in a manager.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
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
/// # procession_process::init();
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
    held: HashMap<ClientId, u64>,
}

/// Holds one permit of a [`Semaphore`] until it is dropped, which does not wait for the manager.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
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
}

face!([] Semaphore, SemaphoreState, "manager.semaphore(2)");

impl Semaphore {
    /// Takes a permit, waiting until there is one.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(1)?;
    /// let _guard = semaphore.acquire()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<SemaphoreGuard<'_>, CallError> {
        let method = Method::conditional(SemaphoreState::acquire);
        let () = self.proxy.perform(Kind::Conditional, method, &(), None)?;
        Ok(SemaphoreGuard { semaphore: self })
    }

    /// Takes a permit, waiting for so long at the most. `None` if there was none in time.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(0)?;
    /// assert!(semaphore.acquire_timeout(std::time::Duration::from_millis(10))?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<SemaphoreGuard<'_>>, CallError> {
        let method = Method::conditional(SemaphoreState::acquire);
        match self.proxy.perform::<_, ()>(Kind::Conditional, method, &(), deadline_after(timeout)) {
            Ok(()) => Ok(Some(SemaphoreGuard { semaphore: self })),
            Err(CallError::Timeout { started: false }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert!(manager.semaphore(0)?.try_acquire()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> Result<Option<SemaphoreGuard<'_>>, CallError> {
        let method = Method::exclusive(SemaphoreState::acquire);
        let acquired: Option<()> = self.proxy.perform(Kind::Exclusive, method, &(), None)?;
        Ok(acquired.map(|()| SemaphoreGuard { semaphore: self }))
    }

    /// Adds permits. Answers `false`, and adds none, where there would be more than its bound.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.semaphore(3)?.available()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_value")]
    pub fn available(&self) -> Result<u64, CallError> {
        self.proxy.read(|semaphore, ()| semaphore.available, ())
    }
}

impl SemaphoreState {
    pub(super) fn new((available, is_bounded): (u64, bool)) -> SemaphoreState {
        SemaphoreState { available, bound: is_bounded.then_some(available), held: HashMap::new() }
    }

    fn acquire(&mut self, (): ()) -> Option<()> {
        self.available = self.available.checked_sub(1)?;
        *self.held.entry(context::caller()).or_insert(0) += 1;
        Some(())
    }

    /// A guard's permit comes back, or stays taken for good.
    fn give_back(&mut self, comes_back: bool) {
        let client = context::caller();
        let Some(held) = self.held.get_mut(&client) else { return };
        *held -= 1;
        if *held == 0 {
            self.held.remove(&client);
        }
        if comes_back {
            self.available = self.available.saturating_add(1);
        }
    }

    fn add(&mut self, permits: u64) -> bool {
        let held: u64 = self.held.values().sum();
        let available = self.available.checked_add(permits);
        let fits = |available: &u64| self.bound.is_none_or(|bound| available.saturating_add(held) <= bound);
        let available = available.filter(fits);
        self.available = available.unwrap_or(self.available);
        available.is_some()
    }

    pub(super) fn depart(&mut self, client: u64) {
        let held = self.held.remove(&ClientId(client)).unwrap_or(0);
        self.available = self.available.saturating_add(held);
    }
}

impl SemaphoreGuard<'_> {
    /// Keeps the permit taken when the guard is gone, and when the process is.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
        self.semaphore.proxy.tell(Method::exclusive(SemaphoreState::give_back), &comes_back);
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
