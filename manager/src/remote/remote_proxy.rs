//! [`RemoteProxy`]: an object of a manager of another program.

use std::any::{Any, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::codec;
use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::registry::Registry;
use crate::api::pending::Pending;
use crate::client::handle::Handle;
use crate::client::request::MethodRef;
use crate::wire::error::{CallError, decoded};
use crate::wire::protocol::RequestKind;

/// An object that a [`RemoteManager`](crate::RemoteManager) has made. Its methods are called by the names that they have in the
/// [`Registry`].
///
/// The types of argument and result are compared with those in the registry before anything is sent.
///
/// ```
/// # use procession_manager::{Address, Manager, Registry, RemoteProxy};
/// # procession_manager::init();
/// let registry = Registry::new()
///     .object("count", |start: u64| start)
///     .method("count", "add", |count: &mut u64, by: u64| { *count += by; *count });
/// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?; let remote = Manager::connect(&registry, address, b"secret")?;
/// let count: RemoteProxy<u64> = remote.create("count", 5_u64)?;
/// let same = count.clone();
/// same.call::<u64, u64>("add", 1)?;
/// assert_eq!(count.call::<u64, u64>("add", 1)?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RemoteProxy<T> {
    handle: Arc<Handle>,
    registry: Arc<Registry>,
    object: Arc<str>,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Any> RemoteProxy<T> {
    pub(super) fn new(handle: Arc<Handle>, registry: Arc<Registry>, object: &str) -> RemoteProxy<T> {
        RemoteProxy { handle, registry, object: object.into(), value: PhantomData }
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] when the registry has no such method, [`CallError::WrongType`] when it has other types, otherwise
    /// see [`CallError`].
    ///
    /// ```
    /// # use procession_manager::{Address, CallError, Manager, Registry};
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .object("count", |start: u64| start)
    ///     .method("count", "add", |count: &mut u64, by: u64| { *count += by; *count });
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?; let remote = Manager::connect(&registry, address, b"secret")?;
    /// let count = remote.create::<u64, u64>("count", 5)?;
    /// assert_eq!(count.call::<u64, u64>("add", 2)?, 7);
    /// assert!(matches!(count.call::<u8, u64>("add", 2), Err(CallError::WrongType(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call<A, R>(&self, method: &str, argument: A) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call_until(method, &argument, None)
    }

    /// Calls a method, and waits up to `timeout` for its result.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`], otherwise as [`call`](RemoteProxy::call).
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry};
    /// # use std::time::Duration;
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .object("tasks", |tasks: Vec<String>| tasks)
    ///     .waiter("tasks", "take", |tasks: &mut Vec<String>, (): ()| tasks.pop());
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?; let remote = Manager::connect(&registry, address, b"secret")?;
    /// let tasks = remote.create::<Vec<String>, Vec<String>>("tasks", Vec::new())?;
    /// assert!(tasks.call_timeout::<(), String>("take", (), Duration::from_millis(10)).unwrap_err().is_timeout());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_timeout<A, R>(&self, method: &str, argument: A, timeout: Duration) -> Result<R, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call_until(method, &argument, deadline_after(timeout))
    }

    /// Calls a method without waiting. See [`Proxy::post`](crate::Proxy::post).
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] or [`CallError::WrongType`], and the others of [`call`](RemoteProxy::call).
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry};
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .object("count", |start: u64| start)
    ///     .method("count", "add", |count: &mut u64, by: u64| { *count += by; *count });
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?; let remote = Manager::connect(&registry, address, b"secret")?;
    /// let count = remote.create::<u64, u64>("count", 0)?;
    /// let (one, two) = (count.post::<u64, u64>("add", 1)?, count.post::<u64, u64>("add", 1)?);
    /// assert_eq!((one.wait()?, two.wait()?), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post<A, R>(&self, method: &str, argument: A) -> Result<Pending<R>, CallError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.send(method, &argument)
    }

    /// Declares the object sound after a panic. See [`Proxy::clear_poison`](crate::Proxy::clear_poison).
    ///
    /// # Errors
    ///
    /// The manager or the object is gone.
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry};
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .object("count", |start: u64| start)
    ///     .method("count", "divide", |count: &mut u64, by: u64| { *count /= by; *count });
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?; let remote = Manager::connect(&registry, address, b"secret")?;
    /// let count = remote.create::<u64, u64>("count", 6)?;
    /// assert!(count.call::<u64, u64>("divide", 0).unwrap_err().panic().is_some());
    /// count.clear_poison()?;
    /// assert_eq!(count.call::<u64, u64>("divide", 2)?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) -> Result<(), CallError> {
        self.handle.clear_poison(None)
    }

    pub(crate) fn send<A: Serialize, R>(&self, method: &str, argument: &A) -> Result<Pending<R>, CallError> {
        let (kind, method_ref) = self.find::<A, R>(method)?;
        let posted = self.handle.post(kind, method_ref, codec::encode(argument)?)?;
        Ok(Pending::new(Arc::clone(&self.handle), posted))
    }

    fn call_until<A, R>(&self, method: &str, argument: &A, deadline: Option<Instant>) -> Result<R, CallError>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        let (kind, method_ref) = self.find::<A, R>(method)?;
        decoded(self.handle.call(kind, method_ref, codec::encode(argument)?, deadline)?)
    }

    fn find<A, R>(&self, method: &str) -> Result<(RequestKind, MethodRef), CallError> {
        let object = &self.object;
        let missing = || CallError::Unknown(format!("the registry has no method `{method}` of `{object}`"));
        let (number, entry) = self.registry.find(object, Some(method)).ok_or_else(missing)?;
        // All three, before anything is sent: a network carries bytes only, and bytes of one type may read as another.
        let types =
            [(entry.value, type_name::<T>()), (entry.argument, type_name::<A>()), (entry.result, type_name::<R>())];
        match types.iter().find(|(registered, given)| registered != given) {
            Some((registered, _)) => Err(CallError::WrongType((*registered).to_owned())),
            None => Ok((entry.kind, MethodRef::Number(number))),
        }
    }
}

impl<T> Clone for RemoteProxy<T> {
    fn clone(&self) -> RemoteProxy<T> {
        let (handle, registry) = (Arc::clone(&self.handle), Arc::clone(&self.registry));
        RemoteProxy { handle, registry, object: Arc::clone(&self.object), value: PhantomData }
    }
}

impl<T> fmt::Debug for RemoteProxy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteProxy<{}>({} {})", type_name::<T>(), self.object, self.handle.object.0)
    }
}
