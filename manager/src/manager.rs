//! [`Manager`]: the owner's side of a server process.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use procession_core::codec::{self, Message};
use procession_core::os::poll::deadline_after;
use procession_core::{FunctionError, Method};
use procession_process::{Child, Process, StartMethod};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Connection, Handle, Link, Request, Which};
use crate::error::{CallError, ManagerError};
use crate::ids::{ManagerId, ObjectId};
use crate::proxy::Proxy;
use crate::server;
use crate::wire::Kind;

/// A process that holds values for others.
///
/// ```
/// use procession_manager::Manager;
/// use procession_process::Process;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// procession_process::init();
/// let manager = Manager::start()?;
/// let squares = manager.dict::<u64, u64>()?;
/// let processes: Vec<_> = (0..4)
///     .map(|n| Process::spawn(|(squares, n): (procession_manager::Dict<u64, u64>, u64)| squares.insert(n, n * n), (squares.clone(), n)))
///     .collect::<Result<_, _>>()?;
/// for process in processes {
///     process.join()?.unwrap();
/// }
/// assert_eq!(squares.get(&3)?, Some(9));
/// # Ok(())
/// # }
/// ```
///
/// # The end
///
/// The manager's process ends with its owner: when this is dropped, on [`shutdown`](Manager::shutdown), and when the owner's
/// process ends, in whatever way. Calls that are on their way then fail with [`CallError::ManagerGone`].
#[doc(alias = "SyncManager")]
#[doc(alias = "BaseManager")]
pub struct Manager {
    connection: Arc<Connection>,
    child: Child,
    /// The sockets in the file system at which it listens for other programs.
    sockets: Mutex<Vec<PathBuf>>,
}

/// How a manager is started.
///
/// ```
/// use procession_manager::Manager;
/// use procession_process::StartMethod;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let manager = Manager::builder().name("accounts").start_method(StartMethod::Spawn).start()?;
/// assert_eq!(manager.create(|n: u8| n, 5)?.get()?, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is started until `start` is called"]
pub struct Builder {
    name: String,
    method: StartMethod,
}

/// What a manager holds. See [`Manager::stats`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let manager = procession_manager::Manager::start()?;
/// let list = manager.list::<u8>()?;
/// assert_eq!((manager.stats()?.objects, manager.stats()?.references), (1, 1));
/// # drop(list);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "debug_info")]
pub struct Stats {
    /// How many objects there are.
    #[doc(alias = "number_of_objects")]
    pub objects: u64,
    /// How many references to them there are: one for each process that has a proxy, for each proxy on its way in a message,
    /// and for each proxy inside a managed value.
    pub references: u64,
}

