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
//! # A tour
//!
//! One function in a process of its own. `join` returns its value, or an error that says how it ended:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # procession::init();
//! let process = procession::Process::spawn(|(a, b): (u32, u32)| a.checked_div(b), (1, 0))?;
//! assert_eq!(process.join()?, None);
//! # Ok(())
//! # }
//! ```
//!
//! A value that several processes see, in a lock that survives its holder:
//!
//! ```
//! use procession::{Process, sync::Mutex};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # procession::init();
//! let counter = Mutex::new(0_u64)?;
//! let children = [1, 2, 3].map(|n| {
//!     Process::spawn(|(counter, n): (Mutex<u64>, u64)| *counter.lock().unwrap() += n, (counter.clone(), n))
//! });
//! for child in children {
//!     child?.join()?;
//! }
//! assert_eq!(*counter.lock().unwrap(), 6);
//! # Ok(())
//! # }
//! ```
//!
//! A queue, whose end of stream is exact:
//!
//! ```
//! use procession::{Process, channels::{Sender, queue}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # procession::init();
//! let (sender, receiver) = queue::<String>(8)?;
//! let child = Process::spawn(|sender: Sender<String>| {
//!     for word in ["so", "it", "goes"] {
//!         sender.send(word.into()).expect("a receiver");
//!     }
//! }, sender)?;
//! let words: Vec<String> = receiver.iter().collect::<Result<_, _>>()?;
//! assert_eq!(words.join(" "), "so it goes");
//! # child.join()?;
//! # Ok(())
//! # }
//! ```
//!
//! Any other value can live in a manager, and calls run where it lives:
//!
//! ```
//! use procession::manager::Manager;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # procession::init();
//! let manager = Manager::start()?;
//! let stock = manager.dict::<String, u32>()?;
//! stock.insert("apples".into(), 3)?;
//! assert_eq!(stock.get("apples")?, Some(3));
//! # Ok(())
//! # }
//! ```
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
//! | [`channels`] | `procession-channels` | queues, pipes, listeners |
//! | [`manager`] | `procession-manager` | live objects behind proxies: a [`Manager`](manager::Manager) |
//! | `hosts` (feature `hosts`) | `procession-hosts` | pools with workers on many machines |
//!
//! # The guide
//!
//! [`guide`] is the book: coming from Python, choosing the right part, processes, sharing, pools, tokio, the deaths of processes,
//! performance, security, limits.
//!
//! # Features
//!
//! `channels`, `net`, `manager` and `remote` are on by default. A program that needs only a pool leaves them out (`default-features = false`) and
//! compiles half as many crates.
//!
//! | feature | default | what for |
//! | --- | --- | --- |
//! | `channels` | yes | queues and pipes: the module [`channels`] |
//! | `net` | yes | listeners, clients and connections over sockets, and their authentication |
//! | `manager` | yes | live objects behind proxies: the module [`manager`] |
//! | `remote` | yes | managers of other programs, over sockets: `Manager::serve` and `Manager::connect` |
//! | `hosts` | no | pools with workers on many machines: the module `hosts` |
//! | `log` | no | log records of children arrive in their parent's logger: `process::logs::forward` |
//! | `tracing` | no | a span around each task of a pool, events for the lives of its workers |
//! | `tokio` | no | twins of the calls of [`channels`] that wait, for tasks of tokio |
//!
//! # Limits
//!
//! Linux 5.10 or newer, x86-64 and aarch64, glibc.
#![forbid(unsafe_code)]

// Its chapters cover all parts, and the tests run their code.
#[cfg(feature = "manager")]
pub mod guide;

// Inlined, so that the pages of the facade alone hold its whole API, and a search finds it.
#[cfg(feature = "channels")]
#[doc(inline)]
pub use procession_channels as channels;
#[cfg(feature = "hosts")]
#[doc(inline)]
pub use procession_hosts as hosts;
#[cfg(feature = "manager")]
#[doc(inline)]
pub use procession_manager as manager;
#[doc(inline)]
pub use procession_pool as pool;
#[doc(inline)]
pub use procession_process as process;
#[doc(inline)]
pub use procession_sync as sync;

pub use procession_pool::Pool;
#[doc(inline)]
pub use procession_process::{AnyPath, Failure, SelfDescribed, described, path};
pub use procession_process::{Process, StartMethod};

// The first line of `main` is another one where this program may be an agent.
#[cfg(feature = "hosts")]
pub use procession_hosts::{init, init_at_load};
#[cfg(not(feature = "hosts"))]
pub use procession_process::{init, init_at_load};
