//! [`Builder`]: a process before it is started.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use procession_core::codec::{Descriptor, Message};
use procession_core::{Control, Function};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handle::Child;
use crate::job::{self, Job, Setup};
use crate::process::Process;
use crate::process_info::{self, ProcessInfo};
use crate::registry;
use crate::spawn_error::SpawnError;
use crate::start::deadline::StartDeadline;
use crate::start::lifeline::lifeline;
use crate::start::{self, StartMethod};
use crate::stdio::{self, Pipes, Stdio};

/// Describes a process before it is started.
///
/// ```
/// use procession_process::{Process, StartMethod, Stdio};
///
/// # procession_process::init();
/// let process = Process::builder()
///     .name("reader")
///     .daemon(true)
///     .start_method(StartMethod::Spawn)
///     .env("LANG", "C")
///     .current_dir("/")
///     .stderr(Stdio::Null)
///     .spawn(|()| (std::env::var("LANG").unwrap(), std::env::current_dir().unwrap()), ())?;
/// assert_eq!(process.join()?, ("C".into(), "/".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone describes another process of the same kind:
///
/// ```
/// # use procession_process::Process;
/// # procession_process::init();
/// let ranks = Process::builder().daemon(true).env("RANKS", "3");
/// let started: Result<Vec<_>, _> = (0..3).map(|rank: u32| ranks.clone().spawn(|rank: u32| rank * 2, rank)).collect();
/// let doubled: Result<Vec<_>, _> = started?.iter().map(|one| one.join()).collect();
/// assert_eq!(doubled?, [0, 2, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing until `spawn` is called"]
pub struct Builder {
    /// `None`: the default name, from the place in the family.
    name: Option<String>,
    /// `None`: as the process that starts it.
    daemon: Option<bool>,
    method: StartMethod,
    /// The variables that are set, and with `None` removed, in the order of the calls: the last one of a name counts.
    changes: Vec<(OsString, Option<OsString>)>,
    /// `None`: the directory of the process that starts it, at the time of the start.
    directory: Option<PathBuf>,
    /// Shared with clones: a descriptor is duplicated when it is used, where that can fail.
    streams: [Arc<Stdio>; 3],
}

impl Builder {
    pub(crate) fn new() -> Builder {
        let streams = [Stdio::Null, Stdio::Inherit, Stdio::Inherit].map(Arc::new);
        Builder {
            name: None,
            daemon: None,
            method: StartMethod::default(),
            changes: Vec::new(),
            directory: None,
            streams,
        }
    }

