//! [`Semaphore`]: permits that many processes share, and that come back when their holder dies.

use std::collections::HashSet;

use procession_core::Method;

use super::guard::{Acquire, AcquireState, Guard, acquire_methods};
use super::macros::{proxy_type, remote_methods};
use super::owner::Owner;
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;

/// A number of permits in a manager.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let semaphore = manager.semaphore(2)?;
/// let (first, second) = (semaphore.acquire()?, semaphore.acquire()?);
/// assert!(semaphore.try_acquire()?.is_none());
/// drop(first);
/// assert_eq!(semaphore.available()?, 1);
/// # drop(second);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A guard's permit comes back when the guard is dropped or its process dies. The permit of a guard that was
/// [forgotten](Guard::forget) stays taken until a permit is [released](Semaphore::release).
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    proxy: Proxy<SemaphoreState>,
}

/// The guard of a [`Semaphore`], which holds one permit.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let semaphore = manager.semaphore(1)?;
/// let guard: procession_manager::SemaphoreGuard<'_> = semaphore.acquire()?;
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type SemaphoreGuard<'a> = Guard<'a, Semaphore>;

/// The state of a [`Semaphore`] in the manager.
#[derive(Debug)]
pub struct SemaphoreState {
    available: u64,
    /// The largest number of permits, if that is bounded.
    bound: Option<u64>,
    /// The permits of guards.
    held: HashSet<Owner>,
}

proxy_type!(debug hidden [] Semaphore, SemaphoreState, "manager.semaphore(2)");
acquire_methods!(Semaphore, SemaphoreGuard, "a permit", "manager.semaphore(2)");

impl Acquire for Semaphore {
    type State = SemaphoreState;
    type Marker = ();
    const GUARD: &'static str = "SemaphoreGuard";

    fn state(&self) -> &Proxy<SemaphoreState> {
        &self.proxy
    }
}

remote_methods! {
    impl[] Semaphore => SemaphoreState;

    /// Adds permits. Returns `false`, and adds none, where there would be more than the bound.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(manager.semaphore(0)?.release(2)?);
    /// assert!(!manager.bounded_semaphore(1)?.release(1)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    exclusive fn release[](permits: u64) -> bool = |semaphore, (permits,)| semaphore.add(permits);

    /// Returns the number of permits that are free.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert_eq!(manager.semaphore(3)?.available()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_value")]
    shared fn available[]() -> u64 = |semaphore, ()| semaphore.available;
}

impl AcquireState for SemaphoreState {
    fn acquire(&mut self, (_, number): (u64, u64)) -> Option<bool> {
        self.available = self.available.checked_sub(1)?;
        self.held.insert(Owner::caller(number));
        Some(false)
    }

    fn release(&mut self, number: u64) {
        if self.held.remove(&Owner::caller(number)) {
            self.available = self.available.saturating_add(1);
        }
    }
}

impl SemaphoreState {
    pub(super) fn new((available, is_bounded): (u64, bool)) -> SemaphoreState {
        SemaphoreState { available, bound: is_bounded.then_some(available), held: HashSet::new() }
    }

    /// Leaves the permit of a guard taken: neither its drop nor the end of its process gives it back.
    fn forget(&mut self, number: u64) {
        self.held.remove(&Owner::caller(number));
    }

    fn add(&mut self, permits: u64) -> bool {
        let held = self.held.len() as u64;
        let available = self.available.checked_add(permits);
        // The permits that guards hold will come back, so they count against the bound.
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

impl Guard<'_, Semaphore> {
    /// Leaves the permit taken, also after the end of the process.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let semaphore = manager.semaphore(1)?;
    /// semaphore.acquire()?.forget();
    /// assert_eq!(semaphore.available()?, 0);
    /// semaphore.release(1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget(self) {
        self.object.proxy.notify(Method::exclusive(SemaphoreState::forget), &self.number);
        // Its drop would release the permit.
        std::mem::forget(self);
    }
}
