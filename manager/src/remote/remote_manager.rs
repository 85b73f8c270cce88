//! [`RemoteManager`]: the way to a manager of another program.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_channels::{Address, Client, SocketConnection};
use procession_core::codec;
use procession_core::os::poll::deadline_after;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::registry::Registry;
use super::remote_proxy::RemoteProxy;
use crate::api::manager::Manager;
use crate::client::connection::Connection;
use crate::client::handle::{Handle, Route};
use crate::client::request::{MethodRef, Request};
use crate::wire::error::{CallError, ManagerError};
use crate::wire::ids::ObjectId;
use crate::wire::protocol::RequestKind;

/// A manager could not be connected to.
///
/// ```
/// use procession_manager::{Address, ConnectError, Manager, Registry};
///
/// # procession_manager::init();
/// let manager = Manager::start()?;
/// let registry = |name| Registry::new().object(name, |start: u64| start);
/// let address = manager.serve(&registry("count"), "127.0.0.1:0".parse::<Address>()?, b"secret")?;
/// let error = Manager::connect(&registry("counter"), address, b"secret").unwrap_err();
/// assert!(matches!(error, ConnectError::Schema), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No manager listens there, or the key is wrong.
    #[error("cannot connect to the manager: {0}")]
    Refused(procession_channels::ConnectError),
    /// The manager serves another registry than this one.
    #[error(
        "the manager's registry is another one than this program's: build both programs with the same version of the crate \
         that fills it, and both as debug builds or both as release builds"
    )]
    Schema,
    /// The registry was filled wrongly.
    #[error("{0}")]
    Registry(String),
    /// The connection failed.
    #[error("{0}")]
    Failed(CallError),
}

/// As a sentence, because `unwrap` and `main` print errors this way.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectError: {self}")
    }
}

/// A connection to a manager of another program, which may run on another machine.
///
/// ```
/// use procession_manager::{Address, Manager, Registry};
///
/// fn registry() -> Registry {
///     Registry::new()
///         .object("count", |start: u64| start)
///         .method("count", "add", |count: &mut u64, by: u64| { *count += by; *count })
/// }
///
/// # procession_manager::init();
/// // In one program:
/// let manager = Manager::start()?;
/// let address = manager.serve(&registry(), "127.0.0.1:0".parse::<Address>()?, b"secret")?;
///
/// // In another one:
/// let remote = Manager::connect(&registry(), address, b"secret")?;
/// let count = remote.create::<u64, u64>("count", 5)?;
/// assert_eq!(count.call::<u64, u64>("add", 2)?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The objects that were made over a connection live as long as their proxies, and as the connection. When the connection is
/// lost, every call fails with [`CallError::ManagerGone`]; connecting again is up to the program, because what it had is gone.
#[derive(Clone)]
pub struct RemoteManager {
    connection: Arc<Connection>,
    registry: Arc<Registry>,
    timeout: Option<Duration>,
}

