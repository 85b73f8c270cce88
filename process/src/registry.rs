//! The children of this process that are not known to have ended, and what happens to them when it exits.
//!
//! At exit the daemons are terminated (SIGTERM) together, and killed when they have not ended after [`DAEMON_EXIT_TIMEOUT`].
//! Those that have not ended after that time once more are left behind with a notice. Then the other children are waited for
//! without a limit, and a notice names each that takes longer than [`SILENT_WAIT`].
//!
//! A process that a signal ends runs none of this: its daemons die by their lifeline, and its other children go on.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use procession_core::os::poll::deadline_after;
use procession_core::os::{exit, mutex};

use crate::handle::Child;
use crate::process_info;
use crate::tuning::{DAEMON_EXIT_TIMEOUT, SILENT_WAIT};

/// The children that are not known to have ended, oldest first.
struct Registry {
    /// Their parent: a fork copies the list, but they are not children of the copy.
    owner: u32,
    /// Each holds a handle of its own, so that a child whose handles are all dropped is still reaped.
    children: Vec<Child>,
}

/// No process has the number 0, so that the first child sets the owner.
static REGISTRY: Mutex<Registry> = Mutex::new(Registry { owner: 0, children: Vec::new() });

/// Makes room for the children of this process. Called before a start, because it can fail, and [`add`] must not: the child runs by then.
pub(crate) fn prepare() -> std::io::Result<()> {
    let mut registry = lock();
    if registry.owner != std::process::id() {
        // With the first child of each process: exit handlers run newest first, so that later ones of the user come before.
        exit::at_exit(end_children)?;
        registry.owner = std::process::id();
        // In a copy: the children of its original, which are not to be touched.
        std::mem::forget(std::mem::take(&mut registry.children));
    }
    Ok(())
}

/// Adds a new child, and reaps those that ended without another handle.
pub(crate) fn add(child: &Child) {
    let unwatched: Vec<Child> = {
        let mut registry = lock();
        let unwatched = registry.children.iter().filter(|one| Arc::strong_count(&one.0) == 1).cloned().collect();
        registry.children.push(child.clone());
        unwatched
    };
    // Outside the lock, because a child that has ended removes itself from the list.
    for one in &unwatched {
        let _running = one.exit_status();
    }
}

/// Removes a child, because its end is known.
pub(crate) fn forget(child: &Child) {
    lock().children.retain(|one| !Arc::ptr_eq(&one.0, &child.0));
}

/// Forgets all children without touching them: they belong to the original of this copy.
pub(crate) fn forget_inherited() {
    let mut registry = lock();
    registry.owner = 0;
    std::mem::forget(std::mem::take(&mut registry.children));
}

/// Returns the running children of this process, in the order in which they were started.
///
/// Children that have ended are reaped.
///
/// ```
/// use procession_process::{Process, active_children};
///
/// # procession_process::init();
/// let child = Process::builder().name("sleeper").spawn(
///     |()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
/// assert_eq!(active_children()[0].name(), "sleeper");
/// child.kill();
/// child.join().unwrap_err();
/// assert!(active_children().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn active_children() -> Vec<Child> {
    let all = own_children();
    all.into_iter().filter(Child::is_alive).collect()
}

/// Terminates the daemons and waits for all children, at the exit of this process.
fn end_children() {
    let (daemons, others): (Vec<Child>, Vec<Child>) = own_children().into_iter().partition(Child::is_daemon);
    end_daemons(&daemons);
    for child in &others {
        wait_with_notice(child);
    }
}

/// Terminates all, then kills those that have not ended. They share one deadline.
fn end_daemons(daemons: &[Child]) {
    daemons.iter().for_each(Child::terminate);
    let late = wait_for_all(daemons, DAEMON_EXIT_TIMEOUT);
    late.iter().for_each(|one| one.kill());
    // The rest runs as another user, or hangs in the kernel. Neither is a reason not to exit.
    for one in wait_for_all(&late, DAEMON_EXIT_TIMEOUT) {
        let name = one.name();
        warn(format_args!("leaving process `{name}` (pid {}) behind: it cannot be killed", one.id()));
    }
}

/// Returns the children that have not ended after `time` together.
fn wait_for_all(children: &[Child], time: Duration) -> Vec<Child> {
    let deadline = deadline_after(time);
    // A child that cannot be waited for is not waited for again.
    children.iter().filter(|one| matches!(one.wait_until(deadline), Ok(None))).cloned().collect()
}

/// Waits for a child as long as it takes, and prints that after a while.
fn wait_with_notice(child: &Child) {
    if let Ok(None) = child.wait_timeout(SILENT_WAIT) {
        let (name, pid) = (child.name(), child.id());
        warn(format_args!(
            "waiting for process `{name}` (pid {pid}) to end, because it is no daemon: see `Builder::daemon`"
        ));
        // A child that cannot be waited for is no reason not to exit.
        let _unwaitable = child.wait();
    }
}

/// Prints a notice. A closed stderr is no reason to fail.
fn warn(what: std::fmt::Arguments<'_>) {
    let _unwritable = writeln!(std::io::stderr(), "{}: {what}", process_info::own().describe());
}

/// Returns the children of this process; none in a copy, where the list is that of the original.
fn own_children() -> Vec<Child> {
    let registry = lock();
    if registry.owner == std::process::id() { registry.children.clone() } else { Vec::new() }
}

fn lock() -> MutexGuard<'static, Registry> {
    // A panic while it was held leaves a whole list: each change is one call of `Vec`.
    mutex::lock(&REGISTRY)
}
