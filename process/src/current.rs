//! The calling process and its parent, as seen from inside.
//!
//! What they say comes with the job of a child. The first process of a family has none: it is `MainProcess` and has no parent
//! here.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::os::pidfd::PidFd;
use procession_core::os::poll::{Pollable, deadline_after, poll};

use crate::process_info::{self, ProcessInfo};

/// The calling process, as returned by [`current`].
///
/// ```
/// # procession_process::init();
/// let me = procession_process::current();
/// assert_eq!(me.id(), std::process::id());
/// println!("{} is process {}", me.name(), me.id());
/// ```
#[derive(Clone, Debug)]
pub struct Current(Arc<ProcessInfo>);

/// Returns the calling process.
///
/// ```
/// use procession_process::{Process, current};
///
/// # procession_process::init();
/// assert_eq!(current().name(), "MainProcess");
/// let child = Process::spawn(|()| current().name().to_owned(), ())?;
/// assert_eq!(child.join()?, child.name());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[doc(alias = "current_process")]
pub fn current() -> Current {
    Current(process_info::own())
}

impl Current {
    /// Returns the name: `MainProcess` for the first of a family.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_eq!(procession_process::current().name(), "MainProcess");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the process number.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_eq!(procession_process::current().id(), std::process::id());
    /// ```
    #[must_use]
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        std::process::id()
    }

    /// Returns whether it ends with its parent.
    ///
    /// ```
    /// # procession_process::init();
    /// assert!(!procession_process::current().is_daemon());
    /// ```
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.0.daemon
    }
}

/// The process that has started the calling one, as returned by [`parent`].
///
/// ```
/// # procession_process::init();
/// let child = procession_process::Process::spawn(|()| {
///     let parent = procession_process::parent().expect("it has a parent");
///     println!("started by {}, which is process {}", parent.name(), parent.id());
///     parent.id()
/// }, ())?;
/// assert_eq!(child.join()?, std::process::id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parent {
    id: u32,
    name: String,
}

/// Returns the process that has started the calling one; `None` in the first of a family.
///
/// ```
/// use procession_process::{Process, parent};
///
/// # procession_process::init();
/// assert!(parent().is_none());
/// let child = Process::spawn(|()| parent().map(|one| (one.id(), one.is_alive())), ())?;
/// assert_eq!(child.join()?, Some((std::process::id(), true)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[doc(alias = "parent_process")]
pub fn parent() -> Option<Parent> {
    process_info::own().parent.clone().map(|(id, name)| Parent { id, name })
}

impl Parent {
    /// Returns the name.
    ///
    /// ```
    /// # use procession_process::{Process, parent};
    /// # procession_process::init();
    /// let child = Process::spawn(|()| parent().map(|parent| parent.name().to_owned()), ())?;
    /// assert_eq!(child.join()?.as_deref(), Some("MainProcess"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process number.
    ///
    /// ```
    /// # use procession_process::{Process, parent};
    /// # procession_process::init();
    /// let child = Process::spawn(|()| parent().map(|parent| parent.id()), ())?;
    /// assert_eq!(child.join()?, Some(std::process::id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns whether it lives. (The parent number of the kernel is no proof: an orphan gets another parent.)
    ///
    /// ```
    /// # use procession_process::{Process, parent};
    /// # procession_process::init();
    /// let child = Process::spawn(|()| parent().is_some_and(|parent| parent.is_alive()), ())?;
    /// assert!(child.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // The kernel gives an orphan another parent, so that the number changes at the moment of the death.
        parent_id() == self.id
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// # procession_process::init();
    /// if let Some(parent) = procession_process::parent() {
    ///     parent.join()?;
    ///     println!("this process is an orphan");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> io::Result<()> {
        while !self.ended_by(None)? {}
        Ok(())
    }

    /// Waits up to `timeout` until it has ended. Returns whether it has.
    ///
    /// # Errors
    ///
    /// [`io::Error`], as for [`join`](Parent::join).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use procession_process::{Process, parent};
    /// # procession_process::init();
    /// let child = Process::spawn(|()| parent().unwrap().join_timeout(Duration::ZERO).unwrap(), ())?;
    /// assert!(!child.join()?, "it lives");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "join")]
    pub fn join_timeout(&self, timeout: Duration) -> io::Result<bool> {
        self.ended_by(deadline_after(timeout))
    }

    /// Waits until the parent has ended or the deadline has passed. Returns whether the parent has ended.
    fn ended_by(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let pidfd = match PidFd::open(self.id) {
            Ok(pidfd) => pidfd,
            // The number is free once the parent has ended and was reaped: that is the end that was waited for.
            Err(_) if !self.is_alive() => return Ok(true),
            Err(error) => return Err(error),
        };
        // It lives after the descriptor was made, so that the descriptor is not that of another process with the same number.
        if !self.is_alive() {
            return Ok(true);
        }
        poll(&[Pollable::readable(pidfd.as_fd())], deadline).map(|ready| ready[0])
    }
}