impl Manager {
    /// Lets other programs, and other machines, make objects in this manager and call them by name. Returns where: with port 0,
    /// at a port that was free. Who connects must know the key, which must not be empty.
    ///
    /// The manager listens until it ends. The references of a remote client are given back when it is gone.
    ///
    /// # Errors
    ///
    /// The address cannot be had, or the registry was filled wrongly.
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry};
    /// # procession_manager::init();
    /// let manager = Manager::start()?;
    /// let registry = Registry::new().object("count", |start: u64| start);
    /// let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// assert!(!address.to_string().ends_with(":0"), "it says at which port it listens");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "serve_forever")]
    #[doc(alias = "get_server")]
    pub fn serve(
        &self,
        registry: &Registry,
        address: impl Into<Address>,
        key: impl AsRef<[u8]>,
    ) -> Result<Address, ManagerError> {
        if let Some(trouble) = registry.trouble() {
            return Err(ManagerError::Serve(trouble.to_owned()));
        }
        let served = self.connection().serve(
            (registry.fingerprint(), registry.methods()),
            &address.into().to_string(),
            key.as_ref(),
            self.deadline(),
        );
        let served = served.map_err(|error| ManagerError::Serve(error.to_string()))?;
        let address: Result<Address, _> = served.parse();
        // The owner removes the file at the end: a manager that is killed cannot.
        if let Ok(Address::Unix(path)) = &address {
            self.note_socket(path.clone());
        }
        address.map_err(|_| ManagerError::Serve(format!("the manager listens at `{served}`, which is no address")))
    }

    /// Connects to a manager that [serves](Manager::serve) the same registry.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Refused`] when no manager listens there or the key is wrong; [`ConnectError::Schema`] when the registries differ.
    ///
    /// ```
    /// # use procession_manager::{Address, ConnectError, Manager, Registry};
    /// # procession_manager::init();
    /// let registry = Registry::new().object("count", |start: u64| start);
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// assert!(matches!(Manager::connect(&registry, &address, b"wrong"), Err(ConnectError::Refused(_))));
    /// assert!(matches!(Manager::connect(&Registry::new(), &address, b"secret"), Err(ConnectError::Schema)));
    /// assert!(Manager::connect(&registry, &address, b"secret")?.is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(
        registry: &Registry,
        address: impl Into<Address>,
        key: impl AsRef<[u8]>,
    ) -> Result<RemoteManager, ConnectError> {
        if let Some(trouble) = registry.trouble() {
            return Err(ConnectError::Registry(trouble.to_owned()));
        }
        let socket = Client::connect(address, key).map_err(ConnectError::Refused)?;
        introduce(registry, socket, None)
    }

    /// Calls [`connect`](Manager::connect), and waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Manager::connect). A manager that takes longer is [`ConnectError::Refused`], or, once it has seen the key,
    /// [`ConnectError::Failed`] with [`CallError::Timeout`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use procession_manager::{Address, Manager, Registry};
    ///
    /// # procession_process::init();
    /// let registry = Registry::new().object("count", |start: u64| start);
    /// let manager = Manager::start()?;
    /// let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect_timeout(&registry, address, b"secret", Duration::from_secs(60))?;
    /// assert!(remote.is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_timeout(
        registry: &Registry,
        address: impl Into<Address>,
        key: impl AsRef<[u8]>,
        timeout: Duration,
    ) -> Result<RemoteManager, ConnectError> {
        if let Some(trouble) = registry.trouble() {
            return Err(ConnectError::Registry(trouble.to_owned()));
        }
        // One deadline for all three steps: the connection, the handshake, and the introduction.
        let deadline = deadline_after(timeout);
        let client = Client::builder().key(key).connect_timeout(timeout);
        let socket = client.connect_until(address, deadline).map_err(ConnectError::Refused)?;
        introduce(registry, socket, deadline)
    }
}

fn introduce(
    registry: &Registry,
    socket: SocketConnection,
    deadline: Option<Instant>,
) -> Result<RemoteManager, ConnectError> {
    match Connection::introduce(socket.into(), registry.fingerprint(), deadline) {
        Ok(connection) => Ok(RemoteManager { connection, registry: Arc::new(registry.clone()), timeout: None }),
        // The greeting names nothing but the registry, so nothing else can be unknown.
        Err(CallError::Unknown(_)) => Err(ConnectError::Schema),
        Err(error) => Err(ConnectError::Failed(error)),
    }
}

