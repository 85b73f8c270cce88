//! Python's `multiprocessing` for Rust: run functions in other processes, and let those processes share what they need.
//!
//! No macros, no registration, no daemon, and nothing hangs when a process is killed.
//!
//! ```
//! use procession::Pool;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession::init();
//!     let pool = Pool::new(2)?;
//!     assert_eq!(pool.map(|n: u64| n * n, 0..5)?, [0, 1, 4, 9, 16]);
//!     Ok(())
//! }
//! ```
//!
//! [`init`] comes first in `main`, because a worker is this very program, started once more. In tests and libraries
//! [`init_at_load!`] does the same.
//!
//! # Where things are
//!
//! Each module is a crate of its own, usable alone.
//!
//! | module | crate | what for |
//! | --- | --- | --- |
//! | [`process`] | `procession-process` | one function in one process: [`Process`] |
//! | [`pool`] | `procession-pool` | many calls on a few worker processes: [`Pool`] |
//! | [`sync`] | `procession-sync` | locks, semaphores, events, conditions, barriers, shared values |
//! | [`channels`] | `procession-channels` | queues, pipes, listeners (to come) |
//! | [`manager`] | `procession-manager` | live objects behind proxies (to come) |
//!
//! # The guide
//!
//! [`guide`] is the book: coming from Python, which part is for what, processes, sharing, pools, what happens when things die,
//! performance, security, limits.
//!
//! # Limits
//!
//! Linux 5.10 or newer, x86-64 and aarch64, glibc.
#![forbid(unsafe_code)]

pub mod guide;

pub use procession_channels as channels;
pub use procession_manager as manager;
pub use procession_pool as pool;
pub use procession_process as process;
pub use procession_sync as sync;

pub use procession_pool::Pool;
pub use procession_process::{Process, StartMethod, init, init_at_load};
