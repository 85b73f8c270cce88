//! [`Process`]: the handle of a started function.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use procession_core::Waitable;
use procession_core::codec::{self, Message};
use procession_core::os::poll::Pollable;
use procession_core::os::poll::deadline_after;
use procession_core::os::{limits, mutex};
use serde::de::DeserializeOwned;

use crate::exit_status::ExitStatus;
use crate::handle::Child;
use crate::join_error::{JoinError, Reason};
use crate::panics;
use crate::stdio::Pipes;

/// A function that runs in a process of its own, and will return an `R`.
///
/// ```
/// use procession_process::Process;
///
/// fn factorial(n: u64) -> u64 {
///     (1..=n).product()
/// }
///
/// procession_process::init();
/// let process = Process::spawn(factorial, 10)?;
/// println!("{} works in process {}", process.name(), process.id());
/// assert_eq!(process.join()?, 3_628_800);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Several arguments are a tuple, a closure may be given if it captures nothing, and a method path turns a struct into
/// a process:
///
/// ```
/// use procession_process::Process;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Greeter { name: String }
///
/// impl Greeter {
///     fn run(self) -> String { format!("hello {}", self.name) }
/// }
///
/// # procession_process::init();
/// let sum = Process::spawn(|(a, b): (i32, i32)| a + b, (2, 3))?;
/// let greeting = Process::spawn(Greeter::run, Greeter { name: "world".into() })?;
/// assert_eq!((sum.join()?, greeting.join()?), (5, "hello world".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A function that captures is refused by the compiler; pass what it needs as its argument:
///
/// ```compile_fail,E0308
/// # use procession_process::Process;
/// let greeting = String::from("hello");
/// Process::spawn(|()| println!("{greeting}"), ());
/// ```
///
/// # Dropping
///
/// Dropping the handle neither stops the process nor waits for it. When this process exits, a daemon is terminated and
/// every other child is waited for.
///
/// # Differences from `std::process::Child` and Python's `Process`
///
/// The process is started when it is made. [`join`](Process::join) returns the value of the function. Any number
/// of threads may wait for it, more than once. A panic comes back with its message, place
/// and backtrace, and no end of the process is mistaken for a value.
#[doc(alias = "multiprocessing.Process")]
#[doc(alias = "run")]
#[doc(alias = "sentinel")]
pub struct Process<R> {
    child: Child,
    /// The parent's ends of pipes, until they are taken. Dropping the handle closes those that are left.
    pipes: Mutex<Pipes>,
    /// The handle owns no `R`, so that it can be sent to another thread whatever `R` is.
    value: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Process<R> {
    /// Waits until the process has ended, and returns the value of its function.
    ///
    /// It can be called again, and by several threads: each call decodes a value of its own.
    ///
    /// # Errors
    ///
    /// [`JoinError`]: the function panicked, the process ended before the function returned, or the value could not be sent.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_eq!(procession_process::Process::spawn(|word: String| word.len(), "four".into())?.join()?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<R, JoinError> {
        self.child.wait().map_err(|error| self.unwaitable(&error))?;
        self.value()
    }

    /// Waits up to `timeout` until the process has ended, and returns the value of its function; `None` when it still runs then.
    ///
    /// # Errors
    ///
    /// [`JoinError`], as for [`join`](Process::join).
    ///
    /// ```
    /// use procession_process::Process;
    /// use std::time::Duration;
    ///
    /// # procession_process::init();
    /// let sleeper = Process::spawn(|()| std::thread::sleep(Duration::from_secs(3600)), ())?;
    /// assert!(sleeper.join_timeout(Duration::from_millis(10))?.is_none());
    /// sleeper.kill();
    /// assert!(sleeper.join().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "join")]
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<R>, JoinError> {
        let ended = self.child.wait_until(deadline_after(timeout)).map_err(|error| self.unwaitable(&error))?;
        ended.map(|_| self.value()).transpose()
    }

    /// Decodes the value of a process that has ended, or returns the reason why there is none.
    fn value(&self) -> Result<R, JoinError> {
        let (message, status) = self.child.returned()?;
        decoded(&message).map_err(|reason| self.child.error(Some(status), reason))
    }

    /// Returns the error of a wait that the system refused: the state of the process is unknown.
    fn unwaitable(&self, error: &std::io::Error) -> JoinError {
        self.child.error(None, Reason::Wait(error.to_string()))
    }
}

/// Decodes a value.
fn decoded<R: DeserializeOwned>(message: &Message) -> Result<R, Reason> {
    // Duplicated, because a value owns its descriptors, and a second `join` decodes another value of the same message.
    let descriptors = message.descriptors().try_clone().map_err(|error| {
        let error = limits::explain(&error).unwrap_or_else(|| error.to_string());
        Reason::Failed(format!("the function returned, but a descriptor of its result cannot be duplicated: {error}"))
    })?;
    // Decoding runs code of the user: its panic is an error of the value, as in a pool.
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| codec::decode_from(message.bytes(), descriptors)));
    let panicked = |payload| format!("its result cannot be read: it {}", panics::of_payload(payload));
    let decoded = decoded.map_err(|payload| Reason::Failed(panicked(payload)))?;
    decoded.map_err(|error| Reason::Failed(error.to_string()))
}

