//! The children of this process that have not been seen to end, and what happens to them when it exits.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use procession_core::os::exit;
use procession_core::os::poll::deadline_after;

use crate::handle::Child;
use crate::identity;

/// How long a daemon may take to end at the exit of its parent before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// How long the exit waits for a child before it says so on stderr.
const SILENCE: Duration = Duration::from_secs(1);

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
    end_daemons(&daemons);
    for child in &others {
        wait_audibly(child);
    }
}

/// Asks all, then kills those that have not gone. They share one deadline.
fn end_daemons(daemons: &[Child]) {
    daemons.iter().for_each(Child::terminate);
    let late = still_there(daemons, GRACE);
    late.iter().for_each(|one| one.kill());
    // Those that are left now run as another user, or the kernel does not let them go. Neither is a reason to stay.
    for one in still_there(&late, GRACE) {
        let name = one.name();
        complain(format_args!("leaving process `{name}` (pid {}) behind: it cannot be killed", one.id()));
    }
}

/// Those that have not ended after some time together.
fn still_there(children: &[Child], time: Duration) -> Vec<Child> {
    let deadline = deadline_after(time);
    // One that cannot be waited for is not waited for again.
    children.iter().filter(|one| matches!(one.wait_until(deadline), Ok(None))).cloned().collect()
}

/// Waits for a child as long as it takes, and says so before anybody wonders.
fn wait_audibly(child: &Child) {
    if let Ok(None) = child.wait_timeout(SILENCE) {
        let (name, pid) = (child.name(), child.id());
        complain(format_args!(
            "waiting for process `{name}` (pid {pid}) to end, because it is no daemon: see `Builder::daemon`"
        ));
        // A child that cannot be waited for is no reason to stay.
        let _unwaitable = child.wait();
    }
}

/// Tells whoever looks at a program that does not end. Where nobody can be told, that is no reason to fail.
fn complain(what: std::fmt::Arguments<'_>) {
    let _unwritable = writeln!(std::io::stderr(), "{}: {what}", identity::own().describe());
}

fn own_children() -> Vec<Child> {
    let registry = lock();
    if registry.owner == std::process::id() { registry.children.clone() } else { Vec::new() }
}

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}
