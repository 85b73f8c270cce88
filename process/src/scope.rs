//! [`scope`]: processes that are waited for before a block ends.
//!
//! A failure is reported by the scope when no `join` of the block has asked for the outcome of that process. Processes that
//! [`Scope::fall_together`] has killed are not among the failures: the one that failed first is the cause.

use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use procession_core::os::mutex;
use procession_core::os::poll::{Pollable, poll};
use procession_core::os::signal::SIGKILL;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::builder::Builder;
use crate::handle::Child;
use crate::join_error::{JoinError, Reason};
use crate::process::Process;
use crate::spawn_error::SpawnError;

/// Starts processes that end before the scope does. See [`scope`].
///
/// ```
/// # procession_process::init();
/// let squares = procession_process::scope(|s| {
///     let children = [1, 2, 3].map(|n| s.spawn(|n: u32| n * n, n).expect("a process"));
///     children.map(|child| child.join().expect("a square"))
/// })?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Scope {
    /// The processes that were started in it, in that order.
    children: Mutex<Vec<Child>>,
    /// Whether the first failure ends the others. It is read when the block has ended.
    falls_together: AtomicBool,
}

/// Processes of a scope failed whose values were not asked for.
///
/// It can be sent to another process, which gets the same text.
///
/// ```
/// # procession_process::init();
/// let error = procession_process::scope(|s| s.spawn(|n: u8| assert_eq!(n, 1, "no bread"), 2).map(drop)).unwrap_err();
/// assert!(error.to_string().contains("no bread"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(try_from = "Vec<JoinError>", into = "Vec<JoinError>")]
#[error("{} process(es) of the scope failed; the first: {}", failures.len(), failures[0])]
pub struct ScopeError {
    failures: Vec<JoinError>,
}

impl ScopeError {
    /// Returns the failures, in the order in which the processes were started; at least one.
    ///
    /// ```
    /// # procession_process::init();
    /// let error = procession_process::scope(|s| s.spawn(|n: u8| assert_eq!(n, 1, "no bread"), 2).map(drop)).unwrap_err();
    /// assert!(error.failures()[0].panic().unwrap().message().contains("no bread"));
    /// ```
    #[must_use]
    pub fn failures(&self) -> &[JoinError] {
        &self.failures
    }
}

/// Checks a list that was received: it may be empty.
impl TryFrom<Vec<JoinError>> for ScopeError {
    type Error = &'static str;

    fn try_from(failures: Vec<JoinError>) -> Result<ScopeError, &'static str> {
        if failures.is_empty() {
            Err("a scope that has failed has at least one failure")
        } else {
            Ok(ScopeError { failures })
        }
    }
}

impl From<ScopeError> for Vec<JoinError> {
    fn from(error: ScopeError) -> Vec<JoinError> {
        error.failures
    }
}

/// Runs a block, and waits for all processes that were started in it.
///
/// # Errors
///
/// [`ScopeError`]: a process failed whose outcome the block has not asked for with `join`.
///
/// ```
/// use procession_process::scope;
///
/// # procession_process::init();
/// let total: u64 = scope(|s| {
///     let halves = [s.spawn(|()| (1..=50).sum::<u64>(), ()), s.spawn(|()| (51..=100).sum::<u64>(), ())];
///     halves.into_iter().map(|half| half.unwrap().join().unwrap()).sum()
/// })?;
/// assert_eq!(total, 5050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// When the block panics, after the processes have ended.
pub fn scope<T>(block: impl FnOnce(&Scope) -> T) -> Result<T, ScopeError> {
    let scope = Scope::default();
    // A panic of the block drops the scope, which waits as well.
    let value = block(&scope);
    let failures = scope.wait();
    if failures.is_empty() { Ok(value) } else { Err(ScopeError { failures }) }
}

