//! [`Guard`]: a lock or a permit of a manager, held until it is dropped; and the ways to acquire one.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::time::Instant;

use procession_core::Method;

use super::owner;
use crate::api::proxy::Proxy;
use crate::client::limit::at_once;
use crate::wire::error::CallError;
use crate::wire::protocol::RequestKind;

/// Holds a lock or a permit until it is dropped, which does not wait for the manager.
///
/// ```
/// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
/// let (lock, semaphore) = (manager.lock()?, manager.semaphore(1)?);
/// let guards = (lock.acquire()?, semaphore.acquire()?);
/// assert!(lock.is_locked()?);
/// drop(guards);
/// assert!(!lock.is_locked()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "what it holds is released as soon as the guard is dropped"]
pub struct Guard<'a, K: Acquire> {
    pub(super) object: &'a K,
    /// The id by which the manager knows this acquisition.
    pub(super) number: u64,
    pub(super) is_inherited: bool,
    /// Says whether another thread may release what this one acquired.
    marker: PhantomData<K::Marker>,
}

/// An object of which a guard holds something. Only types of this crate implement it.
#[expect(unnameable_types, reason = "users do not implement it")]
pub trait Acquire {
    /// The state in the manager.
    type State: AcquireState + Any;
    /// `*const ()` where the guard must stay in its thread, and `()` elsewhere.
    type Marker;
    /// The name of the guard in `Debug`.
    const GUARD: &'static str;

    /// Returns the proxy of the state.
    fn state(&self) -> &Proxy<Self::State>;

    /// Returns the id of the owner of the acquisition `number`: itself, unless threads own.
    #[must_use]
    fn owner(number: u64) -> u64 {
        number
    }
}

/// The state of such an object. Its functions run in the manager.
#[expect(unnameable_types, reason = "users do not implement it")]
pub trait AcquireState {
    /// Acquires for `(owner, number)`. Returns whether the holder before has died with it; `None` if it is not free.
    fn acquire(&mut self, caller: (u64, u64)) -> Option<bool>;

    /// Releases the acquisition `number`, if the caller has it.
    fn release(&mut self, number: u64);
}

/// Waits until it is free, up to the deadline.
pub(super) fn acquire_until<K: Acquire>(object: &K, deadline: Option<Instant>) -> Result<Guard<'_, K>, CallError> {
    let method = Method::conditional(<K::State as AcquireState>::acquire);
    let (number, is_inherited) = request(object, RequestKind::Conditional, method, deadline)?;
    Ok(Guard { object, number, is_inherited, marker: PhantomData })
}

/// Acquires it if it is free within the deadline.
pub(super) fn acquire_in_time<K: Acquire>(
    object: &K,
    deadline: Option<Instant>,
) -> Result<Option<Guard<'_, K>>, CallError> {
    match acquire_until(object, deadline) {
        Ok(guard) => Ok(Some(guard)),
        Err(CallError::Timeout { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Acquires it if it is free now.
pub(super) fn try_acquire<K: Acquire>(object: &K) -> Result<Option<Guard<'_, K>>, CallError> {
    // Not conditional: `None` is a result here, and must not park the call.
    let method = Method::exclusive(<K::State as AcquireState>::acquire);
    let (number, acquired): (u64, Option<bool>) = request(object, RequestKind::Exclusive, method, Some(at_once()))?;
    Ok(acquired.map(|is_inherited| Guard { object, number, is_inherited, marker: PhantomData }))
}

fn request<K: Acquire, R: serde::de::DeserializeOwned>(
    object: &K,
    kind: RequestKind,
    method: Result<Method, procession_core::FunctionError>,
    deadline: Option<Instant>,
) -> Result<(u64, R), CallError> {
    // Chosen before the call, so that `undo` can name an acquisition whose reply never came.
    let number = owner::unique();
    let undo = || release(object, number);
    Ok((number, object.state().acquire(kind, method, &(K::owner(number), number), deadline, undo)?))
}

fn release<K: Acquire>(object: &K, number: u64) {
    object.state().notify(Method::exclusive(<K::State as AcquireState>::release), &number);
}

impl<K: Acquire> Drop for Guard<'_, K> {
    fn drop(&mut self) {
        release(self.object, self.number);
    }
}

impl<K: Acquire> fmt::Debug for Guard<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(K::GUARD).field("is_inherited", &self.is_inherited).finish_non_exhaustive()
    }
}

/// Writes the three ways to acquire, with the name of the guard, what is acquired, and code that makes an object for the examples.
macro_rules! acquire_methods {
    ($object:ident, $guard:ident, $what:literal, $make:literal) => {
        impl $object {
            #[doc = concat!("Acquires ", $what, ", and waits until it can be had.\n")]
            /// # Errors
            ///
            /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`]; [`CallError::Timeout`] where
            /// [a limit](Self::with_timeout) was set.
            ///
            /// ```
            /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// drop(object.acquire()?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn acquire(&self) -> Result<$guard<'_>, CallError> {
                super::guard::acquire_until(self, None)
            }

            #[doc = concat!("Acquires ", $what, ", and waits up to `timeout`. Returns `None` if it could not be had in time.\n")]
            /// # Errors
            ///
            /// [`CallError::ManagerGone`] or [`CallError::ObjectGone`].
            ///
            /// ```
            /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// assert!(object.acquire_timeout(std::time::Duration::from_secs(60))?.is_some());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn acquire_timeout(&self, timeout: std::time::Duration) -> Result<Option<$guard<'_>>, CallError> {
                super::guard::acquire_in_time(self, procession_core::os::poll::deadline_after(timeout))
            }

            #[doc = concat!("Acquires ", $what, " if it can be had now. Returns `None` otherwise.\n")]
            /// # Errors
            ///
            /// [`CallError::Timeout`] when the manager does not respond at once; [`CallError::ManagerGone`] or
            /// [`CallError::ObjectGone`].
            ///
            /// ```
            /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
            #[doc = concat!("let object = ", $make, "?;")]
            /// assert!(object.try_acquire()?.is_some());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn try_acquire(&self) -> Result<Option<$guard<'_>>, CallError> {
                super::guard::try_acquire(self)
            }
        }
    };
}

pub(super) use acquire_methods;
