//! [`Child`]: a process that this one has started, whatever its function returns.
//!
//! All handles of a child share one state, which changes once:
//!
//! | state | holds | left |
//! | --- | --- | --- |
//! | `Running` | the control link, which is read only when the process has ended | by the first thread that finds it ended |
//! | `Over` | the exit status and the outcome, also for later calls | never |
//!
//! The kernel gives an exit status once, so that only `try_reap` takes it, under the lock of the state.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use procession_core::codec::Message;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex;
use procession_core::os::pidfd::PidFd;
use procession_core::os::poll::{Pollable, deadline_after, poll, poll_briefly};
use procession_core::{Control, TryRecv, Waitable};

use crate::exit_status::ExitStatus;
use crate::job::Report;
use crate::join_error::{JoinError, Reason};
use crate::panics::Panic;

/// A process that this one has started.
///
/// Clones name the same process. [`Process`](crate::Process) is a child with the value of its function.
///
/// A handle works in the process that has started the child. In a copy of that process (a bare `fork`, or
/// [`StartMethod::Fork`](crate::StartMethod::Fork)) it sends no signals, and waiting is an error.
///
/// ```
/// use procession_process::{Process, active_children};
///
/// # procession_process::init();
/// let sleeper = Process::spawn(|()| std::thread::sleep(std::time::Duration::from_secs(3600)), ())?;
/// for child in active_children() {
///     println!("{} has the number {}", child.name(), child.id());
///     child.terminate();
///     assert_eq!(child.wait()?.exit_code(), -15);
/// }
/// assert!(!sleeper.is_alive());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Child(pub(crate) Arc<State>);

/// What all handles of a child share.
pub(crate) struct State {
    /// The parent: in a copy of it the descriptors of this handle belong to the original, or lead nowhere.
    owner: ProcessIdentity,
    name: String,
    /// The process number. It may be that of another process once this one was reaped: signals go by `pidfd`.
    pid: u32,
    /// Whether it is terminated at the exit of this process, where other children are waited for.
    daemon: bool,
    /// The process, whatever becomes of its number. It is also the sentinel of event loops.
    pidfd: PidFd,
    /// What is known of its end. It is locked for moments: no code of the user runs under the lock.
    end: Mutex<End>,
    /// Called once when the end has been seen.
    on_end: fn(&Child),
    /// Whether a caller has read the outcome: a scope reports the others.
    pub(crate) seen: AtomicBool,
    /// Its log records that may lie in the socket when it has ended.
    #[cfg(feature = "log")]
    last_records: crate::logs::LastRecords,
}

/// The known state.
enum End {
    /// It is not known to have ended.
    Running(Control),
    /// It has ended, and its status was taken.
    Over(ExitStatus, Outcome),
}

/// The last report of a child.
pub(crate) enum Outcome {
    /// Shared, so that it is decoded without the lock: decoding runs code of the user.
    Returned(Arc<Message>),
    Panicked(Panic),
    Failed(String),
    /// It reported none: it exited, or was killed.
    Nothing,
}

impl Child {
    pub(crate) fn new(
        name: String,
        daemon: bool,
        pid: u32,
        pidfd: PidFd,
        control: Control,
        on_end: fn(&Child),
    ) -> Child {
        let (end, seen) = (Mutex::new(End::Running(control)), AtomicBool::new(false));
        Child(Arc::new(State {
            owner: ProcessIdentity::current(),
            name,
            pid,
            daemon,
            pidfd,
            end,
            on_end,
            seen,
            #[cfg(feature = "log")]
            last_records: crate::logs::LastRecords::default(),
        }))
    }

    /// Returns the name.
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

    /// Returns the process number. After it has ended, the system may give the number to another process; this handle never confuses them.
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

    /// Returns whether it ends with this process.
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

    /// Returns whether it runs.
    ///
    /// It asks the kernel, and reaps a process that has ended. A process whose status cannot be read counts as running.
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

