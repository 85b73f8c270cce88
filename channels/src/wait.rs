//! [`wait`]: several things at once.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use procession_core::Waitable;
use procession_core::os::poll::{Pollable, deadline_after, poll};

use crate::{Connection, JoinableReceiver, PipeReceiver, Receiver};

/// After this time one looks again at what could not be armed, because a process was stopped in the middle of using it.
const AGAIN: Duration = Duration::from_millis(10);

/// Waits until at least one is ready, and answers which are: their places in `what`, in order. None are when the timeout, which
/// need not be given, has passed before.
///
/// What can be waited for: the receiving ends of queues and pipes, connections, listeners, processes, and descriptors of std.
/// Ready means that the next `recv` finds something, or learns that there will be nothing any more; that `accept` has something
/// to do; that the process has ended. Another thread or process may take it before.
///
/// With no things it waits for the timeout. Without a timeout either it would wait for ever, so it returns at once.
///
/// # Errors
///
/// What the kernel says; above all, more things than this process may have descriptors.
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
///     // There is a letter, nobody has written to the pipe, and the process has ended.
///     assert_eq!(wait(&[&post, &here, &child], None)?, [0, 2]);
///     Ok(())
/// }
/// ```
#[doc(alias = "multiprocessing.connection.wait")]
pub fn wait(what: &[&dyn Waitable], timeout: impl Into<Option<Duration>>) -> io::Result<Vec<usize>> {
    let timeout = timeout.into();
    if what.is_empty() {
        timeout.into_iter().for_each(thread::sleep);
        return Ok(Vec::new());
    }
    let deadline = timeout.and_then(deadline_after);
    let mut shown = vec![false; what.len()];
    loop {
        let ready = ready(what, &shown);
        if !ready.is_empty() {
            return with_shown(what, ready);
        }
        if deadline.is_some_and(|at| at <= Instant::now()) {
            return Ok(ready);
        }
        shown = look(what, sooner(what, deadline))?;
    }
}

/// When to look again at the latest: before long if the descriptor of something may not tell.
fn sooner(what: &[&dyn Waitable], deadline: Option<Instant>) -> Option<Instant> {
    if what.iter().any(|one| one.is_unsure()) {
        let soon = Instant::now() + AGAIN;
        return Some(deadline.map_or(soon, |deadline| deadline.min(soon)));
    }
    deadline
}

/// Which are ready, of those whose descriptors were last seen as `shown`. All others are armed afterwards.
fn ready(what: &[&dyn Waitable], shown: &[bool]) -> Vec<usize> {
    let is_ready = |(one, shown): (&&dyn Waitable, &bool)| one.arm().unwrap_or(*shown);
    what.iter().zip(shown).map(is_ready).enumerate().filter_map(|(place, ready)| ready.then_some(place)).collect()
}

/// Adds those whose descriptors show that they are ready too.
fn with_shown(what: &[&dyn Waitable], ready: Vec<usize>) -> io::Result<Vec<usize>> {
    let shown = look(what, Some(Instant::now()))?;
    let kernels = |place: &usize| shown[*place] && what[*place].arm().is_none();
    let mut all: Vec<usize> = (0..what.len()).filter(kernels).chain(ready).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn look(what: &[&dyn Waitable], until: Option<Instant>) -> io::Result<Vec<bool>> {
    let descriptors: Vec<_> = what.iter().map(|one| one.pollable()).collect();
    poll(&descriptors, until)
}

impl<T> Waitable for Receiver<T> {
    fn pollable(&self) -> Pollable<'_> {
        self.inlet.socket().pollable()
    }

    fn arm(&self) -> Option<bool> {
        Some(self.inlet.arm_for_others().unwrap_or(false))
    }

    fn is_unsure(&self) -> bool {
        self.inlet.is_unarmed()
    }
}

impl<T> Waitable for PipeReceiver<T> {
    fn pollable(&self) -> Pollable<'_> {
        self.inlet.socket().pollable()
    }

    fn arm(&self) -> Option<bool> {
        Some(self.inlet.arm_for_others().unwrap_or(false))
    }

    fn is_unsure(&self) -> bool {
        self.inlet.is_unarmed()
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
        Waitable::arm(self.receiver())
    }

    fn is_unsure(&self) -> bool {
        self.receiver().is_unsure()
    }
}
