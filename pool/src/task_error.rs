//! [`TaskError`]: why a task brought no value.

use std::error::Error;
use std::fmt;

use procession_process::panics::Asked;
use procession_process::{ExitStatus, Panic};
use serde::{Deserialize, Serialize};

pub(crate) use crate::story::{Badge, Death, Kind, Story};

/// A task brought no value: it panicked, its worker died, or something could not be carried.
///
/// It says which task, and whether it had started: a task that had not can be given to the pool again without the risk that
/// something happens twice.
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// procession_pool::init();
/// let pool = Pool::new(2)?;
/// let error = pool.map(|n: u32| 10 / n, [5, 2, 0]).unwrap_err();
/// assert_eq!(error.index(), 2);
/// assert!(error.started());
/// assert_eq!(error.panic().unwrap().message(), "attempt to divide by zero");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RemoteTraceback")]
#[doc(alias = "MaybeEncodingError")]
#[doc(alias = "BrokenProcessPool")]
///
/// It can travel in a message: a task that uses a pool of its own may return it.
#[derive(Clone, Serialize, Deserialize)]
pub struct TaskError(Box<Inner>);

#[derive(Clone, Serialize, Deserialize)]
struct Inner {
    index: u64,
    story: Story,
}

impl TaskError {
    pub(crate) fn new(index: u64, story: Story) -> TaskError {
        TaskError(Box::new(Inner { index, story }))
    }

