//! [`Lock`] and [`RLock`]: locks that many processes share, and that become free when their holder dies.

use super::guard::{Acquire, AcquireState, Guard, acquire_methods};
use super::macros::proxy_type;
use super::owner::{self, Owner};
use crate::api::proxy::Proxy;
use crate::server::context;
use crate::wire::error::CallError;

/// A lock in a manager.
///
/// A lock in shared memory, such as `procession_sync::Mutex`, is a hundred times faster. This one is for processes that have
/// nothing but the manager in common, and for locks that are made by the thousand.
///
/// ```
/// use procession_manager::Manager;
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let lock = manager.lock()?;
/// let guard = lock.acquire()?;
/// assert!(lock.try_acquire()?.is_none());
/// drop(guard);
/// assert!(!lock.is_locked()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The death of a holder
///
/// When the process that holds it dies, the lock becomes free, and the next guard says so ([`is_inherited`](Guard::is_inherited)).
/// A process that dies while it waits may get the lock just before the manager notices its death. The next guard then says so as
/// well.
///
/// # Differences from Python's `AcquirerProxy`
///
/// Dropping the guard releases the lock, in the thread that acquired it.
#[doc(alias = "AcquirerProxy")]
pub struct Lock {
    proxy: Proxy<LockState>,
}

/// A lock in a manager that the thread which holds it can acquire again. It is free when all its guards are dropped.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let lock = manager.rlock()?;
/// let outer = lock.acquire()?;
/// let inner = lock.acquire()?;
/// drop((outer, inner));
/// assert!(!lock.is_locked()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// When the process that holds it dies, the lock becomes free, and the next guard says so ([`is_inherited`](Guard::is_inherited)).
#[doc(alias = "ReentrantLock")]
pub struct RLock {
    proxy: Proxy<LockState>,
}

/// The guard of a [`Lock`].
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let lock = manager.lock()?;
/// let guard: procession_manager::LockGuard<'_> = lock.acquire()?;
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type LockGuard<'a> = Guard<'a, Lock>;

/// The guard of an [`RLock`].
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let lock = manager.rlock()?;
/// let guard: procession_manager::RLockGuard<'_> = lock.acquire()?;
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type RLockGuard<'a> = Guard<'a, RLock>;

/// The state of a [`Lock`] or an [`RLock`] in the manager.
#[derive(Debug, Default)]
pub struct LockState {
    /// A guard, or the thread that holds an `RLock`.
    holder: Option<Owner>,
    /// The guards of the holder.
    guards: Vec<u64>,
    /// Whether the last holder died.
    is_inherited: bool,
}

proxy_type!(debug hidden [] Lock, LockState, "manager.lock()");
proxy_type!(debug hidden [] RLock, LockState, "manager.rlock()");
acquire_methods!(Lock, LockGuard, "the lock", "manager.lock()");
acquire_methods!(RLock, RLockGuard, "the lock, which the calling thread may hold already", "manager.rlock()");

impl Acquire for Lock {
    type State = LockState;
    type Marker = *const ();
    const GUARD: &'static str = "LockGuard";

    fn state(&self) -> &Proxy<LockState> {
        &self.proxy
    }
}

impl Acquire for RLock {
    type State = LockState;
    type Marker = *const ();
    const GUARD: &'static str = "RLockGuard";

    fn state(&self) -> &Proxy<LockState> {
        &self.proxy
    }

    fn owner(_: u64) -> u64 {
        owner::thread()
    }
}

macro_rules! is_locked {
    ($object:ident, $make:literal) => {
        impl $object {
            /// Returns whether the lock is held.
            ///
            /// # Errors
            ///
            /// [`CallError::ManagerGone`], [`CallError::ObjectGone`] or [`CallError::Timeout`].
            ///
            /// ```
            /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
            #[doc = concat!("assert!(!", $make, "?.is_locked()?);")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "locked")]
            pub fn is_locked(&self) -> Result<bool, CallError> {
                self.proxy.read(|lock, ()| !lock.is_free(), ())
            }
        }
    };
}

is_locked!(Lock, "manager.lock()");
is_locked!(RLock, "manager.rlock()");

impl<K: Acquire<State = LockState>> Guard<'_, K> {
    /// Returns whether the process that held the lock before has died while it held it.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let lock = manager.lock()?;
    /// if lock.acquire()?.is_inherited() {
    ///     println!("what the lock protects may be half changed");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.is_inherited
    }
}

impl AcquireState for LockState {
    fn acquire(&mut self, (owner, number): (u64, u64)) -> Option<bool> {
        let caller = Owner::caller(owner);
        if self.holder.is_some_and(|holder| holder != caller) {
            return None;
        }
        self.holder = Some(caller);
        self.guards.push(number);
        // Reported once, to the first holder after the one that died.
        Some(std::mem::take(&mut self.is_inherited))
    }

    fn release(&mut self, number: u64) {
        // Ids of guards are unique in their process only.
        let is_holder = self.holder.is_some_and(|holder| holder.client == context::caller());
        let guard = self.guards.iter().rposition(|guard| *guard == number);
        if let (true, Some(guard)) = (is_holder, guard) {
            // The order of the guards does not matter: the lock is free when none is left.
            self.guards.swap_remove(guard);
            self.holder = self.holder.filter(|_| !self.guards.is_empty());
        }
    }
}

impl LockState {
    pub(super) fn is_free(&self) -> bool {
        self.holder.is_none()
    }

    pub(super) fn is_held_by(&self, number: u64) -> bool {
        self.holder == Some(Owner::caller(number))
    }

    pub(super) fn on_client_exit(&mut self, client: u64) {
        if self.holder.is_some_and(|holder| holder.is_of(client)) {
            *self = LockState { is_inherited: true, ..LockState::default() };
        }
    }
}
