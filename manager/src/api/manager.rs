//! [`Manager`]: the owner's side of a server process.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use procession_core::codec::{self, Message};
use procession_core::os::mutex::lock;
use procession_core::os::poll::deadline_after;
use procession_core::{FunctionError, Method};
use procession_process::{Child, Process, StartMethod};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::proxy::Proxy;
use crate::client::connection::Connection;
use crate::client::handle::{Handle, Route};
use crate::client::request::{MethodRef, Request};
use crate::server::run::run;
use crate::wire::error::{CallError, ManagerError};
use crate::wire::ids::{ManagerId, ObjectId};
use crate::wire::protocol::RequestKind;
use crate::wire::tuning::SHUTDOWN_TIMEOUT;

/// A process that holds values for others.
///
/// ```
/// use procession_manager::Manager;
/// use procession_process::Process;
///
/// procession_manager::init();
/// let manager = Manager::start()?;
/// let squares = manager.dict::<u64, u64>()?;
/// let processes: Vec<_> = (0..4)
///     .map(|n| Process::spawn(|(squares, n): (procession_manager::Dict<u64, u64>, u64)| squares.insert(n, n * n), (squares.clone(), n)))
///     .collect::<Result<_, _>>()?;
/// for process in processes {
///     process.join()?.unwrap();
/// }
/// assert_eq!(squares.get(&3)?, Some(9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The end
///
/// The manager's process ends with its owner: when this is dropped (with what [`with_timeout`](Manager::with_timeout) has made of it), on [`shutdown`](Manager::shutdown), and when the owner's
/// process ends, in whatever way. Calls that are on their way then fail with [`CallError::ManagerGone`].
#[doc(alias = "SyncManager")]
#[doc(alias = "BaseManager")]
pub struct Manager {
    owned: Arc<Owned>,
    timeout: Option<Duration>,
}

/// The parts that all handles on a manager share.
struct Owned {
    connection: Arc<Connection>,
    child: Child,
    /// The sockets in the file system at which it listens for other programs.
    sockets: Mutex<Vec<PathBuf>>,
}

