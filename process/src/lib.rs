//! Runs a function in another process, and brings its value back.
//!
//! Python's `multiprocessing.Process`, for Rust: no macro, no registration, no daemon, and every end of a process is reported
//! as what it was.
//!
//! # Hello
//!
//! ```
//! use procession_process::Process;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession_process::init();
//!     let process = Process::spawn(|n: u64| n * n, 12)?;
//!     assert_eq!(process.join()?, 144);
//!     Ok(())
//! }
//! ```
//!
//! [`init`] comes first in `main`, because a child is this very program, started once more: in the child, `init` runs the
//! function and exits. In tests and libraries [`init_at_load!`] does the same.
//!
//! # What can run
//!
//! A plain `fn(A) -> R` whose `A` and `R` can be serialized: a function, a generic function, a method path, a closure that
//! captures nothing. Its input is its argument, a tuple if there are several:
//!
//! ```
//! # use procession_process::Process;
//! fn largest<T: Ord>(items: Vec<T>) -> Option<T> { items.into_iter().max() }
//!
//! # procession_process::init();
//! let number = Process::spawn(largest, vec![3, 1, 4])?;
//! let repeated = Process::spawn(|(word, n): (String, usize)| word.repeat(n), ("ab".into(), 3))?;
//! assert_eq!((number.join()?, repeated.join()?.as_str()), (Some(4), "ababab"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An open file or socket travels as well, inside a [`Descriptor`] or in a field that says `#[serde(with = "procession_process::fd")]`.
//!
//! # How it can end
//!
//! [`join`](Process::join) returns the value, or the reason why there is not one: a panic with its message, place and backtrace, an
//! exit before the function returned, a signal. The error of a function that returns a `Result` comes back as it is.
//!
//! ```
//! # use procession_process::Process;
//! # procession_process::init();
//! let parsed = Process::spawn(|text: String| text.parse::<i32>().map_err(|e| e.to_string()), "x".into())?;
//! assert!(parsed.join()?.unwrap_err().contains("invalid digit"));
//!
//! let aborted: Process<()> = Process::spawn(|()| std::process::abort(), ())?;
//! let error = aborted.join().unwrap_err();
//! assert_eq!(error.exit_status().unwrap().signal(), Some(6));
//! assert!(error.to_string().ends_with("was ended by signal 6 (SIGABRT) before its function returned"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Describing a process
//!
//! [`Process::builder`] gives it a name, an environment, a directory, streams, a [`StartMethod`], and makes it a *daemon*: a process
//! that ends with this process. When this process exits, its daemons are terminated and its other children are waited
//! for; when it is killed, the kernel kills its daemons at once.
//!
//! # Watching
//!
//! A handle is also a descriptor ([`AsFd`](std::os::fd::AsFd)) that becomes readable when the process has ended. Any number of
//! threads may wait, with or without a timeout, and more than once. [`active_children`] lists the children that run,
//! [`current`] and [`parent`] describe the calling process, [`scope`] waits for all processes that were started in a block.
//!
//! # Log records
//!
//! With the feature `log`, the records that children log arrive in this process's logger, with name and number: see
//! `logs::forward`.
//!
//! # What a child gets
//!
//! | | `Server` | `Spawn` | `Fork` |
//! | --- | --- | --- | --- |
//! | memory | a fresh program at its first line | a fresh program at its first line | a copy of this process |
//! | threads | one | one | one; refused if this process has more |
//! | descriptors | those it is handed | those it is handed | those it is handed; the numbers of others stay taken |
//! | environment, directory | as they are now | as they are now | as they are now |
//! | limits, user, groups | as they are now | as they are now | as they are now |
//! | capabilities, `no_new_privs`, seccomp filters | as they are now | as they are now | as they are now |
//! | root directory, namespaces | as they are now | as they are now | as they are now |
//! | process group, session, ignored signals | as they are now | as they are now | as they are now |
//! | file mode mask, priorities, scheduling policy, affinity | as when the server started | as they are now | as they are now |
//! | `oom_score_adj`, timer slack, personality, control group | as when the server started | as they are now | as they are now |
//! | stdin | nowhere, unless chosen | nowhere, unless chosen | nowhere, unless chosen |
//! | C library's exit handlers | not run, as in Python[^hooks] | run | not run, as in Python[^hooks] |
//! | output of C code, LLVM's profile | written | written | written |
//!
//! [^hooks]: Run where `PROCESSION_EXIT_HOOKS=1` is in the environment.
//!
//! "As they are now" means those of the thread that starts the child: when they differ from what they were when the server
//! started, a new server is started, which takes a millisecond. [`stop_server`] brings the rest up to date.
//!
//! With `Fork`, objects that the child has inherited and that own a descriptor (files, sockets, handles of this library) get
//! errors from it (`EBADF`), and never meet what the child opens: their numbers stay taken until they are dropped. Pass a
//! child what it is to use. In a copy, handles of processes send no signals, and waiting with them is an error.
//!
//! # Limits
//!
//! Linux 5.10 or newer, x86-64 and aarch64, glibc, with `/proc` mounted. A program must not start threads before [`init`] if
//! it uses [`StartMethod::Server`]. The function must lie in the main executable, not in a shared library. A program that runs
//! with more rights than its starter (set-user-id) never acts as a child.

#![forbid(unsafe_code)]

mod builder;
mod child;
mod cpu;
mod current;
mod exit_status;
mod handle;
mod job;
mod join_error;
#[cfg(feature = "log")]
pub mod logs;
pub mod panics;
mod process;
mod process_info;
mod registry;
mod scope;
mod signalling;
mod spawn_error;
mod start;
mod stdio;
mod tuning;

pub use builder::Builder;
pub use cpu::cpu_count;
pub use current::{Current, Parent, current, parent};
pub use exit_status::ExitStatus;
pub use handle::Child;

pub use join_error::JoinError;
pub use panics::Panic;
pub use process::Process;
pub use registry::active_children;
pub use scope::{Scope, ScopeError, scope};

pub use spawn_error::SpawnError;
pub use start::StartMethod;
pub use start::init::{ignore_interrupt, init};
pub use start::server_slot::stop_server;
pub use stdio::Stdio;

pub use procession_core::Failure;
// Types for arguments and results that are more than bytes, such as open files, and modules for serde's `with`.
#[doc(inline)]
pub use procession_core::codec::{AnyPath, Descriptor, SelfDescribed, bytes, described, fd, path};

#[doc(hidden)]
pub use procession_core::constructors::{Constructor as __Constructor, finish_loading as __finish_loading};
#[doc(hidden)]
pub use start::init::__init_at_load;

/// The README, whose code is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
