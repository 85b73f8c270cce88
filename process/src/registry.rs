//! The children of this process that have not been seen to end, and what happens to them when it exits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use procession_core::os::exit;

use crate::handle::Child;

/// How long a daemon may take to end at the exit of its parent before it is killed.
const GRACE: Duration = Duration::from_secs(1);

struct Registry {
    /// Whose children these are: a fork copies the list, but they are not the copy's.
    owner: u32,
    children: Vec<Child>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { owner: 0, children: Vec::new() });

/// Takes down a new child, and takes the statuses of those that ended with nobody to ask for them.
pub(crate) fn add(child: &Child) -> std::io::Result<()> {
    let unwatched: Vec<Child> = {
        let mut registry = lock();
        if registry.owner != std::process::id() {
            registry.owner = std::process::id();
            // In a copy: those of its original, which are not to be touched.
            std::mem::forget(std::mem::take(&mut registry.children));
            exit::at_exit(end_children)?;
        }
        let unwatched = registry.children.iter().filter(|one| Arc::strong_count(&one.0) == 1).cloned().collect();
        registry.children.push(child.clone());
        unwatched
    };
    // Outside the lock, because one that has ended takes itself off the list.
    for one in &unwatched {
        let _running = one.exit_status();
    }
    Ok(())
}

/// Takes a child off the list, because its end is known.
pub(crate) fn forget(child: &Child) {
    lock().children.retain(|one| !Arc::ptr_eq(&one.0, &child.0));
}

/// Forgets all children without touching them: they are those of the process that this one was copied from.
pub(crate) fn disown() {
    let mut registry = lock();
    registry.owner = 0;
    std::mem::forget(std::mem::take(&mut registry.children));
}

/// The children of this process that run, in the order in which they were started.
///
/// Those that have ended are reaped on the way.
///
/// ```
/// use procession_process::{Process, active_children};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let child = Process::builder().name("sleeper").spawn(
///     |()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
/// assert_eq!(active_children()[0].name(), "sleeper");
/// child.kill();
/// child.join().unwrap_err();
/// assert!(active_children().is_empty());
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn active_children() -> Vec<Child> {
    let all = own_children();
    all.into_iter().filter(Child::is_alive).collect()
}

/// What the exit of this process does: daemons are terminated, then everyone is waited for.
fn end_children() {
    let (daemons, others): (Vec<Child>, Vec<Child>) = own_children().into_iter().partition(Child::is_daemon);
    daemons.iter().for_each(Child::terminate);
    for daemon in &daemons {
        if !matches!(daemon.wait_timeout(GRACE), Ok(Some(_))) {
            daemon.kill();
        }
    }
    for child in daemons.iter().chain(&others) {
        // A child that cannot be waited for is no reason to stay.
        let _unwaitable = child.wait();
    }
}

fn own_children() -> Vec<Child> {
    let registry = lock();
    if registry.owner == std::process::id() { registry.children.clone() } else { Vec::new() }
}

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}
