//! Live objects shared by many processes through proxies: Python's `multiprocessing.Manager`, for Rust.
//!
//! # Hello
//!
//! A [`Manager`] is a process that holds values. A [`Proxy`] stands for one of them, in any number of processes.
//!
//! ```
//! use procession_manager::{Manager, Proxy};
//! use procession_process::Process;
//!
//! procession_manager::init();
//! let manager = Manager::start()?;
//! let pay = manager.create(|start: u64| start, 1000)?;
//! let raise = |pay: Proxy<u64>| pay.call(|pay, by| *pay += by, 100);
//! let processes: Vec<_> = (0..10).map(|_| Process::spawn(raise, pay.clone())).collect::<Result<_, _>>()?;
//! for process in processes {
//!     process.join()??;
//! }
//! assert_eq!(pay.get()?, 2000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Functions go to the value
//!
//! A call is a whole function, a plain `fn` or a closure that captures nothing, with one argument. It runs in the manager, on
//! the value itself, while no other call uses it: so `entry += 1` is one round trip, and no update is ever lost.
//!
//! - [`call`](Proxy::call) may change the value, [`read`](Proxy::read) only reads it; several readers run at the same time.
//! - [`call_when`](Proxy::call_when) waits until a condition on the value holds, without occupying anything.
//! - [`post`](Proxy::post) sends a call and goes on; the answer can be had later, or be brought by a
//!   [callback](Pending::on_done).
//! - [`call_deferred`](Proxy::call_deferred) runs a function that promises its result, and brings it from elsewhere.
//! - [`call_both`](Proxy::call_both) and [`Transaction`] use several values as one.
//! - [`get`](Proxy::get) copies the value out.
//!
//! # Ready-made objects
//!
//! | | made by | Python |
//! | --- | --- | --- |
//! | [`Dict`], [`List`], [`Set`] | [`dict`](Manager::dict), [`list`](Manager::list), [`set`](Manager::set) | `dict`, `list`, `set` |
//! | [`Namespace`], [`Value`], [`Array`], [`Counter`] | [`namespace`](Manager::namespace), [`value`](Manager::value), [`array`](Manager::array), [`counter`](Manager::counter) | `Namespace`, `Value`, `Array`, – |
//! | [`Queue`] | [`queue`](Manager::queue) | `Queue`, `JoinableQueue` |
//! | [`Lock`], [`RLock`], [`Semaphore`] | [`lock`](Manager::lock), [`rlock`](Manager::rlock), [`semaphore`](Manager::semaphore) | `Lock`, `RLock`, `Semaphore`, `BoundedSemaphore` |
//! | [`Condition`], [`Event`], [`Barrier`] | [`condition`](Manager::condition), [`event`](Manager::event), [`barrier`](Manager::barrier) | the same |
//!
//! Each has a [`proxy`](Dict::proxy) of the plain value, for everything that it has no method for. Any
//! value can live in a manager. With the feature `pool`, which the facade `procession` has on, `manager.pool(n)` makes a `Pool` of
//! the crate `procession-pool` there, whose workers serve all who have its `PoolProxy`; other programs use it by name, with a
//! `RemotePool`.
//!
//! ```
//! # procession_manager::init(); let manager = procession_manager::Manager::start()?;
//! let (groups, first) = (manager.dict::<String, procession_manager::List<u32>>()?, manager.list::<u32>()?);
//! groups.insert("first".to_owned(), first.clone())?;
//! first.push(7)?;
//! let found = groups.get(&"first".to_owned())?.expect("it was inserted");
//! assert_eq!(found, vec![7], "a proxy inside a managed value is the same object");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors say what went wrong
//!
//! A panic of a function comes back with its message, place and backtrace, and poisons that one value until
//! [`clear_poison`](Proxy::clear_poison). A manager that is gone, an object that is gone, time that has run out (and whether the
//! function had begun), a value of another type: each is a variant of [`CallError`]. Nothing connects again by itself.
//!
//! # Who dies gives back what it had
//!
//! References belong to the connection of a process. When the process ends, however it ends, the manager drops what only that
//! process referred to, frees its locks and permits, breaks the barriers at which it waited, and forgets what it was waiting
//! for. A proxy on its way in a message holds a reference too, until it is received or the message is gone.
//!
//! The manager's process ends with its owner, even when the owner is killed.
//!
//! # Other programs
//!
//! [`Manager::serve`] lets other programs in, over TCP or Unix sockets, with a key; [`Manager::connect`] is their side. Nothing is
//! called by address there: both programs link the crate that fills a [`Registry`] of names, and compare its fingerprint,
//! which covers names, types, and the fields of what is sent.
//!
//! # How it works
//!
//! Each process has one connection to a manager, which all its threads and proxies share: pipes in shared memory for calls and
//! answers, and a control link for the names of functions and for descriptors. In the manager one thread waits for all clients
//! and runs their calls itself; when one takes longer than a millisecond or two, another thread takes over the waiting. Calls
//! that wait for a condition are kept in a queue of their object. A proxy in a message carries a socket whose other end the
//! manager holds: it shows when the message is gone, and it is the way in for a process that has no connection yet.
//!
//! # Limits
//!
//! Each client costs the manager seven descriptors, so the limit on them bounds how many there can be; the manager raises its own
//! as far as it may. Values that refer to each other in a ring live as long as the manager. A managed object is used through
//! messages: where processes share a machine, the crates `procession-sync` and `procession-channels` do the same a hundred
//! times faster.

#![forbid(unsafe_code)]

mod api;
mod client;
mod objects;
#[cfg(feature = "pool")]
mod pool;
#[cfg(feature = "remote")]
mod remote;
mod server;
mod table;
mod wire;

pub use api::deferred::{Deferred, Reply};
pub use api::manager::{Builder, Manager, Stats};
pub use api::pending::Pending;
pub use api::proxy::Proxy;
pub use api::transaction::{Results, Step, Transaction};
pub use objects::{
    Array, Barrier, Condition, ConditionGuard, Counter, Dict, Entry, Event, Guard, Item, Key, List, Lock, LockGuard,
    Names, Namespace, OrderedMap, Queue, RLock, RLockGuard, Semaphore, SemaphoreGuard, Set, Value,
};
#[doc(hidden)]
pub use objects::{BarrierState, ConditionState, LockState, LockState as RLockState, QueueState, SemaphoreState};
#[cfg(all(feature = "pool", feature = "remote"))]
pub use pool::RemotePool;
#[cfg(feature = "pool")]
pub use pool::{Hosted, ManagedJob, PoolImap, PoolImapUnordered, PoolPending, PoolProxy, PoolProxyError, TaskFailure};
#[cfg(feature = "remote")]
pub use remote::{ConnectError, Registry, RemoteManager, RemoteProxy};
pub use wire::error::{CallError, ManagerError};
// What a program with a manager says beside it, so that this crate alone is enough.
#[cfg(feature = "remote")]
pub use procession_channels::{Address, AddressError};
pub use procession_core::codec::{AnyPath, SelfDescribed};
pub use procession_core::{ApplyOn, Failure};
pub use procession_process::{ExitStatus, Panic, StartMethod, init, init_at_load};

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Manager>();
    is_send_and_sync::<Proxy<std::cell::Cell<u8>>>();
    is_send_and_sync::<Pending<u8>>();
    is_send_and_sync::<CallError>();
};

/// The README, whose code is run as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