impl Manager {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// Its process could not be started.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let manager = procession_manager::Manager::start()?;
    /// assert!(manager.is_alive());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start() -> Result<Manager, ManagerError> {
        Manager::builder().start()
    }

    /// Describes one before it is started.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let manager = procession_manager::Manager::builder().name("accounts").start()?;
    /// assert_eq!(manager.child().name(), "accounts");
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder { name: "Manager".to_owned(), method: StartMethod::default() }
    }

    /// Makes a value in the manager, of any type, out of an argument.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let sorted = manager.create(|pairs: Vec<(u8, char)>| BTreeMap::from_iter(pairs), vec![(2, 'b'), (1, 'a')])?;
    /// assert_eq!(sorted.read(|map, ()| map.values().collect::<String>(), ())?, "ab");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "register")]
    pub fn create<A, T>(&self, function: fn(A) -> T, argument: A) -> Result<Proxy<T>, CallError>
    where
        A: Serialize + DeserializeOwned,
        T: Any + Send + Sync,
    {
        self.make(Method::maker(function), None, &argument)
    }

    /// What there is in it.
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// drop(manager.list::<u8>()?);
    /// assert_eq!(manager.stats()?.objects, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "debug_info")]
    #[doc(alias = "number_of_objects")]
    pub fn stats(&self) -> Result<Stats, CallError> {
        let request = Request { kind: Kind::Count, subject: 0, which: Which::None, objects: &[] };
        let counts = self.connection.call(&request, Message::default(), None)?;
        let (objects, references, _) = codec::decode::<(u64, u64, u64)>(counts)?;
        Ok(Stats { objects, references })
    }

    /// Its process.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// println!("the manager is process {}", manager.child().id());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Whether its process lives.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// manager.shutdown()?;
    /// assert!(!manager.is_alive());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.is_alive()
    }

    /// Ends the manager, and waits until it has ended. Its values are lost. A method that runs is not waited for. It may be
    /// called again.
    ///
    /// # Errors
    ///
    /// Its process could not be waited for.
    ///
    /// ```
    /// use procession_manager::CallError;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u8>()?;
    /// manager.shutdown()?;
    /// assert!(matches!(list.push(1), Err(CallError::ManagerGone)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self) -> Result<(), ManagerError> {
        let request = Request { kind: Kind::Shutdown, subject: 0, which: Which::None, objects: &[] };
        let told = self.connection.call(&request, Message::default(), deadline_after(PATIENCE));
        let ended = |timeout| self.child.wait_timeout(timeout).map_err(|error| ManagerError::End(error.to_string()));
        if !matches!(told, Ok(_) | Err(CallError::ManagerGone)) || ended(PATIENCE)?.is_none() {
            self.child.kill();
            self.join()?;
        }
        self.remove_sockets();
        Ok(())
    }

    /// Waits until the manager has ended, which it does of itself only when it is killed, or [shut down](Manager::shutdown) by
    /// another thread.
    ///
    /// # Errors
    ///
    /// Its process could not be waited for.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// manager.child().kill();
    /// manager.join()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(&self) -> Result<(), ManagerError> {
        self.child.wait().map(drop).map_err(|error| ManagerError::End(error.to_string()))
    }

    /// As [`join`](Manager::join), for so long at the most. Answers whether it has ended.
    ///
    /// # Errors
    ///
    /// As [`join`](Manager::join).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// # let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.join_timeout(std::time::Duration::from_millis(1))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, ManagerError> {
        let ended = self.child.wait_timeout(timeout).map_err(|error| ManagerError::End(error.to_string()))?;
        Ok(ended.is_some())
    }

    /// Notes a socket in the file system, to be removed in the end: the manager's process may not come to do it.
    pub(crate) fn note_socket(&self, path: PathBuf) {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    }

    fn remove_sockets(&self) {
        for path in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _removed_already = std::fs::remove_file(path);
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Makes a value, which wants to know when a client is gone.
    pub(crate) fn make<A: Serialize, T: Any>(
        &self,
        method: Result<Method, FunctionError>,
        departure: Option<Result<Method, FunctionError>>,
        argument: &A,
    ) -> Result<Proxy<T>, CallError> {
        let argument = codec::encode(argument)?;
        let departure = departure.transpose()?.map(|method| self.connection.learn(method)).transpose()?;
        let subject = departure.map_or(0, |index| u64::from(index) + 1);
        let request = Request { kind: Kind::Make, subject, which: Which::Named(method?), objects: &[] };
        let object: ObjectId = codec::decode(self.connection.call(&request, argument, None)?)?;
        Ok(Proxy::new(Handle::new(Link::Far(Arc::clone(&self.connection)), object)))
    }
}

/// How long a manager may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

impl Builder {
    /// The name of its process, which need not be unique.
    ///
    /// ```
    /// let builder = procession_manager::Manager::builder().name("accounts");
    /// # drop(builder);
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// How its process is started.
    ///
    /// ```
    /// let builder = procession_manager::Manager::builder().start_method(procession_process::StartMethod::Spawn);
    /// # drop(builder);
    /// ```
    pub fn start_method(mut self, method: StartMethod) -> Builder {
        self.method = method;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// Its process could not be started.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let manager = procession_manager::Manager::builder().start()?;
    /// # drop(manager);
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(self) -> Result<Manager, ManagerError> {
        let manager = ManagerId::fresh();
        let builder = Process::builder().name(self.name).daemon(true).start_method(self.method);
        let (process, control) = builder.spawn_with_control(server::live, manager)?;
        let child = process.child();
        match Connection::open(manager, control) {
            Ok(connection) => Ok(Manager { connection, child, sockets: Mutex::default() }),
            Err(error) => {
                child.kill();
                Err(ManagerError::Limit(error.to_string()))
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.child.kill();
        self.remove_sockets();
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("child", &self.child).finish_non_exhaustive()
    }
}
