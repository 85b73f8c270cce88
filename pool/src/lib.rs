//! A pool of worker processes, as Python's `multiprocessing.Pool`: `map`, `imap`, and nothing that hangs.
//!
//! # A first job
//!
//! A pool applies a function to many items, in several processes at once:
//!
//! ```
//! use procession_pool::Pool;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession_pool::init();
//!     let pool = Pool::new(2)?;
//!     assert_eq!(pool.map(|n: u64| n * n, 0..5)?, [0, 1, 4, 9, 16]);
//!     Ok(())
//! }
//! ```
//!
//! The first line of `main` is for the workers: they are this same program, started once more, and never get beyond it. A test file or
//! a library says `procession_pool::init_at_load!();` at its top instead.
//!
//! The function is a plain `fn(A) -> R`. What it needs travels with each item, as a tuple perhaps; a closure may be given if it
//! captures nothing. One that captures is refused by the compiler:
//!
//! ```compile_fail,E0308
//! # use procession_pool::Pool;
//! let factor = 3;
//! let pool = Pool::new(2).unwrap();
//! pool.map(|n: u64| n * factor, 0..5);
//! ```
//!
//! # Results as they come
//!
//! [`imap`](Pool::imap) is lazy: it reads its input while its results are taken, and never far ahead, so the input may be endless
//! and larger than memory. Its length is known where the input's is, so progress bars just work.
//!
//! ```
//! # use procession_pool::Pool;
//! # procession_pool::init();
//! let pool = Pool::new(2)?;
//! let text = String::from("lazy words from a borrowed text");
//! for length in pool.imap(|word: String| word.len(), text.split(' ').map(str::to_owned)) {
//!     println!("{}", length?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Results later
//!
//! [`apply_async`](Pool::apply_async) and [`map_async`](Pool::map_async) return at once, with a handle. It can be asked, awaited and
//! cancelled, takes callbacks that cannot hurt the pool, and can be waited for together with handles of other pools.
//!
//! ```
//! use procession_pool::{AsyncResult, Pool};
//!
//! # procession_pool::init();
//! let pool = Pool::new(2)?;
//! let results = ["salve", "ave", "vale"].map(|word| pool.apply_async(|word: String| word.len(), word.to_owned()));
//! for (place, length) in AsyncResult::as_completed(results) {
//!     println!("word {place} has {} letters", length?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What goes wrong
//!
//! Each item yields a value or a [`TaskError`]. A panic comes with its message, location and backtrace. When a worker is killed, runs
//! out of memory or calls `exit`, the item that it was working on is an error with the exit status. Its other items go to other
//! workers, and a new worker replaces it.
//!
//! ```
//! # use procession_pool::Pool;
//! # procession_pool::init();
//! let pool = Pool::new(2)?;
//! let results = pool.imap(|n: u32| if n == 3 { std::process::abort() } else { n }, 0..6);
//! let (values, errors): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
//! assert_eq!(values.len(), 5);
//! let error = errors.into_iter().next().unwrap().unwrap_err();
//! assert_eq!(error.index(), 3);
//! assert_eq!(error.exit_status().unwrap().to_string().split(',').next(), Some("signal 6 (SIGABRT)"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`map`](Pool::map) ends at the first error and cancels the rest, [`imap`](Pool::imap) goes on. A [`Job`] says otherwise, with a
//! [`FailurePolicy`], and how often a task that may be repeated is tried again:
//!
//! ```
//! # use procession_pool::{FailurePolicy, Pool};
//! # procession_pool::init();
//! let pool = Pool::new(2)?;
//! let checked = |n: u32| if n == 3 { panic!("not {n}") } else { n };
//! let job = pool.job(checked).retries(1).on_failure(FailurePolicy::CollectAll);
//! let error = job.map(0..6).unwrap_err();
//! assert_eq!((error.index(), error.panic().unwrap().message()), (3, "not 3"));
//! // The others have run all the same, and so has the second attempt.
//! assert_eq!((pool.stats().done, pool.stats().retried), (5, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A pool whose workers never become ready, for example because its initializer fails, breaks: every task ends with the reason, and
//! no more workers are started.
//!
//! # Preparing workers
//!
//! An [initializer](PoolBuilder::initializer) runs in each worker before its first task, to set something up. What tasks are to
//! find, a table or an open file, is made by the worker's [`state`](PoolBuilder::state); what they change, a connection or a
//! cache, by its [`local_state`](PoolBuilder::local_state).
//!
//! # What workers log
//!
//! With the feature `log`, `procession_process::logs::forward` has the records of workers arrive in the
//! logger of the pool's process, each with the worker's name and number. Workers never wait for it: what comes too fast is dropped
//! and counted. With the feature `tracing`, each task runs in a span `task`, in its worker, and workers that start, end and die are
//! events in the pool's process. Where `tracing`'s own feature `log` is on, the events of workers are forwarded, too.
//!
//! # The end
//!
//! [`close`](Pool::close) lets open jobs go on to their end, [`join`](Pool::join) waits for the workers to leave,
//! [`terminate`](Pool::terminate) kills them. Dropping the pool is enough in most programs. Workers sleep through
//! Ctrl-C, because the program decides what an interrupt means, and die with it, even when it is killed.
//!
//! # How it works
//!
//! Each worker has a private ring in shared memory in each direction, and no lock or pipe is shared between workers: one that dies
//! cannot hurt another. The pool knows which tasks each worker holds and which of them have started. A scheduler without I/O decides.
//! A caller that waits for results drives the dispatch itself; at other times the pool's own thread does. Workers are sent a few
//! milliseconds of work ahead, and tasks that they have not started are revoked when other workers are idle.
//!
//! # Not here
//!
//! Threads instead of processes are rayon's job.

#![forbid(unsafe_code)]

mod agent;
mod api;
mod caller;
mod dispatcher;
mod local;
mod model;
mod remote;
mod scheduler;
mod wire;
mod worker;

/// What starts and serves the agents of other hosts uses. It may change in any version.
#[doc(hidden)]
pub mod hosts {
    pub use crate::agent::serve::serve;
    pub use crate::api::hosts::set_default_hosts;
    pub use crate::remote::launcher::{HostLauncher, HostSet, LaunchedAgent};
    pub use crate::wire::agent_link::AgentLink;
}

pub use api::async_result::AsyncResult;
pub use api::builder::{Initialized, PoolBuilder};
pub use api::imap::{Imap, ImapUnordered};
pub use api::job::Job;
pub use api::pool::Pool;
pub use api::waiting::{AsCompleted, WaitTimeoutError};
pub use model::failure_policy::FailurePolicy;
pub use model::histogram::Histogram;
pub use model::pool_error::PoolError;
pub use model::stats::{Stats, WorkerState, WorkerStats};
pub use model::task_error::TaskError;
pub use procession_core::Failure;
pub use procession_core::codec::{AnyPath, SelfDescribed};
// Items of `procession_process` that each program with a pool needs, so that this crate alone is enough.
pub use procession_process::{ExitStatus, Panic, StartMethod, init, init_at_load};
#[doc(hidden)]
pub use wire::lease;
pub use worker::state::{state, with_state};

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Pool>();
    is_send_and_sync::<PoolError>();
    is_send_and_sync::<TaskError>();
};

/// The README, whose code is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
