//! [`TaskError`]: why a task returned no value.

use std::error::Error;
use std::fmt;

use procession_process::panics::Asked;
use procession_process::{ExitStatus, Panic};
use serde::{Deserialize, Serialize};

use super::failure_info::{FailureInfo, FailureKind};

/// A task returned no value: it panicked, its worker died, or a value could not be sent.
///
/// It names the task and whether it had started. A task that had not started can be submitted again without the risk that it
/// runs twice.
///
/// ```
/// use procession_pool::Pool;
///
/// procession_pool::init();
/// let pool = Pool::new(2)?;
/// let error = pool.map(|n: u32| 10 / n, [5, 2, 0]).unwrap_err();
/// assert_eq!(error.index(), 2);
/// assert!(error.started());
/// assert_eq!(error.panic().unwrap().message(), "attempt to divide by zero");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "RemoteTraceback")]
#[doc(alias = "MaybeEncodingError")]
#[doc(alias = "BrokenProcessPool")]
///
/// It can travel in a message, so a task that uses a pool of its own may return it.
#[derive(Clone, Serialize, Deserialize)]
pub struct TaskError(Box<Inner>);

#[derive(Clone, Serialize, Deserialize)]
struct Inner {
    index: u64,
    failure: FailureInfo,
}

impl TaskError {
    pub(crate) fn new(index: u64, failure: FailureInfo) -> TaskError {
        TaskError(Box::new(Inner { index, failure }))
    }