impl RemoteManager {
    /// Returns the same connection; what is made and opened by way of it fails with [`CallError::Timeout`] when it takes longer than this.
    ///
    /// ```
    /// use std::time::Duration;
    /// use procession_manager::{Address, Manager, Registry};
    ///
    /// # procession_process::init();
    /// let registry = Registry::new().object("count", |start: u64| start);
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let count = remote.with_timeout(Duration::from_secs(60)).open::<u64, u64>("count", 0)?;
    /// # drop(count);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> RemoteManager {
        RemoteManager { timeout: Some(timeout), ..self.clone() }
    }

    /// Makes an object of its own for this process, by the name of its kind.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] when the registry has no such object, [`CallError::WrongType`] when it is made out of something
    /// else, otherwise as for a call.
    ///
    /// ```
    /// # use procession_manager::{Address, CallError, Manager, Registry, RemoteProxy};
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .object("count", |start: u64| start)
    ///     .method("count", "add", |count: &mut u64, by: u64| { *count += by; *count });
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?; let remote = Manager::connect(&registry, address, b"secret")?;
    /// let count: RemoteProxy<u64> = remote.create("count", 5_u64)?;
    /// assert_eq!(count.call::<u64, u64>("add", 2)?, 7);
    /// assert!(matches!(remote.create::<u64, u64>("cuont", 5), Err(CallError::Unknown(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create<A, T>(&self, object: &str, argument: A) -> Result<RemoteProxy<T>, CallError>
    where
        A: Serialize + DeserializeOwned,
        T: Any,
    {
        self.obtain(RequestKind::Make, object, &argument)
    }

    /// Returns the object that all clients share under the name of its kind. It is made, out of `argument`, for the first that asks for
    /// it, and lives as long as the manager.
    ///
    /// # Errors
    ///
    /// [`CallError::Unknown`] or [`CallError::WrongType`], and the others of [`create`](RemoteManager::create).
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry};
    /// # procession_manager::init();
    /// let registry = Registry::new()
    ///     .object("tasks", |tasks: Vec<String>| tasks)
    ///     .reader("tasks", "count", |tasks: &Vec<String>, (): ()| tasks.len());
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// let tasks = remote.open::<_, Vec<String>>("tasks", vec!["sweep".to_owned()])?;
    /// let same = remote.open::<Vec<String>, Vec<String>>("tasks", Vec::new())?;
    /// assert_eq!(same.call::<(), usize>("count", ())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open<A, T>(&self, object: &str, argument: A) -> Result<RemoteProxy<T>, CallError>
    where
        A: Serialize + DeserializeOwned,
        T: Any,
    {
        self.obtain(RequestKind::Open, object, &argument)
    }

    /// Returns whether the manager can still be reached, as far as is known.
    ///
    /// ```
    /// # use procession_manager::{Address, Manager, Registry};
    /// # procession_manager::init();
    /// # let registry = Registry::new();
    /// # let manager = Manager::start()?; let address = manager.serve(&registry, "127.0.0.1:0".parse::<Address>()?, b"secret")?;
    /// let remote = Manager::connect(&registry, address, b"secret")?;
    /// assert!(remote.is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.connection.is_closed()
    }

    pub(crate) fn obtain<A: Serialize, T: Any>(
        &self,
        kind: RequestKind,
        object: &str,
        argument: &A,
    ) -> Result<RemoteProxy<T>, CallError> {
        let entry = self.registry.find(object, None);
        let (number, entry) =
            entry.ok_or_else(|| CallError::Unknown(format!("the registry has no object `{object}`")))?;
        // Types are compared here, because over the network only bytes travel.
        for (registered, given) in [(entry.value, type_name::<T>()), (entry.argument, type_name::<A>())] {
            if registered != given {
                return Err(CallError::WrongType(registered.to_owned()));
            }
        }
        let request = Request::new(kind, 0, MethodRef::Number(number), &[]);
        let made: ObjectId = codec::decode(self.connection.call(
            &request,
            codec::encode(argument)?,
            self.timeout.and_then(deadline_after),
        )?)?;
        let handle = Handle::new(Route::Connected(Arc::clone(&self.connection)), made);
        Ok(RemoteProxy::new(handle, Arc::clone(&self.registry), object))
    }
}

impl fmt::Debug for RemoteManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteManager").field("is_connected", &self.is_connected()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use procession_channels::Listener;

    use super::*;
    use crate::wire::protocol::{ReplyHeader, ReplyStatus};

    #[test]
    fn the_time_counts_for_connection_handshake_and_introduction_together() {
        const TIME: Duration = Duration::from_millis(500);
        let registry = Registry::new();
        let listener = Listener::builder().key("key").bind("127.0.0.1:0".parse::<Address>().unwrap()).unwrap();
        let address = listener.address().clone();
        let begin = Instant::now();
        let wait_until = |at: Duration| std::thread::sleep((begin + at).saturating_duration_since(Instant::now()));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // The handshake takes most of the time, and the introduction lasts beyond it, but not as long again.
                wait_until(TIME * 2 / 3);
                let Ok(client) = listener.accept() else { return };
                let Ok(_greeting) = client.recv_bytes() else { return };
                wait_until(TIME * 4 / 3);
                let mut reply = codec::encode(&()).unwrap().into_parts().0.into_vec();
                ReplyHeader { number: 0, status: ReplyStatus::Returned }.append_to(&mut reply);
                let _gone = client.send_bytes(&reply);
            });
            let connected = Manager::connect_timeout(&registry, address, "key", TIME);
            assert!(connected.is_err(), "it took at least {:?}", TIME * 4 / 3);
        });
    }
}
