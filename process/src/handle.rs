//! [`Child`]: a process that this one has started, whatever its function returns.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use procession_core::codec::Message;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::pidfd::PidFd;
use procession_core::os::poll::{Pollable, deadline_after, poll, poll_briefly};
use procession_core::{Control, TryRecv, Waitable};

use crate::exit_status::ExitStatus;
use crate::job::Report;
use crate::join_error::{JoinError, Reason};
use crate::panics::Panic;
use crate::registry;

/// A process that this one has started.
///
/// Clones name the same process. [`Process`](crate::Process) is a child whose function's value can be had as well.
///
/// A handle is good in the process that has started the child. In a copy of that process (a bare `fork`, or
/// [`StartMethod::Fork`](crate::StartMethod::Fork)) it neither waits for nor signals anybody: waiting is an error.
///
/// ```
/// use procession_process::{Process, active_children};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let sleeper = Process::spawn(|()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
/// for child in active_children() {
///     println!("{} has the number {}", child.name(), child.id());
///     child.terminate();
///     assert_eq!(child.wait()?.exit_code(), -15);
/// }
/// assert!(!sleeper.is_alive());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Child(pub(crate) Arc<State>);

pub(crate) struct State {
    /// Whose child it is: in a copy of that process its descriptors are the original's, or lead nowhere.
    owner: ProcessIdentity,
    name: String,
    pid: u32,
    daemon: bool,
    pidfd: PidFd,
    end: Mutex<End>,
    /// Whether somebody has asked for the outcome: a scope reports those that nobody has.
    pub(crate) seen: AtomicBool,
}

/// How far it is known to have come.
enum End {
    Running(Control),
    Over(ExitStatus, Outcome),
}

/// What a child has told at its end.
pub(crate) enum Outcome {
    /// Shared, so that it is decoded without the lock: that is code of the user's.
    Returned(Arc<Message>),
    Panicked(Panic),
    Failed(String),
    Nothing,
}

impl Child {
    pub(crate) fn new(name: String, daemon: bool, pid: u32, pidfd: PidFd, control: Control) -> Child {
        let (end, seen) = (Mutex::new(End::Running(control)), AtomicBool::new(false));
        Child(Arc::new(State { owner: ProcessIdentity::current(), name, pid, daemon, pidfd, end, seen }))
    }

    /// Its name.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let child = Process::builder().name("reader").spawn(|()| (), ())?.child();
    /// assert_eq!(child.name(), "reader");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its number. After it has ended, the system may give the number to another process; this handle never confuses them.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::spawn(|()| std::process::id(), ())?;
    /// assert_eq!(process.child().id(), process.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "pid")]
    #[doc(alias = "ident")]
    pub fn id(&self) -> u32 {
        self.0.pid
    }

    /// Whether it ends with this process.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let child = Process::builder().daemon(true).spawn(|()| (), ())?.child();
    /// assert!(child.is_daemon());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "daemon")]
    pub fn is_daemon(&self) -> bool {
        self.0.daemon
    }