    /// Returns the position of the task's item in the input, from 0.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|odd: bool| assert!(odd), [true, true, false]).unwrap_err();
    /// assert_eq!(error.index(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn index(&self) -> u64 {
        self.0.index
    }

    /// Returns whether the function may have run, in whole or in part.
    ///
    /// `false` is certain: a worker writes to shared memory which tasks it starts, so the pool knows it after a death, a
    /// cancellation or a termination. Tasks of one chunk ([`chunk_size`](crate::Job::chunk_size)) start together. Of a worker on
    /// [another host](TaskError::host) the pool knows it less exactly: `true` may then mean that it was allowed to start the task.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// assert!(pool.map(|_: u8| -> u8 { panic!("started") }, [1]).unwrap_err().started());
    /// pool.close();
    /// assert!(!pool.map(|n: u8| n, [1]).unwrap_err().started());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn started(&self) -> bool {
        match self.0.failure.kind {
            FailureKind::Panicked(_) | FailureKind::Died(_) | FailureKind::TimedOut => true,
            // Tasks that were not granted have gone to other workers.
            FailureKind::HostLost { .. } => true,
            FailureKind::BadResult(_) | FailureKind::Unreadable(_) => true,
            // The dispatcher names a worker only where the task had started in it.
            FailureKind::Terminated | FailureKind::Dropped | FailureKind::Broken(_) | FailureKind::Cancelled => {
                self.0.failure.worker.is_some()
            }
            FailureKind::Unsendable(_) | FailureKind::Invalid(_) | FailureKind::BadArgument(_) => false,
            FailureKind::Closed | FailureKind::Expired | FailureKind::Forked => false,
        }
    }

    /// Returns the panic, if the function panicked.
    ///
    /// Where a panic ends the process, because the program is built with `panic = "abort"` or the panic cannot unwind, the worker has
    /// [died](TaskError::is_death) as well.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|n: u8| -> u8 { panic!("not {n}") }, [3]).unwrap_err();
    /// assert_eq!(error.panic().unwrap().message(), "not 3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "exception")]
    pub fn panic(&self) -> Option<&Panic> {
        match &self.0.failure.kind {
            FailureKind::Panicked(panic) => Some(panic),
            FailureKind::Died(exit) => exit.panic.as_ref(),
            _ => None,
        }
    }

    /// Returns the worker's exit status, if it died.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|code: i32| -> () { std::process::exit(code) }, [3]).unwrap_err();
    /// assert_eq!(error.exit_status().unwrap().code(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        if let FailureKind::Died(exit) = &self.0.failure.kind { Some(exit.status) } else { None }
    }

    /// Returns the name of the worker that had the task, if one had.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err();
    /// assert!(error.worker().unwrap().starts_with("PoolWorker-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        self.0.failure.worker.as_ref().map(|info| &*info.name)
    }

    /// Returns that worker's process number. After its death, the system may give the number to another process.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err();
    /// assert_ne!(error.pid(), Some(std::process::id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.0.failure.worker.as_ref().map(|info| info.pid)
    }

    /// Returns whether the function panicked.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// assert!(Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic().is_some()
    }

    /// Returns whether the worker died, by a signal or by exiting.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> () { std::process::abort() }, [3]).unwrap_err();
    /// assert!(error.is_death());
    /// assert_eq!(error.exit_status().unwrap().signal(), Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_death(&self) -> bool {
        self.exit_status().is_some()
    }

    /// Returns whether the host of the task's worker was lost: it lost its power, its network or its agent, or was shut down.
    ///
    /// The pool cannot know whether the task has run, so [`started`](TaskError::started) is `true`. Tasks of a job with
    /// [`retries`](crate::Job::retries) are run by another host instead, and that does not count as an attempt. Only a task that was
    /// running when three hosts were lost ends in this error all the same.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> () { std::process::abort() }, [3]).unwrap_err();
    /// assert!(error.is_death() && !error.is_host_lost());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_host_lost(&self) -> bool {
        matches!(self.0.failure.kind, FailureKind::HostLost { .. })
    }

    /// Returns the name of the host that was lost, if that is why the task failed.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("at home") }, [3]).unwrap_err();
    /// assert_eq!(error.host(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        if let FailureKind::HostLost { host, .. } = &self.0.failure.kind { Some(host) } else { None }
    }

    /// Returns whether the argument or the result could not be sent from one process to the other.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::path::PathBuf;
    /// # use std::os::unix::ffi::OsStringExt;
    /// # procession_pool::init();
    /// // serde carries only those paths that are UTF-8.
    /// let odd = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
    /// let error = Pool::new(1)?.map(|path: PathBuf| path.exists(), [odd]).unwrap_err();
    /// assert!(error.is_transport() && !error.started());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "PicklingError")]
    pub fn is_transport(&self) -> bool {
        matches!(
            self.0.failure.kind,
            FailureKind::Unsendable(_)
                | FailureKind::BadArgument(_)
                | FailureKind::BadResult(_)
                | FailureKind::Unreadable(_)
        )
    }

    /// Returns whether the pool refused the task: it was closed before the job began, terminated, dropped, or broken, or this process
    /// is a copy (`fork`) of its owner.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// pool.close();
    /// let error = pool.map(|n: u8| n, [3]).unwrap_err();
    /// assert!(error.is_refused());
    /// assert_eq!(error.to_string(), "task 0 did not run: the pool is closed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(
            self.0.failure.kind,
            FailureKind::Closed
                | FailureKind::Terminated
                | FailureKind::Dropped
                | FailureKind::Forked
                | FailureKind::Broken(_)
        )
    }

    /// Returns the number of the attempt, counted from 1; 0 if the task did not run.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let pool = Pool::new(1)?;
    /// let error = pool.job(|n: u8| -> u8 { panic!("never {n}") }).retries(2).map([1]).unwrap_err();
    /// assert_eq!(error.attempt(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.failure.attempt
    }

    /// Returns whether the task was stopped because it ran for longer than its job's [timeout](crate::Job::timeout).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let job = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    /// let pool = Pool::new(1)?;
    /// let error = pool.job(job).timeout(Duration::from_millis(20)).map([3600]).unwrap_err();
    /// assert!(error.is_timeout() && error.started());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "TimeoutError")]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.failure.kind, FailureKind::TimedOut)
    }

    /// Returns whether the task did not start within its job's [`queue_timeout`](crate::Job::queue_timeout).
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # use std::time::Duration;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.job(|n: u8| n).queue_timeout(Duration::ZERO).map([1]).unwrap_err();
    /// assert!(error.is_expired() && !error.started());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_expired(&self) -> bool {
        matches!(self.0.failure.kind, FailureKind::Expired)
    }

    /// Returns whether the task was cancelled.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|n: u8| 1 / n, [0]).unwrap_err();
    /// assert!(!error.is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "CancelledError")]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.failure.kind, FailureKind::Cancelled)
    }

    /// Returns whether the worker seems to have ended because memory ran out.
    ///
    /// It was killed by SIGKILL while the kernel counted an out-of-memory kill in this process's cgroup, or it aborted after it
    /// wrote that an allocation had failed.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> () { std::process::abort() }, [3]).unwrap_err();
    /// assert!(!error.is_out_of_memory());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(&self.0.failure.kind, FailureKind::Died(exit) if exit.out_of_memory)
    }

    /// Returns the tail of the dead worker's standard error, up to 32 KiB.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # procession_pool::init();
    /// let last_words = |_: u8| -> () {
    ///     eprintln!("no way out");
    ///     std::process::abort()
    /// };
    /// let error = Pool::new(1)?.map(last_words, [3]).unwrap_err();
    /// assert_eq!(error.stderr(), "no way out\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stderr(&self) -> &str {
        if let FailureKind::Died(exit) = &self.0.failure.kind { &exit.stderr } else { "" }
    }

    fn not_done(&self) -> &'static str {
        if self.started() { "was stopped" } else { "did not run" }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, worker, attempt) = (self.0.index, self.0.failure.worker_text(), self.0.failure.attempt_text());
        match &self.0.failure.kind {
            FailureKind::Panicked(panic) => write!(f, "task {index} {panic} (in {worker}{attempt})"),
            FailureKind::Died(exit) => exit.describe(f, index, &worker, self.0.failure.attempt),
            FailureKind::HostLost { .. } => {
                write!(f, "task {index} may have run in {worker}{attempt}: {}", self.0.failure.kind)
            }
            FailureKind::TimedOut => {
                write!(f, "task {index} was stopped: it ran for too long in {worker}{attempt}")
            }
            FailureKind::BadArgument(text) => write!(f, "task {index} did not run in {worker}: {text}"),
            FailureKind::BadResult(text) => {
                write!(f, "task {index} has run, but its result did not leave {worker}: {text}")
            }
            FailureKind::Unreadable(text) => {
                write!(f, "task {index} has run, but its result cannot be read: {text}")
            }
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

/// The source of a refusal by a broken pool is the [`PoolError`](crate::PoolError), although the text contains it: programs inspect
/// it as a value.
impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let FailureKind::Broken(error) = &self.0.failure.kind { Some(error) } else { None }
    }
}
