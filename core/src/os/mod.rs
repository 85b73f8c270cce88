//! Thin wrappers over the kernel: one noun a file, safe where they can be, no policy.
//!
//! Everything here is Linux. A port to another system would be this folder once more.
//!
//! ```
//! use procession_core::os::{pidfd::{Exit, PidFd}, poll::{Pollable, poll}, wake::Waker};
//! use std::{os::fd::AsFd, process::Command};
//!
//! let child = Command::new("true").spawn()?;
//! let (child, waker) = (PidFd::of_child(child.id())?, Waker::new()?);
//! let ready = poll(&[Pollable::readable(child.as_fd()), waker.pollable()], None)?;
//! assert_eq!(ready, [true, false], "the child has ended, and the waker has not been called");
//! assert_eq!(child.reap()?, Some(Exit::Code(0)));
//! # std::io::Result::Ok(())
//! ```

pub mod auxv;
pub mod backoff;
pub mod backtrace;
pub mod clock;
pub mod descriptors;
pub mod directory;
#[cfg(feature = "sealed")]
pub(crate) mod duplex;
pub mod epoll;
pub mod exec;
pub mod exit;
pub mod fork;
pub mod futex;
pub mod held;
pub mod identity;
pub mod large;
pub mod lifeline;
pub mod limits;
pub(crate) mod memfd;
pub(crate) mod memory;
pub mod mutex;
pub mod own_file;
pub(crate) mod passing;
pub mod pidfd;
mod pidfd_info;
pub mod poll;
pub mod priority;
pub mod profile;
pub mod random;
pub mod refusal;
pub(crate) mod region;
pub mod rights;
pub mod signal;
pub mod stdio;
pub mod tcp;
pub mod threads;
pub(crate) mod waitable;
pub mod wake;
