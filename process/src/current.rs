//! The calling process and its parent, as seen from inside.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::os::pidfd::PidFd;
use procession_core::os::poll::{Pollable, deadline_after, poll};

use crate::identity::{self, Identity};

/// The calling process. See [`current`].
///
/// ```
/// # procession_process::init();
/// let me = procession_process::current();
/// assert_eq!(me.id(), std::process::id());
/// println!("{} is process {}", me.name(), me.id());
/// ```
#[derive(Clone, Debug)]
pub struct Current(Arc<Identity>);

/// The calling process.
///
/// ```
/// use procession_process::{Process, current};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// assert_eq!(current().name(), "MainProcess");
/// let child = Process::spawn(|()| current().name().to_owned(), ())?;
/// assert_eq!(child.join()?, child.name());
/// # Ok(())
/// # }
/// ```
#[must_use]
#[doc(alias = "current_process")]
pub fn current() -> Current {
    Current(identity::own())
}

impl Current {
    /// Its name: `MainProcess` for the first of a family.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_eq!(procession_process::current().name(), "MainProcess");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its number.
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

    /// Whether it ends with its parent.
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

/// The process that has started the calling one. See [`parent`].
///
/// ```
/// # procession_process::init();
/// let child = procession_process::Process::spawn(|()| {
///     let parent = procession_process::parent().expect("it was started by somebody");
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

/// The process that has started the calling one; `None` in the first of a family.
///
/// ```
/// use procession_process::{Process, parent};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// assert!(parent().is_none());
/// let child = Process::spawn(|()| parent().map(|one| (one.id(), one.is_alive())), ())?;
/// assert_eq!(child.join()?, Some((std::process::id(), true)));
/// # Ok(())
/// # }
/// ```
#[must_use]
#[doc(alias = "parent_process")]
pub fn parent() -> Option<Parent> {
    identity::own().parent.clone().map(|(id, name)| Parent { id, name })
}

impl Parent {
    /// Its name.
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

    /// Its number.
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

    /// Whether it lives, however it may have ended: the kernel gives an orphan another parent at once.
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
    ///     println!("from here on nobody waits for this process");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> io::Result<()> {
        while !self.ended_by(None)? {}
        Ok(())
    }

    /// Waits until it has ended, `timeout` at the longest, and answers whether it has.
    ///
    /// # Errors
    ///
    /// As [`join`](Parent::join).
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

    fn ended_by(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let pidfd = match PidFd::open(self.id) {
            Ok(pidfd) => pidfd,
            Err(_) if !self.is_alive() => return Ok(true),
            Err(error) => return Err(error),
        };
        // It lives after the descriptor was made, so the descriptor is its own and no stranger's with the same number.
        if !self.is_alive() {
            return Ok(true);
        }
        poll(&[Pollable::readable(pidfd.as_fd())], deadline).map(|ready| ready[0])
    }
}
