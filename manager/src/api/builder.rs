//! [`Builder`]: how a manager is started.

use procession_process::{Process, StartMethod};

use crate::api::manager::Manager;
use crate::client::connection::Connection;
use crate::server::run::run;
use crate::wire::error::ManagerError;
use crate::wire::ids::ManagerId;

/// How a manager is started.
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