impl Scope {
    /// Starts `function(argument)` in a new process, as [`Process::spawn`] does.
    ///
    /// # Errors
    ///
    /// As [`Process::spawn`].
    ///
    /// ```
    /// # use procession_process::scope;
    /// # procession_process::init();
    /// let sum = scope(|s| s.spawn(|(a, b): (u32, u32)| a + b, (2, 3))?.join().map_err(Box::<dyn std::error::Error>::from))??;
    /// assert_eq!(sum, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.spawn_as(Process::builder(), function, argument)
    }

    /// Starts `function(argument)` in the process that `builder` describes.
    ///
    /// # Errors
    ///
    /// As [`Builder::spawn`].
    ///
    /// ```
    /// # use procession_process::{Process, scope};
    /// # procession_process::init();
    /// let name = scope(|s| {
    ///     let reader = s.spawn_as(Process::builder().name("reader"), |()| (), ())?;
    ///     Ok::<_, procession_process::SpawnError>(reader.name().to_owned())
    /// })??;
    /// assert_eq!(name, "reader");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_as<A, R>(&self, builder: Builder, function: fn(A) -> R, argument: A) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let process = builder.spawn(function, argument)?;
        mutex::lock(&self.children).push(process.child());
        Ok(process)
    }

    /// Ends all processes of the scope as soon as one has failed, while the scope waits for them at its end: for processes that
    /// need each other, of which the others would wait for ever.
    ///
    /// The error names those that failed by themselves; those that were ended for it are not among its failures.
    ///
    /// ```
    /// # procession_process::init();
    /// let error = procession_process::scope(|s| {
    ///     s.fall_together();
    ///     s.spawn(|()| loop { std::thread::park() }, ()).map(|_: procession_process::Process<()>| ())?;
    ///     s.spawn(|n: u8| assert_eq!(n, 1, "no bread"), 2).map(drop)
    /// });
    /// assert_eq!(error.unwrap_err().failures().len(), 1);
    /// ```
    #[doc(alias = "fail_fast")]
    pub fn fall_together(&self) {
        self.falls_together.store(true, Ordering::Relaxed);
    }

    /// Waits for all, and returns the failures that were not seen.
    fn wait(&self) -> Vec<JoinError> {
        // Taken out, so that the drop of a scope that has waited finds no children.
        let mut children = std::mem::take(&mut *mutex::lock(&self.children));
        if self.falls_together.load(Ordering::Relaxed) {
            end_with_the_first_failure(&mut children);
        }
        children.iter().filter_map(unseen_failure).collect()
    }
}

/// Waits for all, in the order in which they end. When one fails, the others are killed and removed from the list.
fn end_with_the_first_failure(children: &mut Vec<Child>) {
    loop {
        let (ended, running): (Vec<&Child>, Vec<&Child>) = children.iter().partition(|one| !one.is_alive());
        if ended.iter().any(|one| one.has_failed()) {
            running.iter().for_each(|one| one.kill());
            // Those that were killed; a process that had ended meanwhile keeps its own outcome.
            let spent: Vec<u32> = running.iter().filter(|one| was_killed(one)).map(|one| one.id()).collect();
            children.retain(|one| !spent.contains(&one.id()));
            return;
        }
        let sentinels: Vec<Pollable<'_>> = running.iter().map(|one| Pollable::readable(one.as_fd())).collect();
        // Where polling fails, the caller waits for each child in turn, without the early end.
        if sentinels.is_empty() || poll(&sentinels, None).is_err() {
            return;
        }
    }
}

/// Returns whether a child was ended by SIGKILL, which has been sent to it.
fn was_killed(child: &Child) -> bool {
    child.wait().is_ok_and(|status| status.signal() == Some(SIGKILL))
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Waits for a child. Returns its failure, unless the block has asked for its outcome.
fn unseen_failure(child: &Child) -> Option<JoinError> {
    if let Err(error) = child.wait() {
        return Some(child.error(None, Reason::Wait(error.to_string())));
    }
    if child.0.seen.load(Ordering::Relaxed) {
        return None;
    }
    child.returned().err()
}
