//! Locks, semaphores, events, conditions, barriers and values that are shared between processes.
//!
//! They are std's nouns with std's verbs. Each is a handle to a piece of shared memory: clone it, send it to another
//! process inside any message or as an argument of a process, or let a fork inherit it; all copies are the same thing. And each goes on
//! when a process that uses it is killed, whatever it was doing.
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
//! What it holds is [`Plain`] data: numbers, arrays and tuples of numbers, structs of them that say so. A `String` or a `Vec` has the
//! address of something in its own process, and does not compile. For a row whose length is known at run time there is `Mutex<[T]>`;
//! for something outside the memory, such as a file, there is [`Lock`].
//!
//! [`Parts`] is a row that several processes write to at once, each its part. [`ReentrantLock`] can be taken again by its holder, [`RwLock`] by many readers at a time.
//!
//! # When the holder dies
//!
//! The next one gets the lock all the same, inside std's `PoisonError`, and can ask who it was.
//!
//! ```
//! use procession_sync::{Mutex, MutexGuard};
//!
//! # let pair = Mutex::new([1, 1])?;
//! let mut guard = pair.lock().unwrap_or_else(|poisoned| {
//!     if let Some(culprit) = MutexGuard::poisoned_by(poisoned.get_ref()) {
//!         eprintln!("repairing: {culprit}");
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
//! The same care goes into the rest. Nobody waits for a dead process:
//!
//! | who dies | what the others see |
//! | --- | --- |
//! | holder of a [`Mutex`], [`ReentrantLock`], or writer of an [`RwLock`] | `PoisonError` with the guard |
//! | reader of an [`RwLock`] | nothing: its place is free again |
//! | holder of a [`SemaphoreGuard`] | its permit is back |
//! | party of a [`Barrier`] | [`BrokenBarrierError`], which names it |
//! | one who waits for any of these, for an [`Event`] or at a [`Condvar`] | nothing: nobody waits for a waiter |
//!
//! A death is noticed within 50 ms by those who wait. It is told from a process that is only slow, or stopped, by asking the kernel,
//! never by a timeout; a process number that was given to another process meanwhile is not mistaken for it.
//!
//! # Without a lock
//!
//! [`Shared`] gives every process a reference to the same atomics, or to data that nobody changes.
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
//! # Waiting for each other
//!
//! [`Semaphore`] lets so many in, [`Event`] lets all in once it is set, [`Barrier`] waits until all have come, [`Condvar`] waits until data
//! under a [`Mutex`] are as one wants them.
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
//! Every wait has a twin with a timeout, on the monotonic clock. A zero timeout only tries; one beyond the clock is for ever.
//!
//! # What it costs
//!
//! An operation that need not wait is a few atomic instructions and no system call. One that must wait spins for a moment, if there
//! is another core, and then sleeps in the kernel. Each primitive has a descriptor and at least one page of memory, allocated
//! when it is made: too little memory is an error then and never a bus error later. For many small values make one row of them.
//!
//! # What it does not do
//!
//! - Nothing protects from a process that writes to the shared memory without the lock. What arrives in a message is checked, but
//!   whoever shares memory with others trusts them with it.
//! - Processes in different process-number or time namespaces cannot tell whether others live. Share within one.
//! - A process that replaces itself by `exec` while it holds a lock holds it until it ends.
//! - A guard that is forgotten (`mem::forget`) is held until its process ends.
//! - There is no lock across machines.
//!
//! Linux 5.10 or newer on x86-64 and aarch64.
// The models of `tests/model.rs` take the machines alone: loom's atomics cannot lie in shared memory.
#![cfg(not(loom))]

mod barrier;
mod barrier_end;
mod condvar;
mod copy;
mod data;
mod error;
mod event;
mod holding;
mod mutex;
mod mutex_guard;
mod name;
mod part_guard;
mod parts;
mod poison;
mod raw;
mod reentrant;
mod robust;
mod rwlock;
mod rwlock_guard;
mod segment;
mod semaphore;
mod shared;
mod shared_memory;

pub use barrier::Barrier;
pub use barrier_end::{BarrierWaitResult, BrokenBarrierError};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use data::{Plain, Shape};
pub use error::CreateError;
pub use event::Event;
pub use mutex::{Lock, Mutex};
pub use mutex_guard::MutexGuard;
pub use part_guard::PartGuard;
pub use parts::Parts;
pub use poison::Culprit;
pub use reentrant::{ReentrantLock, ReentrantLockGuard};
#[doc(hidden)]
pub use robust::{RobustGuard, RobustLock};
pub use rwlock::RwLock;
pub use rwlock_guard::{RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{ReleaseError, Semaphore, SemaphoreGuard};
pub use shared::Shared;
pub use shared_memory::{NameError, SharedMemory};

/// The README, whose code is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
