//! [`TaskError`]: why a task brought no value.

use std::error::Error;
use std::fmt;

use procession_process::{ExitStatus, Panic};

use crate::PoolError;

/// A task brought no value: it panicked, its worker died, or something could not be carried.
///
/// It says which task, and whether it had started: a task that had not can be given to the pool again without the risk that
/// something happens twice.
///
/// ```
/// use procession_pool::Pool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// procession_process::init();
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
pub struct TaskError(Box<Inner>);

struct Inner {
    index: u64,
    worker: Option<Badge>,
    kind: Kind,
}

/// What a worker is called.
#[derive(Clone, Debug)]
pub(crate) struct Badge {
    pub(crate) name: std::sync::Arc<str>,
    pub(crate) pid: u32,
}

/// What happened.
pub(crate) enum Kind {
    Panicked(Panic),
    /// The worker ended; with what is known beside its status.
    Died(ExitStatus, Option<String>),
    /// The argument, or the function's name, did not leave this process.
    Unsendable(String),
    /// The worker could not read the argument.
    BadArgument(String),
    /// The worker could not send the result.
    BadResult(String),
    /// The result arrived and could not be read.
    Unreadable(String),
    Closed,
    Terminated,
    Broken(PoolError),
}

impl TaskError {
    pub(crate) fn new(index: u64, worker: Option<Badge>, kind: Kind) -> TaskError {
        TaskError(Box::new(Inner { index, worker, kind }))
    }

    /// The place of the task's item in the input, from 0.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
    /// `false` is certain. A task whose worker died counts as started when it was the next that this worker had to do.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let pool = Pool::new(1)?;
    /// assert!(pool.map(|_: u8| -> u8 { panic!("begun") }, [1]).unwrap_err().started());
    /// pool.close();
    /// assert!(!pool.map(|n: u8| n, [1]).unwrap_err().started());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn started(&self) -> bool {
        match self.0.kind {
            Kind::Panicked(_) | Kind::Died(..) | Kind::BadResult(_) | Kind::Unreadable(_) => true,
            Kind::Terminated | Kind::Broken(_) => self.0.worker.is_some(),
            Kind::Unsendable(_) | Kind::BadArgument(_) | Kind::Closed => false,
        }
    }

    /// The panic, if the function panicked.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let error = Pool::new(1)?.map(|n: u8| -> u8 { panic!("not {n}") }, [3]).unwrap_err();
    /// assert_eq!(error.panic().unwrap().message(), "not 3");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "exception")]
    pub fn panic(&self) -> Option<&Panic> {
        if let Kind::Panicked(panic) = &self.0.kind { Some(panic) } else { None }
    }

    /// How the worker ended, if it died.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let error = Pool::new(1)?.map(|code: i32| -> () { std::process::exit(code) }, [3]).unwrap_err();
    /// assert_eq!(error.exit_status().unwrap().code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        if let Kind::Died(status, _) = self.0.kind { Some(status) } else { None }
    }

    /// The name of the worker that had the task, if one had.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err();
    /// assert!(error.worker().unwrap().starts_with("PoolWorker-"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        self.0.worker.as_ref().map(|badge| &*badge.name)
    }

    /// The process number of that worker. After its death, the system may give the number to another process.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
    /// let error = Pool::new(1)?.map(|_: u8| -> u8 { panic!("oh") }, [3]).unwrap_err();
    /// assert_ne!(error.pid(), Some(std::process::id()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.0.worker.as_ref().map(|badge| badge.pid)
    }

    /// Whether the function panicked.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
    /// # procession_process::init();
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
    /// # procession_process::init();
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
        let Inner { kind, .. } = &*self.0;
        matches!(kind, Kind::Unsendable(_) | Kind::BadArgument(_) | Kind::BadResult(_) | Kind::Unreadable(_))
    }

    /// Whether the pool took no part in it any more: it was closed before the job began, terminated, or broken.
    ///
    /// ```
    /// # use procession_pool::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # procession_process::init();
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
        matches!(self.0.kind, Kind::Closed | Kind::Terminated | Kind::Broken(_))
    }

    /// The worker as messages name it.
    fn worker_text(&self) -> String {
        match &self.0.worker {
            Some(Badge { name, pid }) => format!("worker `{name}` (pid {pid})"),
            None => "a worker".to_owned(),
        }
    }

    fn not_done(&self) -> &'static str {
        if self.started() { "was stopped" } else { "did not run" }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, worker) = (self.0.index, self.worker_text());
        match &self.0.kind {
            Kind::Panicked(panic) => write!(f, "task {index} {panic} (in {worker})"),
            Kind::Died(status, note) => {
                write!(f, "task {index} was lost: {worker} ended with {status}")?;
                note.as_ref().map_or(Ok(()), |note| write!(f, ": {note}"))
            }
            Kind::Unsendable(text) => write!(f, "task {index} did not run: {text}"),
            Kind::BadArgument(text) => write!(f, "task {index} did not run in {worker}: {text}"),
            Kind::BadResult(text) => write!(f, "task {index} has run, but its result did not leave {worker}: {text}"),
            Kind::Unreadable(text) => write!(f, "task {index} has run, but its result cannot be read: {text}"),
            Kind::Closed => write!(f, "task {index} did not run: the pool is closed"),
            Kind::Terminated => write!(f, "task {index} {}: the pool was terminated", self.not_done()),
            Kind::Broken(error) => write!(f, "task {index} {}: the pool is broken: {error}", self.not_done()),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError: {self}")?;
        self.panic().map_or(Ok(()), |panic| write!(f, "\n{}", panic.backtrace()))
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Kind::Broken(error) = &self.0.kind { Some(error) } else { None }
    }
}