/// The numbers of objects and references in a manager. See [`Manager::stats`].
///
/// ```
/// # procession_manager::init();
/// let manager = procession_manager::Manager::start()?;
/// let list = manager.list::<u8>()?;
/// assert_eq!((manager.stats()?.objects, manager.stats()?.references), (1, 1));
/// # drop(list);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "debug_info")]
pub struct Stats {
    /// The number of objects.
    #[doc(alias = "number_of_objects")]
    pub objects: u64,
    /// The number of references to them: one for each process that has a proxy, for each proxy on its way in a message,
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
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::start()?;
    /// assert!(manager.is_alive());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start() -> Result<Manager, ManagerError> {
        Manager::builder().start()
    }

    /// Describes one before it is started.
    ///
    /// ```
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::builder().name("accounts").start()?;
    /// assert_eq!(manager.child().name(), "accounts");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn new(connection: Arc<Connection>, child: Child) -> Manager {
        Manager { owned: Arc::new(Owned { connection, child, sockets: Mutex::default() }), timeout: None }
    }

    /// Returns the same manager; what is made, asked and served by way of it fails with [`CallError::Timeout`] when it takes longer than
    /// this. What is made so has no limit itself: [`Proxy::with_timeout`] gives it one.
    ///
    /// The manager's process ends when both are dropped.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # procession_process::init();
    /// let manager = procession_manager::Manager::start()?;
    /// let hurried = manager.with_timeout(Duration::from_secs(60));
    /// let list = hurried.list::<u8>()?;
    /// let slow = manager.with_timeout(Duration::from_millis(10)).create(|(): ()| std::thread::park(), ());
    /// assert!(slow.unwrap_err().is_timeout());
    /// # drop(list);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Manager {
        Manager { owned: Arc::clone(&self.owned), timeout: Some(timeout) }
    }

    /// Returns the deadline of a call that starts now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(deadline_after)
    }

    /// Makes a value in the manager, of any type, out of an argument.
    ///
    /// # Errors
    ///
    /// [`CallError::ManagerGone`], [`CallError::ObjectGone`], and [`CallError::Timeout`] where a limit was set.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let sorted = manager.create(|pairs: Vec<(u8, char)>| BTreeMap::from_iter(pairs), vec![(2, 'b'), (1, 'a')])?;
    /// assert_eq!(sorted.read(|map, ()| map.values().collect::<String>(), ())?, "ab");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "register")]
    pub fn create<A, T>(&self, function: fn(A) -> T, argument: A) -> Result<Proxy<T>, CallError>
    where
        A: Serialize + DeserializeOwned,
        T: Any + Send + Sync,
    {
        self.make(Method::maker(function), None, &argument)
    }

    /// Returns the numbers of objects and references.
    ///
    /// # Errors
    ///
    /// The manager is gone.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// drop(manager.list::<u8>()?);
    /// assert_eq!(manager.stats()?.objects, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "debug_info")]
    #[doc(alias = "number_of_objects")]
    pub fn stats(&self) -> Result<Stats, CallError> {
        let request = Request::new(RequestKind::Count, 0, MethodRef::None, &[]);
        let counts = self.owned.connection.call(&request, Message::default(), self.deadline())?;
        let (objects, references, _) = codec::decode::<(u64, u64, u64)>(counts)?;
        Ok(Stats { objects, references })
    }

    /// Returns its process.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// println!("the manager is process {}", manager.child().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.owned.child
    }

    /// Returns whether its process lives, and is still a manager: a method may have had it execute another program.
    ///
    /// In a copy of the process that has started it, it is not.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// manager.shutdown()?;
    /// assert!(!manager.is_alive());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // A process that runs another program by now has closed its connections.
        self.owned.child.is_alive() && !self.owned.connection.is_closed()
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
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// let list = manager.list::<u8>()?;
    /// manager.shutdown()?;
    /// assert!(matches!(list.push(1), Err(CallError::ManagerGone)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) -> Result<(), ManagerError> {
        self.owned
            .connection
            .check_owner()
            .map_err(|error| ManagerError::End(format!("cannot be ended here: {error}")))?;
        // One deadline for the request and for the end together.
        let deadline = deadline_after(SHUTDOWN_TIMEOUT);
        if !self.asks_to_end(deadline) || self.owned.child.wait_timeout(left_until(deadline)).map_err(end)?.is_none() {
            // A method that runs, or a process that was stopped, does not heed a request.
            self.owned.child.kill();
            self.join()?;
        }
        self.owned.remove_sockets();
        Ok(())
    }

    /// Asks the manager to end. Returns whether it is about to; a manager that is stopped is not waited for.
    fn asks_to_end(&self, deadline: Option<Instant>) -> bool {
        // A stopped manager would use up the whole time and not hear the request.
        if self.owned.connection.is_stopped() {
            return false;
        }
        let request = Request::new(RequestKind::Shutdown, 0, MethodRef::None, &[]);
        let reply = self.owned.connection.call(&request, Message::default(), deadline);
        // A manager that ends before its reply is out has heard the request all the same.
        matches!(reply, Ok(_) | Err(CallError::ManagerGone))
    }

    /// Waits until the manager has ended, which it does of itself only when it is killed, or [shut down](Manager::shutdown) by
    /// another thread.
    ///
    /// # Errors
    ///
    /// Its process could not be waited for.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// manager.child().kill();
    /// manager.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), ManagerError> {
        self.owned.child.wait().map(drop).map_err(end)
    }

    /// Waits up to `timeout` until the manager has ended. Returns whether it has.
    ///
    /// # Errors
    ///
    /// [`ManagerError::End`] when its process could not be waited for.
    ///
    /// ```
    /// # procession_manager::init(); let manager = procession_manager::Manager::start()?;
    /// assert!(!manager.join_timeout(std::time::Duration::from_millis(1))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, ManagerError> {
        let ended = self.owned.child.wait_timeout(timeout).map_err(end)?;
        Ok(ended.is_some())
    }

    #[cfg(feature = "remote")]
    /// Remembers a socket file, which the owner removes in the end: the manager's process may be killed before it does.
    pub(crate) fn note_socket(&self, path: PathBuf) {
        lock(&self.owned.sockets).push(path);
    }

    #[cfg(feature = "remote")]
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.owned.connection
    }

    /// Makes a value, which wants to know when a client is gone.
    pub(crate) fn make<A: Serialize, T: Any>(
        &self,
        method: Result<Method, FunctionError>,
        exit_hook: Option<Result<Method, FunctionError>>,
        argument: &A,
    ) -> Result<Proxy<T>, CallError> {
        let argument = codec::encode(argument)?;
        // Introduced before the call, which can name it by number only.
        let exit_hook = exit_hook.transpose()?.map(|method| self.owned.connection.learn(method)).transpose()?;
        let target = exit_hook.map_or(0, |index| u64::from(index) + 1);
        let request = Request::new(RequestKind::Make, target, MethodRef::Named(method?), &[]);
        let object: ObjectId = codec::decode(self.owned.connection.call(&request, argument, self.deadline())?)?;
        Ok(Proxy::new(Handle::new(Route::Connected(Arc::clone(&self.owned.connection)), object)))
    }
}

