//! Hosts for the pools of procession: the same `map` on many machines.
//!
//! # One changed line
//!
//! ```no_run
//! use procession_hosts::Hosts;
//! use procession_pool::Pool;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession_hosts::init();
//!     let pool = Pool::builder().hosts(Hosts::ssh(["node1", "node2:16"])).build()?;
//!     let squares = pool.map(|n: u64| n * n, 0..1_000_000)?;
//!     assert_eq!(squares[999], 998_001);
//!     Ok(())
//! }
//! ```
//!
//! Programs that people run already choose, start, limit and clean up: OpenSSH, Slurm, `mpiexec`, or any command line. On each host they
//! start one *agent*, which is this very program. The agent owns the workers of its host; the pool's own scheduler decides what they do.
//!
//! # Which hosts
//!
//! | hosts | reached by |
//! | --- | --- |
//! | [`Hosts::ssh`] | OpenSSH, one `ssh` for each host |
//! | [`Hosts::slurm`] | steps of `srun` in the present allocation |
//! | [`Hosts::mpi`] | one `mpiexec` for each host |
//! | [`Hosts::command`] | any command line with `{host}` and `{agent}` |
//! | [`Hosts::from_env`] | whichever of them the environment names |
//!
//! # What goes over the wire
//!
//! The agent connects back to the driver, and talks through the launcher where it cannot. In both cases the link is sealed (Noise
//! `NNpsk0_25519_AESGCM_SHA256`) with a key that is made for this launch and goes through the launcher's standard input. Names of functions
//! are believed only inside that link, after both sides have shown that they run the same executable.
//!
//! # Limits
//!
//! The hosts run Linux on the same architecture, with a POSIX shell at `/bin/sh`.

#![forbid(unsafe_code)]

mod agent;
mod api;
mod launch;
mod link;
mod spec;
mod stage;
mod tuning;

pub use api::error::HostsError;
pub use api::hosts::Hosts;
#[doc(hidden)]
pub use api::init::__init_at_load;
pub use api::init::init;
pub use api::key::create_key_file;
pub use stage::executable::Executable;

#[doc(hidden)]
pub use procession_core::constructors::{Constructor as __Constructor, finish_loading_of_agent as __finish_loading};

/// The README, whose code is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
