//! [`Lock`]: a lock that many processes share, and that comes back when its holder dies.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use procession_core::Method;
use procession_core::os::poll::deadline_after;

use super::macros::proxy_type;
use super::owner::{self, Owner};
use crate::api::proxy::Proxy;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// A lock in a manager.
///
/// A lock in shared memory, such as `procession_sync::Mutex`, is a hundred times faster. This one is for processes that have
/// nothing but the manager in common, and for locks that are made by the thousand.
///
/// ```
/// use procession_manager::Manager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let lock = manager.lock()?;
/// let guard = lock.acquire()?;
/// assert!(lock.try_acquire()?.is_none());
/// drop(guard);
/// assert!(!lock.is_locked()?);
/// # Ok(())
/// # }
/// ```
///
/// # The death of a holder
///
/// When the process that holds it dies, the lock is free again, and the next guard says so
/// ([`is_inherited`](LockGuard::is_inherited)). One that dies while it waits may be given the lock in the moment before the manager
/// hears of its death; then the next guard says so as well.
///
/// # Differences from Python's `AcquirerProxy`
///
/// What was acquired is released by dropping the guard, in the thread that acquired it.
#[doc(alias = "AcquirerProxy")]
pub struct Lock {
    proxy: Proxy<LockState>,
}

/// What the manager knows of a [`Lock`]. It has no methods of its own.
///
/// ```
/// # use procession_manager::{LockState, Manager, Proxy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = Manager::start()?;
/// let proxy: Proxy<LockState> = manager.lock()?.proxy().clone();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct LockState {
    holder: Option<Owner>,
    /// Whether the last holder died.
    is_inherited: bool,
}

/// Keeps a [`Lock`] locked until it is dropped, which does not wait for the manager.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_manager::init();
/// # let manager = procession_manager::Manager::start()?;
/// let lock = manager.lock()?;
/// let guard = lock.acquire()?;
/// assert!(!guard.is_inherited());
/// # Ok(())
/// # }
/// ```
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct LockGuard<'a> {
    lock: &'a Lock,
    /// By which the manager knows it.
    number: u64,
    is_inherited: bool,
    /// A guard is released by the thread that acquired it.
    not_send: PhantomData<*const ()>,
}

proxy_type!([] Lock, LockState, "manager.lock()");

impl Lock {
    /// Acquires it, waiting until it is free.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
    /// drop(lock.acquire()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Result<LockGuard<'_>, CallError> {
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
    /// let lock = manager.lock()?;
    /// let _guard = lock.acquire()?;
    /// assert!(lock.acquire_timeout(std::time::Duration::from_millis(10))?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<LockGuard<'_>>, CallError> {
        match self.acquire_until(deadline_after(timeout)) {
            Ok(guard) => Ok(Some(guard)),
            Err(CallError::Timeout { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Acquires it if it is free.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`] when the manager does not respond at once; otherwise see [`CallError`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
    /// assert!(lock.try_acquire()?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_acquire(&self) -> Result<Option<LockGuard<'_>>, CallError> {
        let (number, method) = (owner::unique(), Method::exclusive(LockState::acquire));
        let (kind, undo) = (RequestKind::Exclusive, || self.release(number));
        let acquired: Option<bool> = self.proxy.acquire(kind, method, &number, owner::now(), undo)?;
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
    /// assert!(!manager.lock()?.is_locked()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> Result<bool, CallError> {
        self.proxy.read(|lock, ()| lock.holder.is_some(), ())
    }

    fn acquire_until(&self, deadline: Option<Instant>) -> Result<LockGuard<'_>, CallError> {
        let (number, method) = (owner::unique(), Method::conditional(LockState::acquire));
        let (kind, undo) = (RequestKind::Conditional, || self.release(number));
        let is_inherited = self.proxy.acquire(kind, method, &number, deadline, undo)?;
        Ok(self.guard(number, is_inherited))
    }

    fn release(&self, number: u64) {
        self.proxy.notify(Method::exclusive(LockState::release), &number);
    }

    fn guard(&self, number: u64, is_inherited: bool) -> LockGuard<'_> {
        LockGuard { lock: self, number, is_inherited, not_send: PhantomData }
    }
}

impl LockState {
    /// Answers whether the last holder has died with it.
    pub(super) fn acquire(&mut self, number: u64) -> Option<bool> {
        if self.holder.is_some() {
            return None;
        }
        self.holder = Some(Owner::caller(number));
        Some(std::mem::take(&mut self.is_inherited))
    }

    pub(super) fn release(&mut self, number: u64) {
        if self.is_held_by(number) {
            self.holder = None;
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.holder.is_none()
    }

    pub(super) fn is_held_by(&self, number: u64) -> bool {
        self.holder == Some(Owner::caller(number))
    }

    pub(super) fn on_client_exit(&mut self, client: u64) {
        if self.holder.is_some_and(|holder| holder.is_of(client)) {
            self.holder = None;
            self.is_inherited = true;
        }
    }
}

impl LockGuard<'_> {
    /// Whether the process that held the lock before has died while it held it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_manager::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
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

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        self.lock.release(self.number);
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lock").field(&self.proxy).finish()
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("is_inherited", &self.is_inherited).finish_non_exhaustive()
    }
}