fn left_until(deadline: Option<Instant>) -> Duration {
    deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
}

fn end(error: impl fmt::Display) -> ManagerError {
    ManagerError::End(error.to_string())
}

impl Drop for Owned {
    fn drop(&mut self) {
        // A copy of the process has no manager of its own.
        if self.connection.check_owner().is_ok() {
            self.child.kill();
            self.remove_sockets();
        }
    }
}

impl Owned {
    fn remove_sockets(&self) {
        for path in lock(&self.sockets).drain(..) {
            let _removed_already = std::fs::remove_file(path);
        }
    }
}

/// The options of a manager that is to be started.
///
/// ```
/// use procession_manager::Manager;
/// use procession_process::StartMethod;
///
/// # procession_manager::init();
/// let manager = Manager::builder().name("accounts").start_method(StartMethod::Spawn).start()?;
/// assert_eq!(manager.create(|n: u8| n, 5)?.get()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is started until `start` is called"]
pub struct Builder {
    name: String,
    method: StartMethod,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder { name: "Manager".to_owned(), method: StartMethod::default() }
    }

    /// Returns the name of its process, which need not be unique.
    ///
    /// ```
    /// let builder = procession_manager::Manager::builder().name("accounts");
    /// # drop(builder);
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// Sets the start method of its process.
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
    /// # procession_manager::init();
    /// let manager = procession_manager::Manager::builder().start()?;
    /// # drop(manager);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(self) -> Result<Manager, ManagerError> {
        let manager = ManagerId::fresh();
        let builder = Process::builder().name(self.name).daemon(true).start_method(self.method);
        let (process, control) = builder.spawn_with_control(run, manager)?;
        let child = process.child();
        let error =
            match Connection::open(manager, control).and_then(|connection| connection.greet().map(|()| connection)) {
                Ok(connection) => return Ok(Manager::new(connection, child)),
                Err(error) => error,
            };
        // One that could not start its parts has said why, and ended by itself.
        if !error.is_manager_gone() {
            child.kill();
        }
        Err(ManagerError::Limit(match process.join() {
            Ok(Err(reason)) => reason,
            Err(ended) if error.is_manager_gone() => ended.to_string(),
            Ok(Ok(())) | Err(_) => error.to_string(),
        }))
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("child", &self.owned.child).finish_non_exhaustive()
    }
}