    /// Sets the name, which need not be unique. The default is `Process-1` and so on, for its own children `Process-1:1`.
    ///
    /// `ps` and `top` show a name that is set here, cut to 15 bytes by the kernel, in place of that of the program.
    ///
    /// ```
    /// # use procession_process::{Process, current};
    /// # procession_process::init();
    /// let process = Process::builder().name("reader").spawn(|()| current().name().len(), ())?;
    /// assert_eq!(process.join()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Sets whether it ends with this process: at exit it is terminated and not waited for, and when this process is killed
    /// it is killed too. The default is what this process is.
    ///
    /// ```
    /// # use procession_process::{Process, current};
    /// # procession_process::init();
    /// let process = Process::builder().daemon(true).spawn(|()| current().is_daemon(), ())?;
    /// assert!(process.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn daemon(mut self, daemon: bool) -> Builder {
        self.daemon = Some(daemon);
        self
    }

    /// Sets how it is started.
    ///
    /// The default is [`StartMethod::Server`]. It is chosen for each process: those of different methods live side by side.
    ///
    /// ```
    /// # use procession_process::{Process, StartMethod};
    /// # procession_process::init();
    /// let process = Process::builder().start_method(StartMethod::Spawn).spawn(|()| 1, ())?;
    /// assert_eq!(process.join()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "set_start_method")]
    #[doc(alias = "get_context")]
    pub fn start_method(mut self, method: StartMethod) -> Builder {
        self.method = method;
        self
    }

    /// Sets a variable of its environment, which is otherwise a copy of this process's.
    ///
    /// Changes are made in the order of the calls. A name that is empty or holds `=` or a zero byte makes the start fail with
    /// [`SpawnError::Refused`].
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::builder().env("LANG", "C").spawn(|()| std::env::var("LANG").ok(), ())?;
    /// assert_eq!(process.join()?.as_deref(), Some("C"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Builder {
        self.changes.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes a variable from its environment.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::builder().env_remove("HOME").spawn(|()| std::env::var("HOME").is_err(), ())?;
    /// assert!(process.join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Builder {
        self.changes.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets the working directory. The default is that of this process.
    ///
    /// A relative path begins at the directory of this process. One that cannot be entered makes the start fail with
    /// [`SpawnError::Refused`].
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::builder().current_dir("/").spawn(|()| std::env::current_dir().ok(), ())?;
    /// assert_eq!(process.join()?, Some("/".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Builder {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the standard input. The default is the null device, because several processes cannot share the input of a terminal.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use procession_process::{Process, Stdio};
    /// # procession_process::init();
    /// let read = |()| std::io::read_to_string(std::io::stdin()).ok();
    /// let process = Process::builder().stdin(Stdio::Piped).spawn(read, ())?;
    /// write!(process.take_stdin().ok_or("no pipe")?, "hello")?;
    /// assert_eq!(process.join()?.as_deref(), Some("hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stdin(mut self, stream: Stdio) -> Builder {
        self.streams[0] = Arc::new(stream);
        self
    }

    /// Sets the standard output. The default is that of this process.
    ///
    /// A pipe is to be read: a child that has filled it, with 64 KiB, waits until there is room.
    ///
    /// ```
    /// # use procession_process::{Process, Stdio};
    /// # procession_process::init();
    /// let process = Process::builder().stdout(Stdio::Piped).spawn(|()| println!("hello"), ())?;
    /// let text = std::io::read_to_string(process.take_stdout().ok_or("no pipe")?)?;
    /// assert_eq!(text, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stdout(mut self, stream: Stdio) -> Builder {
        self.streams[1] = Arc::new(stream);
        self
    }

    /// Sets the standard error. The default is that of this process.
    ///
    /// What the program writes to it before `init` comes to the stderr of this process, whatever is chosen here.
    ///
    /// ```
    /// # use procession_process::{Process, Stdio};
    /// # procession_process::init();
    /// let quiet = Process::builder().stderr(Stdio::Null).spawn(|()| eprintln!("not shown"), ())?;
    /// quiet.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stderr(mut self, stream: Stdio) -> Builder {
        self.streams[2] = Arc::new(stream);
        self
    }

    /// Starts `function(argument)` in the process described.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]: the process could not be started. The function has not run then.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::builder().name("square").spawn(|n: u64| n * n, 12)?;
    /// assert_eq!(process.join()?, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "start")]
    pub fn spawn<A, R>(self, function: fn(A) -> R, argument: A) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.start(Function::of(function)?, job::encode(&argument)?, None, StartDeadline::default())
    }

    /// Starts `function(argument)`, in at most `timeout`. A start mostly takes less than a
    /// millisecond; a machine that hangs, a program that starts slowly, or other threads that start processes make it more.
    ///
    /// # Errors
    ///
    /// [`SpawnError::TimedOut`]: the process was not about to call its function by then, and never will. Otherwise as
    /// [`spawn`](Builder::spawn), which has a limit of 30 seconds.
    ///
    /// ```
    /// # use procession_process::{Process, SpawnError};
    /// # use std::time::Duration;
    /// # procession_process::init();
    /// let late = Process::builder().spawn_timeout(|n: u64| n * n, 12, Duration::ZERO).unwrap_err();
    /// assert!(matches!(late, SpawnError::TimedOut { .. }));
    /// let process = Process::builder().spawn_timeout(|n: u64| n * n, 12, Duration::from_secs(60))?;
    /// assert_eq!(process.join()?, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_timeout<A, R>(
        self,
        function: fn(A) -> R,
        argument: A,
        timeout: Duration,
    ) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.start(Function::of(function)?, job::encode(&argument)?, None, StartDeadline::within(timeout))
    }

    /// Starts a function that gets a control link beside its argument, and returns the other end: for crates that build
    /// on processes, such as a pool.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], as for [`spawn`](Builder::spawn).
    #[doc(hidden)]
    pub fn spawn_with_control<A, R>(
        self,
        function: fn(Control, A) -> R,
        argument: A,
    ) -> Result<(Process<R>, Control), SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let argument = job::encode(&argument)?;
        let (here, there) = Control::pair().map_err(SpawnError::from_io)?;
        let process = self.start(Function::with_control(function)?, argument, Some(there), StartDeadline::default())?;
        Ok((process, here))
    }

    /// Starts a function without an argument in the process described.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], as for [`spawn`](Builder::spawn).
    ///
    /// ```
    /// # use procession_process::{Process, current};
    /// fn name() -> String { current().name().to_owned() }
    /// # procession_process::init();
    /// let process = Process::builder().name("reader").spawn_fn(name)?;
    /// assert_eq!(process.join()?, "reader");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_fn<R: Serialize + DeserializeOwned>(self, function: fn() -> R) -> Result<Process<R>, SpawnError> {
        self.start(Function::without_argument(function)?, job::encode(&())?, None, StartDeadline::default())
    }

    /// Starts the function, and puts the child on record. All that can fail comes before the start.
    fn start<R>(
        self,
        function: Function,
        argument: Message,
        control: Option<Control>,
        until: StartDeadline,
    ) -> Result<Process<R>, SpawnError> {
        // Before anything is opened or executed: `init` promises an error at this point and not a second `main`.
        start::init::require()?;
        registry::prepare().map_err(SpawnError::from_io)?;
        let method = self.method;
        let (mut job, pipes) = self.job(function, argument, control)?;
        let (name, daemon) = (job.info.name.clone(), job.info.daemon);
        let started = start::start(method, &mut job, until)?;
        let child = Child::new(name, daemon, started.pid, started.pidfd, started.control, registry::forget);
        // The child runs already: the registry must know it before the caller can drop the handle.
        registry::add(&child);
        Ok(Process::new(child, pipes))
    }

    /// Makes all that the child is sent. It opens the pipes, and for a daemon the end of the lifeline.
    fn job(self, function: Function, argument: Message, control: Option<Control>) -> Result<(Job, Pipes), SpawnError> {
        let Builder { name, daemon, method: _, changes, directory, streams: [input, output, error] } = self;
        let named = name.is_some();
        let info = ProcessInfo::of_next_child(name, daemon.unwrap_or_else(|| process_info::own().daemon));
        // Only for daemons: other children may outlive this process.
        let lifeline = info.daemon.then(lifeline).transpose().map_err(SpawnError::from_io)?;
        let (standard, pipes) = stdio::open([input, output, error]).map_err(SpawnError::from_io)?;
        let setup = Setup { named, standard, environment: None, changes, parent_directory: None, directory };
        let lifeline = lifeline.map(|end: OwnedFd| Descriptor::from(end));
        let job = Job {
            image: None,
            info,
            setup,
            lifeline,
            function,
            argument,
            #[cfg(feature = "log")]
            logs: crate::logs::for_child().map_err(SpawnError::from_io)?,
            control,
        };
        Ok((job, pipes))
    }
}

impl<R: DeserializeOwned> Process<R> {
    /// Starts `function(argument)` in a new process.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]: the process could not be started. The function has not run then.
    ///
    /// ```
    /// # procession_process::init();
    /// assert_eq!(procession_process::Process::spawn(|(a, b): (u64, u64)| a * b, (6, 7))?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "start")]
    pub fn spawn<A>(function: fn(A) -> R, argument: A) -> Result<Process<R>, SpawnError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        Process::builder().spawn(function, argument)
    }
}

impl<R: Serialize + DeserializeOwned> Process<R> {
    /// Starts a function without an argument in a new process.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], as for [`spawn`](Process::spawn).
    ///
    /// ```
    /// use procession_process::Process;
    ///
    /// fn hello() -> String { "hello".into() }
    ///
    /// # procession_process::init();
    /// assert_eq!(Process::spawn_fn(hello)?.join()?, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn_fn(function: fn() -> R) -> Result<Process<R>, SpawnError> {
        Process::builder().spawn_fn(function)
    }
}

impl Process<()> {
    /// Makes a builder, which sets the name of a process, how it starts, and its environment.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process = Process::builder().name("reader").daemon(true).spawn(|()| (), ())?;
    /// assert_eq!(process.name(), "reader");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }
}
