//! [`wait`]: several things at once.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use procession_core::Waitable;
use procession_core::os::poll::{Pollable, deadline_after, poll};

use super::joinable::JoinableReceiver;
use super::pipe::Connection;
use super::receiver::Receiver;
use crate::tuning::RETRY_INTERVAL;

/// Waits until at least one is ready, and returns which are: their indices in `what`, in order. None are when the timeout, if there is
/// one, was over before.
///
/// It waits for the receiving ends of queues and pipes, connections, listeners, processes, and descriptors of std.
/// Ready means that the next `recv` finds something, or learns that there will be nothing any more; that `accept` has something
/// to do; that the process has ended. Another thread or process may take it before.
///
/// With an empty `what` it waits for the timeout. Without a timeout either it would wait for ever, so it returns at once.
///
/// # Errors
///
/// The error of the kernel; above all, `what` has more elements than this process may have descriptors.
///
/// # Examples
///
/// ```
/// use procession_channels::{pipe, unbounded, wait};
/// use procession_process::Process;
/// use std::time::Duration;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_process::init();
///     let (letters, post) = unbounded()?;
///     let (here, _there) = pipe::<(), u8>()?;
///     let child = Process::spawn(|letters: procession_channels::Sender<String>| {
///         letters.send("a letter".to_owned()).unwrap();
///     }, letters)?;
///
///     assert!(wait(&[&here], Duration::from_millis(1))?.is_empty());
///     child.join()?;
///     // There is a letter, nothing was sent through the pipe, and the process has ended.
///     assert_eq!(wait(&[&post, &here, &child], None)?, [0, 2]);
///     Ok(())
/// }
/// ```
#[doc(alias = "multiprocessing.connection.wait")]
pub fn wait(what: &[&dyn Waitable], timeout: impl Into<Option<Duration>>) -> io::Result<Vec<usize>> {
    let timeout = timeout.into();
    if what.is_empty() {
        // Without a timeout this would sleep for ever, and no event could end it.
        timeout.into_iter().for_each(thread::sleep);
        return Ok(Vec::new());
    }
    let deadline = timeout.and_then(deadline_after);
    let mut readable = vec![false; what.len()];
    loop {
        let ready = arm_all(what, &readable);
        if !ready.is_empty() {
            return add_readable(what, ready);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(ready);
        }
        // What cannot be armed counts by its descriptor in the next round.
        readable = poll_all(what, next_look(what, deadline))?;
    }
}

/// Returns when to look again at the latest: before long if a descriptor may stay unreadable.
fn next_look(what: &[&dyn Waitable], deadline: Option<Instant>) -> Option<Instant> {
    if what.iter().any(|one| one.is_unsure()) {
        let soon = Instant::now() + RETRY_INTERVAL;
        return Some(deadline.map_or(soon, |deadline| deadline.min(soon)));
    }
    deadline
}

/// Returns the indices of those that are ready, and arms all others. Those that cannot be armed are ready if their descriptors are.
fn arm_all(what: &[&dyn Waitable], readable: &[bool]) -> Vec<usize> {
    let is_ready = |(one, readable): (&&dyn Waitable, &bool)| one.arm().unwrap_or(*readable);
    what.iter().zip(readable).map(is_ready).enumerate().filter_map(|(index, ready)| ready.then_some(index)).collect()
}

/// Adds those whose descriptors are readable and that cannot be armed.
fn add_readable(what: &[&dyn Waitable], ready: Vec<usize>) -> io::Result<Vec<usize>> {
    let readable = poll_all(what, Some(Instant::now()))?;
    let is_ready = |index: &usize| readable[*index] && what[*index].arm().is_none();
    let mut all: Vec<usize> = (0..what.len()).filter(is_ready).chain(ready).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn poll_all(what: &[&dyn Waitable], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
    let descriptors: Vec<_> = what.iter().map(|one| one.pollable()).collect();
    poll(&descriptors, deadline)
}

impl<T> Waitable for Receiver<T> {
    fn pollable(&self) -> Pollable<'_> {
        self.raw.socket().pollable()
    }

    fn arm(&self) -> Option<bool> {
        Some(self.raw.try_arm().unwrap_or(false))
    }

    fn is_unsure(&self) -> bool {
        self.raw.is_unarmed()
    }
}

impl<T> Waitable for JoinableReceiver<T> {
    fn pollable(&self) -> Pollable<'_> {
        self.receiver.pollable()
    }

    fn arm(&self) -> Option<bool> {
        self.receiver.arm()
    }

    fn is_unsure(&self) -> bool {
        self.receiver.is_unsure()
    }
}

impl<A, B> Waitable for Connection<A, B> {
    fn pollable(&self) -> Pollable<'_> {
        self.receiver().pollable()
    }

    fn arm(&self) -> Option<bool> {
        self.receiver().arm()
    }

    fn is_unsure(&self) -> bool {
        self.receiver().is_unsure()
    }
}
