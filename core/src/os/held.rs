//! Locks in shared memory that this process holds: while there are any, it must not be [copied](super::fork).
//!
//! A guard that was leaked lends the data for as long as its process lives. A copy of the process would have the same reference,
//! and no check could tell the two apart any more.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::mutex::lock;

/// Returns what this process holds, such as "mutex"; `None` when it holds nothing of the kind.
pub type HeldCheck = fn() -> Option<&'static str>;

static CHECKS: Mutex<Vec<HeldCheck>> = Mutex::new(Vec::new());
/// Whether there are any. It spares the server a write to the page of the mutex, which would be copied for each child.
static HAS_CHECKS: AtomicBool = AtomicBool::new(false);

/// Registers a check that runs before each copy: once for each kind of lock, before the first of them can be held.
///
/// ```
/// use procession_core::os::{fork::fork, held};
///
/// held::register(|| Some("spoon"));
/// let error = fork(&[]).unwrap_err();
/// assert!(error.to_string().contains("holds the guard of a spoon"), "{error}");
/// ```
pub fn register(check: HeldCheck) {
    lock(&CHECKS).push(check);
    // Relaxed: the thread that copies the process is its only one, so it sees its own store.
    HAS_CHECKS.store(true, Ordering::Relaxed);
}

/// Returns the kind of a lock that this process holds.
///
/// ```
/// assert_eq!(procession_core::os::held::held(), None);
/// ```
#[must_use]
pub fn held() -> Option<&'static str> {
    // Relaxed: as in `register`.
    if !HAS_CHECKS.load(Ordering::Relaxed) {
        return None;
    }
    lock(&CHECKS).iter().find_map(|check| check())
}

/// Returns an error that names the lock and the remedy.
pub(super) fn refuse_held_locks() -> io::Result<()> {
    let Some(name) = held() else { return Ok(()) };
    let text = format!("this process cannot be copied while it holds the guard of a {name}: drop the guard first");
    Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
}