    /// The place of the task's item in the input, from 0.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|odd: bool| assert!(odd), [true, true, false]).unwrap_err();
    /// assert_eq!(error.index(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn index(&self) -> u64 {
        self.0.index
    }

    /// Whether the function may have run, in whole or in part.
    ///
    /// `false` is certain. It is known from shared memory what a worker had begun when it died, or when the task was cancelled or the pool
    /// terminated. Tasks that are begun together ([`chunk_size`](crate::Job::chunk_size)) count as started together.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert!(pool.map(|_: u8| -> u8 { panic!("begun") }, [1]).unwrap_err().started());
    /// pool.close();
    /// assert!(!pool.map(|n: u8| n, [1]).unwrap_err().started());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn started(&self) -> bool {
        match self.0.story.kind {
            Kind::Panicked(_) | Kind::Died(_) | Kind::TimedOut | Kind::BadResult(_) | Kind::Unreadable(_) => true,
            Kind::Terminated | Kind::Dropped | Kind::Broken(_) | Kind::Cancelled => self.0.story.worker.is_some(),
            Kind::Unsendable(_) | Kind::Unfit(_) | Kind::BadArgument(_) => false,
            Kind::Closed | Kind::Expired | Kind::Forked => false,
        }
    }

    /// The panic, if the function panicked. Where a panic ends the process, because the program is built with `panic = "abort"` or
    /// because it cannot unwind, the worker has [died](TaskError::is_death) by it as well.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|n: u8| -> u8 { panic!("not {n}") }, [3]).unwrap_err();
    /// assert_eq!(error.panic().unwrap().message(), "not 3");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "exception")]
    pub fn panic(&self) -> Option<&Panic> {
        match &self.0.story.kind {
            Kind::Panicked(panic) => Some(panic),
            Kind::Died(death) => death.panic.as_ref(),
            _ => None,
        }
    }

    /// How the worker ended, if it died.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|code: i32| -> () { std::process::exit(code) }, [3]).unwrap_err();
    /// assert_eq!(error.exit_status().unwrap().code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        if let Kind::Died(death) = &self.0.story.kind { Some(death.status) } else { None }
    }

    /// The name of the worker that had the task, if one had.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err();
    /// assert!(error.worker().unwrap().starts_with("PoolWorker-"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        self.0.story.worker.as_ref().map(|badge| &*badge.name)
    }

    /// The process number of that worker. After its death, the system may give the number to another process.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err();
    /// assert_ne!(error.pid(), Some(std::process::id()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.0.story.worker.as_ref().map(|badge| badge.pid)
    }

    /// Whether the function panicked.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// assert!(Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err().is_panic());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic().is_some()
    }

    /// Whether the worker died, by a signal or by exiting.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> () { std::process::abort() }, [3]).unwrap_err();
    /// assert!(error.is_death());
    /// assert_eq!(error.exit_status().unwrap().signal(), Some(6));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_death(&self) -> bool {
        self.exit_status().is_some()
    }

    /// Whether the argument or the result could not be carried from one process to the other.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::path::PathBuf;
    /// # use std::os::unix::ffi::OsStringExt;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// // serde carries only those paths that are UTF-8.
    /// let odd = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
    /// let error = Pool::new(1)?.map(|path: PathBuf| path.exists(), [odd]).unwrap_err();
    /// assert!(error.is_transport() && !error.started());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "PicklingError")]
    pub fn is_transport(&self) -> bool {
        matches!(
            self.0.story.kind,
            Kind::Unsendable(_) | Kind::BadArgument(_) | Kind::BadResult(_) | Kind::Unreadable(_)
        )
    }

    /// Whether the pool took no part in it any more: it was closed before the job began, terminated, dropped, or broken, or belongs to
    /// the process that this one is a copy of (`fork`).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// pool.close();
    /// let error = pool.map(|n: u8| n, [3]).unwrap_err();
    /// assert!(error.is_refused());
    /// assert_eq!(error.to_string(), "task 0 did not run: the pool is closed");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.0.story.kind, Kind::Closed | Kind::Terminated | Kind::Dropped | Kind::Forked | Kind::Broken(_))
    }

    /// Which attempt at the task this was, counted from 1; 0 if the task did not come to run.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let error = pool.job(|n: u8| -> u8 { panic!("never {n}") }).retries(2).map([1]).unwrap_err();
    /// assert_eq!(error.attempt(), 3);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.story.attempt
    }

    /// Whether the task was stopped because it ran for longer than its job's [timeout](crate::Job::timeout).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let job = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    /// let pool = Pool::new(1)?;
    /// let error = pool.job(job).timeout(Duration::from_millis(20)).map([3600]).unwrap_err();
    /// assert!(error.is_timeout() && error.started());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "TimeoutError")]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.story.kind, Kind::TimedOut)
    }

    /// Whether the task did not begin in time; see [`Job::deadline`](crate::Job::deadline).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.job(|n: u8| n).deadline(Duration::ZERO).map([1]).unwrap_err();
    /// assert!(error.is_expired() && !error.started());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_expired(&self) -> bool {
        matches!(self.0.story.kind, Kind::Expired)
    }

    /// Whether the task was cancelled.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|n: u8| 1 / n, [0]).unwrap_err();
    /// assert!(!error.is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "CancelledError")]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.story.kind, Kind::Cancelled)
    }

    /// Whether the worker seems to have ended because memory ran out: killed by SIGKILL, while the system counted such a
    /// killing in this process's memory group; or aborted, after its last words were that an allocation had failed.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> () { std::process::abort() }, [3]).unwrap_err();
    /// assert!(!error.is_out_of_memory());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(&self.0.story.kind, Kind::Died(death) if death.out_of_memory)
    }

    /// The last lines that the worker wrote to its standard error before it died. Empty if it wrote nothing.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_pool::init();
    /// let last_words = |_: u8| -> () {
    ///     eprintln!("no way out");
    ///     std::process::abort()
    /// };
    /// let error = Pool::new(1)?.map(last_words, [3]).unwrap_err();
    /// assert_eq!(error.stderr(), "no way out\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stderr(&self) -> &str {
        if let Kind::Died(death) = &self.0.story.kind { &death.stderr } else { "" }
    }

    fn not_done(&self) -> &'static str {
        if self.started() { "was stopped" } else { "did not run" }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, worker) = (self.0.index, self.0.story.worker_text());
        match &self.0.story.kind {
            Kind::Panicked(panic) => write!(f, "task {index} {panic} (in {worker}{})", self.0.story.attempts()),
            Kind::Died(death) => death.tell(f, index, &worker, self.0.story.attempt),
            Kind::TimedOut => {
                write!(f, "task {index} was stopped: it ran for too long in {worker}{}", self.0.story.attempts())
            }
            Kind::BadArgument(text) => write!(f, "task {index} did not run in {worker}: {text}"),
            Kind::BadResult(text) => write!(f, "task {index} has run, but its result did not leave {worker}: {text}"),
            Kind::Unreadable(text) => write!(f, "task {index} has run, but its result cannot be read: {text}"),
            kind => write!(f, "task {index} {}: {kind}", self.not_done()),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "{}", Asked(panic)))
    }
}

/// The one error that has a source although its text tells it: whoever wants to know why a pool is broken asks it as a [`PoolError`](crate::PoolError).
impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Kind::Broken(error) = &self.0.story.kind { Some(error) } else { None }
    }
}
