//! Functions without an argument.
//!
//! They have methods of their own, because closures become function pointers only where one type of function is asked for.

use procession_core::Function;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::job;
use crate::process::Process;
use crate::spawn_error::SpawnError;
use crate::start::Until;

impl<R: Serialize + DeserializeOwned> Process<R> {
    /// Starts a function without an argument in a new process.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Process::spawn).
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// fn hello() -> String { "hello".into() }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// assert_eq!(Process::spawn_fn(hello)?.join()?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn_fn(function: fn() -> R) -> Result<Process<R>, SpawnError> {
        Process::builder().spawn_fn(function)
    }
}

impl Builder {
    /// Starts a function without an argument in the process described.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Builder::spawn).
    ///
    /// ```
    /// # use procession_process::{Process, current};
    /// fn name() -> String { current().name().to_owned() }
    /// # procession_process::init();
    /// let process = Process::builder().name("reader").spawn_fn(name)?;
    /// assert_eq!(process.join()?, "reader");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_fn<R: Serialize + DeserializeOwned>(self, function: fn() -> R) -> Result<Process<R>, SpawnError> {
        self.start(Function::without_argument(function)?, job::encode(&())?, None, Until::default())
    }
}