    /// Returns how it ended; `None` while it runs. The answer stays available.
    ///
    /// A copy of the parent gets what the parent knew when it was copied, and no more.
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
        // A process whose status cannot be read is not known to have ended.
        self.try_reap().unwrap_or(None)
    }

    /// Waits until it has ended.
    ///
    /// Any number of threads may wait for it, and again after its end: the status is kept.
    ///
    /// # Errors
    ///
    /// [`io::Error`]: waiting failed, or this is a copy of the parent.
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

    /// Waits up to `timeout` until it has ended. Returns `None` when it still runs then.
    ///
    /// A timeout that the clock cannot express is none. The process goes on after a timeout, and can be waited for again.
    ///
    /// # Errors
    ///
    /// [`io::Error`], as for [`wait`](Child::wait).
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

    /// Waits until it has ended; `None` when the deadline has passed. Any number of threads may wait at once.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        if let Some(status) = self.try_reap()? {
            return Ok(Some(status));
        }
        let sentinel = Pollable::readable(self.as_fd());
        // A short process ends within 150 µs: polling for that time saves the wake-up.
        if !poll_briefly(sentinel, deadline)? {
            poll(&[sentinel], deadline)?;
        }
        self.try_reap()
    }

    /// Takes the status and the reports of the process, if it has ended.
    pub(crate) fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        if let Err(foreign) = self.check_owner() {
            return self.known_status().map(Some).ok_or(foreign);
        }
        let mut end = self.lock();
        let control = match &mut *end {
            End::Over(status, _) => {
                let status = *status;
                // The thread that has reaped it may still be logging its records.
                drop(end);
                self.collect_logs();
                return Ok(Some(status));
            }
            End::Running(control) => control,
        };
        // Under the lock, so that no other thread signals a number that the kernel may give away after this.
        let Some(exit) = self.0.pidfd.reap()? else { return Ok(None) };
        let status = ExitStatus::of(exit);
        // After the status: a child that has ended sends nothing more, so that one look at the link finds all.
        let FinalReports { outcome, code, unlogged } = final_reports(control, status.success());
        let status = code.map_or(status, |code| status.with_full_code(code));
        self.set_dropped_logs(unlogged);
        *end = End::Over(status, outcome);
        // The callback takes the lock of the registry, whose holders take this one.
        drop(end);
        (self.0.on_end)(self);
        self.collect_logs();
        Ok(Some(status))
    }

    /// Keeps the number of its dropped log records until they are counted.
    #[cfg_attr(
        not(feature = "log"),
        expect(clippy::unused_self, unused_variables, reason = "there are no log records")
    )]
    fn set_dropped_logs(&self, unlogged: u64) {
        #[cfg(feature = "log")]
        self.0.last_records.set_dropped(unlogged);
    }

    /// Logs its last log records, and counts the dropped ones.
    #[cfg_attr(not(feature = "log"), expect(clippy::unused_self, reason = "there are no log records"))]
    fn collect_logs(&self) {
        #[cfg(feature = "log")]
        self.0.last_records.catch_up(self.name(), self.id());
    }

    /// Returns whether it has ended without a value.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(&*self.lock(), End::Over(_, Outcome::Panicked(_) | Outcome::Failed(_) | Outcome::Nothing))
    }

    /// Returns the panic that ended the process, if it reported one and returned no value after it. `None` while it runs.
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

    /// Returns the encoded value of its function and its status, once it has ended; or why there is no value.
    pub(crate) fn returned(&self) -> Result<(Arc<Message>, ExitStatus), JoinError> {
        // Whatever is found: a scope reports the outcomes that its block has not asked for. Relaxed: a flag alone.
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

    /// Makes the error of this child, with its name and number.
    pub(crate) fn error(&self, status: Option<ExitStatus>, reason: Reason) -> JoinError {
        JoinError { name: self.name().to_owned(), pid: self.id(), status, reason }
    }

    /// Sends a signal. Returns whether the process was still there to get it.
    pub(crate) fn send(&self, number: i32) -> io::Result<bool> {
        self.check_owner()?;
        // The lock is held, so that the process is not reaped before the signal; its descriptor would not name another process even then.
        match &*self.lock() {
            End::Running(_) => self.0.pidfd.signal(number),
            End::Over(..) => Ok(false),
        }
    }

    /// Returns an error in a copy of the parent.
    fn check_owner(&self) -> io::Result<()> {
        if self.0.owner == ProcessIdentity::current() {
            return Ok(());
        }
        Err(io::Error::other(
            "it is a child of the process that this one is a copy of, and only that one can wait for it",
        ))
    }

    /// Returns the status, if it is known. It does not wait for the lock, which in a copy another thread may hold for ever.
    fn known_status(&self) -> Option<ExitStatus> {
        match self.0.end.try_lock().as_deref() {
            Ok(End::Over(status, _)) => Some(*status),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        mutex::lock(&self.0.end)
    }
}

/// All reports of a process that has ended.
struct FinalReports {
    outcome: Outcome,
    /// Its full exit code, where it reported one.
    code: Option<i32>,
    /// The number of its log records that were dropped since the last report of that.
    unlogged: u64,
}

/// Receives the reports of a process that has ended.
fn final_reports(control: &mut Control, has_succeeded: bool) -> FinalReports {
    let mut last = FinalReports { outcome: Outcome::Nothing, code: None, unlogged: 0 };
    loop {
        match control.try_recv::<Report>() {
            // The last report of nearly every child.
            Ok(TryRecv::Value(Report::Returned(message))) => {
                return FinalReports { outcome: Outcome::Returned(Arc::new(message)), ..last };
            }
            Ok(TryRecv::Value(Report::Panicked(panic))) => last.outcome = Outcome::Panicked(panic),
            Ok(TryRecv::Value(Report::Failed(text) | Report::Refused(text))) => last.outcome = Outcome::Failed(text),
            Ok(TryRecv::Value(Report::Unlogged(count))) => last.unlogged = count,
            Ok(TryRecv::Value(Report::Exited(code))) => last.code = Some(code),
            Ok(TryRecv::Value(Report::Started { .. })) => {}
            Ok(TryRecv::Empty | TryRecv::End) => return last,
            // It has sent all, and this process has no room for it.
            Err(error) if has_succeeded && matches!(last.outcome, Outcome::Nothing) => {
                let text = format!("the function returned, but its result cannot be received: {error}");
                return FinalReports { outcome: Outcome::Failed(text), ..last };
            }
            // Killed while it sent a report: then its function is not known to have returned.
            Err(_garbled) => return last,
        }
    }
}

/// Lends the sentinel, which is readable once the process has ended, for event loops.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.pidfd.as_fd()
    }
}

/// Is ready when the process has ended.
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
