//! Locks, semaphores, events, conditions, barriers and values that are shared between processes.
//!
//! They have the names and methods of std. Each is a handle to a piece of shared memory: clone it, send it to another
//! process inside any message or as an argument of a process, or let a fork inherit it; all copies are the same object. Each stays usable
//! when a process that uses it is killed at any point.
//!
//! ```toml
//! [dependencies]
//! procession-sync = "0.1"
//! ```
//!
//! # A lock
//!
//! [`Mutex`] holds its data, as std's does.
//!
//! ```
//! use procession_sync::Mutex;
//!
//! let counter = Mutex::new(0_u64)?;
//! let theirs = counter.clone();
//! // `theirs` could be in another process as well.
//! let other = std::thread::spawn(move || *theirs.lock().unwrap() += 1);
//! *counter.lock().unwrap() += 1;
//! # other.join().unwrap();
//! assert_eq!(*counter.lock().unwrap(), 2);
//! # Ok::<(), procession_sync::CreateError>(())
//! ```
//!
//! Its data is [`Plain`]: numbers, arrays and tuples of numbers, and structs of them made by [`plain!`]. A `String` or a `Vec` has the
//! address of memory in its own process, and does not compile. For a slice whose length is known at run time there is `Mutex<[T]>`;
//! for things outside shared memory, such as a file, there is [`Lock`].
//!
//! [`Parts`] is a slice that several processes write to at once, each its part. [`ReentrantLock`] can be taken again by its holder, [`RwLock`] by many readers at a time.
//!
//! # When the holder dies
//!
//! The next thread gets the lock inside std's `PoisonError`, which names the dead process.
//!
//! ```
//! use procession_sync::{Mutex, MutexGuard};
//!
//! # let pair = Mutex::new([1, 1])?;
//! let mut guard = pair.lock().unwrap_or_else(|poisoned| {
//!     if let Some(cause) = MutexGuard::poisoned_by(poisoned.get_ref()) {
//!         eprintln!("repairing: {cause}");
//!     }
//!     let mut guard = poisoned.into_inner();
//!     guard[1] = guard[0];
//!     pair.clear_poison();
//!     guard
//! });
//! guard[0] += 1;
//! guard[1] += 1;
//! assert_eq!(guard[0], guard[1]);
//! # drop(guard);
//! # Ok::<(), procession_sync::CreateError>(())
//! ```
//!
//! No thread waits for a dead process:
//!
//! | the dead process | the effect on the others |
//! | --- | --- |
//! | holder of a [`Mutex`], [`ReentrantLock`], or writer of an [`RwLock`] | `PoisonError` with the guard |
//! | reader of an [`RwLock`] | none: its slot is free again |
//! | holder of a [`SemaphoreGuard`] | its permit is back |
//! | party of a [`Barrier`] | [`BrokenBarrierError`], which names it |
//! | waiter for any of these, for an [`Event`] or at a [`Condvar`] | none |
//!
//! Waiting threads notice a death within 50 ms. The kernel is asked whether a process is dead, or only slow or stopped,
//! so that no timeout decides; a process number that was given to another process meanwhile is not mistaken for it.
//!
//! # Without a lock
//!
//! [`Shared`] gives each process a reference to the same atomics, or to data that does not change.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//!
//! let hits = procession_sync::Shared::<[AtomicU64]>::from_fn(4, |_| AtomicU64::new(0))?;
//! hits[2].fetch_add(1, Relaxed);
//! assert_eq!(hits[2].load(Relaxed), 1);
//! # Ok::<(), procession_sync::CreateError>(())
//! ```
//!
//! [`SharedMemory`] is bytes, without a name or with one for processes that do not know each other.
//!
//! # Synchronization
//!
//! [`Semaphore`] limits the number of users, [`Event`] is a flag to wait for, [`Barrier`] waits until all parties have arrived, [`Condvar`]
//! waits for a condition on data under a [`Mutex`].
//!
//! ```
//! use procession_sync::{Event, Semaphore};
//!
//! let (start, seats) = (Event::new()?, Semaphore::new(2)?);
//! start.set();
//! start.wait();
//! let seat = seats.acquire();
//! assert_eq!(seats.available(), 1);
//! # drop(seat);
//! # Ok::<(), procession_sync::CreateError>(())
//! ```
//!
//! Each wait has a twin with a timeout, on the monotonic clock. A zero timeout only tries; a timeout beyond the clock never ends.
//!
//! # What it costs
//!
//! An operation without a wait is a few atomic instructions and no system call. A wait spins for a moment, if there
//! is another core, and then sleeps in the kernel. Each primitive has a descriptor and at least one page of memory, allocated
//! when it is made: too little memory is an error then and never a bus error later. For many small values make one slice of them.
//!
//! # What it does not do
//!
//! - There is no protection from a process that writes to the shared memory without the lock. Messages are checked, but
//!   a process that shares memory trusts the others with it.
//! - Processes in different process-number or time namespaces cannot tell whether others live. Share within one.
//! - A process that replaces itself by `exec` while it holds a lock holds it until it ends.
//! - A guard that is forgotten (`mem::forget`) is held until its process ends.
//! - There is no lock across machines.
//!
//! Linux 5.10 or newer on x86-64 and aarch64.
// The models of `tests/model.rs` take the machines alone: loom's atomics cannot lie in shared memory.
#![cfg(not(loom))]

mod barrier;
mod barrier_result;
mod condvar;
mod copy;
mod data;
mod error;
mod event;
mod mapped;
mod mutex;
mod name;
mod ownership;
mod parts;
mod poison;
mod raw;
mod reentrant;
mod robust;
mod rwlock;
mod segment;
mod semaphore;
mod shared;
mod shared_memory;
mod tuning;

pub use barrier::Barrier;
pub use barrier_result::{BarrierWaitResult, BrokenBarrierError};
pub use condvar::{Condvar, WaitTimeoutResult};
#[doc(hidden)]
pub use data::__AnyBitPattern;
pub use data::{Plain, Shape};
pub use error::CreateError;
pub use event::Event;
pub use mutex::{Lock, Mutex, MutexGuard};
pub use name::NameError;
pub use parts::{PartGuard, Parts};
pub use poison::PoisonCause;
// The former name, for programs that use it.
#[doc(hidden)]
pub use poison::PoisonCause as Culprit;
pub use reentrant::{ReentrantLock, ReentrantLockGuard};
#[doc(hidden)]
pub use robust::{RobustGuard, RobustLock};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{ReleaseError, Semaphore, SemaphoreGuard};
pub use shared::Shared;
pub use shared_memory::SharedMemory;

/// The README, whose code is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
