//! [`RLock`]: a lock that its holder can acquire again.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use procession_core::Method;
use procession_core::os::poll::deadline_after;

use super::macros::proxy_type;
use super::owner::{self, Owner};
use crate::api::proxy::Proxy;
use crate::server::context;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A lock in a manager that the thread which holds it can acquire again. It is free when all its guards are dropped.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = procession_manager::Manager::start()?;
/// let lock = manager.rlock()?;
/// let outer = lock.acquire()?;
/// let inner = lock.acquire()?;
/// drop((outer, inner));
/// assert!(!lock.is_locked()?);
/// # Ok(())
/// # }
/// ```
///
/// When the process that holds it dies, the lock is free again, and the next guard says so
/// ([`is_inherited`](RLockGuard::is_inherited)).
#[doc(alias = "ReentrantLock")]
pub struct RLock {
    proxy: Proxy<RLockState>,
}

/// What the manager knows of a [`RLock`]. It has no methods of its own.
///
/// ```
/// # use procession_manager::{RLockState, Manager, Proxy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = Manager::start()?;
/// let proxy: Proxy<RLockState> = manager.rlock()?.proxy().clone();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct RLockState {
    /// A thread.
    holder: Option<Owner>,
    /// Its guards.
    guards: Vec<u64>,
    /// Whether the last holder died.
    is_inherited: bool,
}

/// Keeps a [`RLock`] locked until it is dropped, which does not wait for the manager.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = procession_manager::Manager::start()?;
/// let lock = manager.rlock()?;
/// let guard = lock.acquire()?;
/// assert!(!guard.is_inherited());
/// # Ok(())
/// # }
/// ```
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct RLockGuard<'a> {
    lock: &'a RLock,
    /// By which the manager knows it.
    number: u64,
    is_inherited: bool,
    /// A guard is released by the thread that acquired it.
    not_send: PhantomData<*const ()>,
}

proxy_type!([] RLock, RLockState, "manager.rlock()");

impl RLock {
    /// Acquires it, waiting until it is free or the calling thread's own.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// drop(lock.acquire()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<RLockGuard<'_>, CallError> {
        self.acquire_until(None)
    }

    /// Acquires it, waiting for so long at the most. `None` if it was not free in time.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// assert!(lock.acquire_timeout(std::time::Duration::from_secs(60))?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<RLockGuard<'_>>, CallError> {
        match self.acquire_until(deadline_after(timeout)) {
            Ok(guard) => Ok(Some(guard)),
            Err(CallError::Timeout { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Acquires it if it is free or the calling thread's own.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`] when the manager does not respond at once; otherwise see [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// assert!(lock.try_acquire()?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> Result<Option<RLockGuard<'_>>, CallError> {
        let (number, method) = (owner::unique(), Method::exclusive(RLockState::acquire));
        let (asked, undo) = ((owner::thread(), number), || self.release(number));
        let acquired: Option<bool> = self.proxy.acquire(RequestKind::Exclusive, method, &asked, owner::now(), undo)?;
        Ok(acquired.map(|is_inherited| self.guard(number, is_inherited)))
    }

    /// Whether somebody holds it.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.rlock()?.is_locked()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> Result<bool, CallError> {
        self.proxy.read(|lock, ()| lock.holder.is_some(), ())
    }

    fn acquire_until(&self, deadline: Option<Instant>) -> Result<RLockGuard<'_>, CallError> {
        let (number, method) = (owner::unique(), Method::conditional(RLockState::acquire));
        let (asked, undo) = ((owner::thread(), number), || self.release(number));
        let is_inherited = self.proxy.acquire(RequestKind::Conditional, method, &asked, deadline, undo)?;
        Ok(self.guard(number, is_inherited))
    }

    fn release(&self, number: u64) {
        self.proxy.notify(Method::exclusive(RLockState::release), &number);
    }

    fn guard(&self, number: u64, is_inherited: bool) -> RLockGuard<'_> {
        RLockGuard { lock: self, number, is_inherited, not_send: PhantomData }
    }
}

impl RLockState {
    /// Answers whether the last holder has died with it.
    fn acquire(&mut self, (thread, number): (u64, u64)) -> Option<bool> {
        let caller = Owner::caller(thread);
        if self.holder.is_some_and(|holder| holder != caller) {
            return None;
        }
        self.holder = Some(caller);
        self.guards.push(number);
        Some(std::mem::take(&mut self.is_inherited))
    }

    fn release(&mut self, number: u64) {
        let is_its = self.holder.is_some_and(|holder| holder.client == context::caller());
        let guard = self.guards.iter().rposition(|guard| *guard == number);
        if let (true, Some(guard)) = (is_its, guard) {
            self.guards.swap_remove(guard);
            self.holder = self.holder.filter(|_| !self.guards.is_empty());
        }
    }

    pub(super) fn on_client_exit(&mut self, client: u64) {
        if self.holder.is_some_and(|holder| holder.is_of(client)) {
            *self = RLockState { is_inherited: true, ..RLockState::default() };
        }
    }
}

impl RLockGuard<'_> {
    /// Whether the process that held the lock before has died while it held it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.rlock()?;
    /// if lock.acquire()?.is_inherited() {
    ///     println!("what the lock protects may be half changed");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.is_inherited
    }
}

impl Drop for RLockGuard<'_> {
    fn drop(&mut self) {
        self.lock.release(self.number);
    }
}

impl fmt::Debug for RLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RLock").field(&self.proxy).finish()
    }
}

impl fmt::Debug for RLockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RLockGuard").field("is_inherited", &self.is_inherited).finish_non_exhaustive()
    }
}