    /// Whether it runs.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let child = Process::spawn(|()| (), ())?.child();
    /// child.wait()?;
    /// assert!(!child.is_alive());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How it ended; `None` while it runs. It can be asked as often as one likes.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let child = Process::spawn(|()| (), ())?.child();
    /// child.wait()?;
    /// assert!(child.exit_status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        // A failing look is a process that cannot be seen to have ended.
        self.settle().unwrap_or(None)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// What the operating system reports about waiting.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let child = Process::spawn(|()| (), ())?.child();
    /// assert!(child.wait()?.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "join")]
    pub fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait_until(None)? {
                return Ok(status);
            }
        }
    }

    /// Waits until it has ended, `timeout` at the longest: `None` when it still runs then.
    ///
    /// # Errors
    ///
    /// As [`wait`](Child::wait).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let child = Process::spawn(|()| std::thread::sleep(Duration::from_secs(3600)), ())?.child();
    /// assert!(child.wait_timeout(Duration::from_millis(1))?.is_none());
    /// child.kill();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "join")]
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        self.wait_until(deadline_after(timeout))
    }

    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        if let Some(status) = self.settle()? {
            return Ok(Some(status));
        }
        let sentinel = Pollable::readable(self.as_fd());
        if !poll_briefly(sentinel, deadline)? {
            poll(&[sentinel], deadline)?;
        }
        self.settle()
    }

    /// Looks whether it has ended, and if so takes its status and what it has told.
    pub(crate) fn settle(&self) -> io::Result<Option<ExitStatus>> {
        if let Err(foreign) = self.owned() {
            return self.known().map(Some).ok_or(foreign);
        }
        let mut end = self.lock();
        let control = match &mut *end {
            End::Over(status, _) => return Ok(Some(*status)),
            End::Running(control) => control,
        };
        let Some(exit) = self.0.pidfd.reap()? else { return Ok(None) };
        let status = ExitStatus::of(exit);
        let LastWords { outcome, code, unlogged } = last_words(control, status.success());
        let status = code.map_or(status, |code| status.with_full_code(code));
        *end = End::Over(status, outcome);
        drop(end);
        registry::forget(self);
        self.hear_logs(unlogged);
        Ok(Some(status))
    }

    /// Has its last log records logged, and notes how many it had to drop.
    #[cfg_attr(
        not(feature = "log"),
        expect(clippy::unused_self, unused_variables, reason = "there are no log records")
    )]
    fn hear_logs(&self, unlogged: u64) {
        #[cfg(feature = "log")]
        crate::logs::catch_up(self.name(), self.id(), unlogged);
    }

    /// Whether it has ended without a value.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&*self.lock(), End::Over(_, Outcome::Panicked(_) | Outcome::Failed(_) | Outcome::Nothing))
    }

    /// The panic that ended it, if one did: one that it told of before it went, and brought no value after. `None` while it runs.
    ///
    /// ```
    /// # procession_process::init();
    /// let process = procession_process::Process::spawn(|()| -> () { panic!("no bread") }, ())?;
    /// let child = process.child();
    /// child.wait()?;
    /// assert_eq!(child.panic().expect("it has panicked").message(), "no bread");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<Panic> {
        match &*self.lock() {
            End::Over(_, Outcome::Panicked(panic)) => Some(panic.clone()),
            _ => None,
        }
    }

    /// What its function returned, still encoded, and how it ended, once it has ended; or why there is no value.
    pub(crate) fn returned(&self) -> Result<(Arc<Message>, ExitStatus), JoinError> {
        self.0.seen.store(true, Ordering::Relaxed);
        let (status, reason) = match &*self.lock() {
            End::Over(status, Outcome::Returned(message)) => return Ok((Arc::clone(message), *status)),
            End::Over(status, Outcome::Panicked(panic)) => (Some(*status), Reason::Panicked(Box::new(panic.clone()))),
            End::Over(status, Outcome::Failed(text)) => (Some(*status), Reason::Failed(text.clone())),
            End::Over(status, Outcome::Nothing) => (Some(*status), Reason::Died(*status)),
            End::Running(_) => (None, Reason::Wait("it has not ended".to_owned())),
        };
        Err(self.error(status, reason))
    }

    pub(crate) fn error(&self, status: Option<ExitStatus>, reason: Reason) -> JoinError {
        JoinError { name: self.name().to_owned(), pid: self.id(), status, reason }
    }

    /// Sends a signal, and returns whether it was still there to get it.
    pub(crate) fn send(&self, number: i32) -> io::Result<bool> {
        self.owned()?;
        // Held, so that it is not reaped between the look and the signal; its descriptor would not hit a stranger even then.
        match &*self.lock() {
            End::Running(_) => self.0.pidfd.signal(number),
            End::Over(..) => Ok(false),
        }
    }

    /// An error in a copy of the process whose child this is.
    fn owned(&self) -> io::Result<()> {
        if self.0.owner == ProcessIdentity::current() {
            return Ok(());
        }
        Err(io::Error::other(
            "it is a child of the process that this one is a copy of, and only that one can wait for it",
        ))
    }

    /// How it ended, where that has been seen. In a copy another thread's lock is never given back.
    fn known(&self) -> Option<ExitStatus> {
        match self.0.end.try_lock().as_deref() {
            Ok(End::Over(status, _)) => Some(*status),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        self.0.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that a process had told when it ended.
struct LastWords {
    outcome: Outcome,
    /// Its full exit code, where it told one.
    code: Option<i32>,
    /// How many of its log records were dropped, beyond those that it had told of before.
    unlogged: u64,
}

/// Receives what a process that has ended has told.
fn last_words(control: &mut Control, has_succeeded: bool) -> LastWords {
    let mut last = LastWords { outcome: Outcome::Nothing, code: None, unlogged: 0 };
    loop {
        match control.try_recv::<Report>() {
            // The last word of nearly every child.
            Ok(TryRecv::Value(Report::Returned(message))) => {
                return LastWords { outcome: Outcome::Returned(Arc::new(message)), ..last };
            }
            Ok(TryRecv::Value(Report::Panicked(panic))) => last.outcome = Outcome::Panicked(panic),
            Ok(TryRecv::Value(Report::Failed(text) | Report::Refused(text))) => last.outcome = Outcome::Failed(text),
            Ok(TryRecv::Value(Report::Unlogged(count))) => last.unlogged = count,
            Ok(TryRecv::Value(Report::Exited(told))) => last.code = Some(told),
            Ok(TryRecv::Value(Report::Started { .. })) => {}
            Ok(TryRecv::Empty | TryRecv::End) => return last,
            // It has told all, and this process has no room for it.
            Err(error) if has_succeeded && matches!(last.outcome, Outcome::Nothing) => {
                let text = format!("the function returned, but its result cannot be received: {error}");
                return LastWords { outcome: Outcome::Failed(text), ..last };
            }
            // Killed in the middle of telling: then the function had not been told to have returned.
            Err(_garbled) => return last,
        }
    }
}

/// The sentinel: readable once the process has ended, for event loops.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.pidfd.as_fd()
    }
}

/// Ready when it has ended.
impl Waitable for Child {
    fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.as_fd())
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Child");
        shown.field("name", &self.name()).field("pid", &self.id()).field("daemon", &self.is_daemon());
        match self.exit_status() {
            Some(status) => shown.field("ended", &format_args!("{status}")),
            None => shown.field("ended", &false),
        };
        shown.finish_non_exhaustive()
    }
}