impl<R> Process<R> {
    /// Makes the handle of a child that runs, whose function returns an `R`.
    pub(crate) fn new(child: Child, pipes: Pipes) -> Process<R> {
        Process { child, pipes: Mutex::new(pipes), value: PhantomData }
    }

    /// Returns the name.
    ///
    /// Errors, notices and log records name the process by it. It need not be unique.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_eq!(procession_process::Process::builder().name("reader").spawn(|()| (), ())?.name(), "reader");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// Returns the process number. After it has ended, the system may give the number to another process; this handle never confuses them.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_ne!(procession_process::Process::spawn(|()| (), ())?.id(), std::process::id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "pid")]
    #[doc(alias = "ident")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether it ends with this process.
    ///
    /// ```
    /// # procession_process::init();
    /// assert!(!procession_process::Process::spawn(|()| (), ())?.is_daemon());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "daemon")]
    pub fn is_daemon(&self) -> bool {
        self.child.is_daemon()
    }

    /// Returns whether it runs.
    ///
    /// It is not a promise: the process may end before the caller looks at the result.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::spawn(|()| (), ())?;
    /// process.join()?;
    /// assert!(!process.is_alive());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.is_alive()
    }

    /// Returns how it ended; `None` while it runs. The answer stays available.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| std::process::exit(3), ())?;
    /// assert!(process.join().is_err());
    /// assert_eq!(process.exit_status().and_then(|status| status.code()), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.exit_status()
    }

    /// Returns Python's number for how it ended: the exit code, or −N for signal N; `None` while it runs.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::spawn(|()| (), ())?;
    /// process.join()?;
    /// assert_eq!(process.exit_code(), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_status().map(|status| status.exit_code())
    }

    /// Asks it to end (SIGTERM), as [`Child::terminate`] does.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// process.terminate();
    /// assert_eq!(process.child().wait()?.exit_code(), -15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        self.child.terminate();
    }

    /// Ends it (SIGKILL).
    ///
    /// The process cannot handle or delay it: no destructor and no exit handler runs, and what it has not flushed is lost.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// process.kill();
    /// assert_eq!(process.child().wait()?.exit_code(), -9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill(&self) {
        self.child.kill();
    }

    /// Interrupts it, as Ctrl-C would (SIGINT).
    ///
    /// A process that has called [`ignore_interrupt`](crate::ignore_interrupt) goes on. Its own children are not interrupted,
    /// as they would be by the terminal.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// process.interrupt();
    /// assert_eq!(process.child().wait()?.exit_code(), -2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interrupt(&self) {
        self.child.interrupt();
    }

    /// Returns a handle without the type of the value.
    ///
    /// It stays usable after this handle is dropped, and can be cloned. The value can be had from this handle only.
    ///
    /// ```
    /// # procession_process::init();
    /// assert!(procession_process::Process::spawn(|()| 1, ())?.child().wait()?.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn child(&self) -> Child {
        self.child.clone()
    }

    /// Takes the writing end of its stdin, if that is [`Stdio::Piped`](crate::Stdio::Piped).
    ///
    /// A second call returns `None`. The child reads the end of its input once the end that was taken is dropped, or the handle
    /// where it was not.
    ///
    /// ```
    /// # use procession_process::{Process, Stdio};
    /// # procession_process::init();
    /// assert!(Process::builder().stdin(Stdio::Piped).spawn(|()| (), ())?.take_stdin().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_stdin(&self) -> Option<ChildStdin> {
        self.pipes().input.take()
    }

    /// Takes the reading end of its stdout, if that is [`Stdio::Piped`](crate::Stdio::Piped).
    ///
    /// A second call returns `None`. A pipe holds 64 KiB: a child that writes more waits until this end is read, so read it
    /// before `join`.
    ///
    /// ```
    /// # use procession_process::{Process, Stdio};
    /// # procession_process::init();
    /// let process = Process::builder().stdout(Stdio::Piped).spawn(|()| println!("hello"), ())?;
    /// assert_eq!(std::io::read_to_string(process.take_stdout().unwrap())?, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_stdout(&self) -> Option<ChildStdout> {
        self.pipes().output.take()
    }

    /// Takes the reading end of its stderr, if that is [`Stdio::Piped`](crate::Stdio::Piped).
    ///
    /// It is as [`take_stdout`](Process::take_stdout). A panic of the function is written there as well, beside what `join`
    /// reports.
    ///
    /// ```
    /// # use procession_process::{Process, Stdio};
    /// # procession_process::init();
    /// let process = Process::builder().stderr(Stdio::Piped).spawn(|()| eprintln!("hello"), ())?;
    /// assert_eq!(std::io::read_to_string(process.take_stderr().unwrap())?, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_stderr(&self) -> Option<ChildStderr> {
        self.pipes().error.take()
    }

    fn pipes(&self) -> MutexGuard<'_, Pipes> {
        mutex::lock(&self.pipes)
    }
}

/// Lends the sentinel, which is readable once the process has ended, for event loops.
impl<R> AsFd for Process<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

/// Is ready when the process has ended.
impl<R> Waitable for Process<R> {
    fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.as_fd())
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Process { child, pipes: _, value: _ } = self;
        f.debug_tuple("Process").field(child).finish()
    }
}
