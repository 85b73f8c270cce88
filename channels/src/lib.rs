//! Queues, pipes and listeners between processes.
//!
//! | Python | here | for |
//! | --- | --- | --- |
//! | `Queue(n)` | [`queue`] | many senders, many receivers, bounded |
//! | `Queue()`, `SimpleQueue` | [`unbounded`] | the same without a limit |
//! | `JoinableQueue` | [`joinable`] | waiting until everything was completed |
//! | `Pipe()` | [`pipe`] | two ends that talk to each other |
//! | `Pipe(False)` | [`one_way`] | one direction |
//! | `connection.wait` | [`wait`] | several of them at once |
//! | `Listener`, `Client` | [`Listener`], [`Client`] | sockets, other programs, other machines, Python |
//!
//! # A queue
//!
//! Any value that implements serde's traits can be sent, also one that holds descriptors, locks, or ends of other channels. An end is
//! handed to another process as an argument, or inside a message.
//!
//! ```
//! use procession_channels::{Receiver, Sender, queue};
//! use procession_process::Process;
//!
//! fn work((jobs, results): (Receiver<u64>, Sender<u64>)) {
//!     for job in jobs {
//!         results.send(job.unwrap() * 2).unwrap();
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     procession_process::init();
//!     let (jobs, inbox) = queue(100)?;
//!     let (outbox, results) = queue(100)?;
//!     let workers = [(); 2].map(|()| Process::spawn(work, (inbox.clone(), outbox.clone())));
//!     drop((inbox, outbox));
//!     jobs.send_many(0..50)?;
//!     drop(jobs); // The workers' loops end.
//!     assert_eq!(results.iter().map(|result| result.unwrap()).sum::<u64>(), 2450);
//!     for worker in workers {
//!         worker?.join()?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Several at once
//!
//! [`wait`] waits for several things at once: receivers, connections, listeners, processes, descriptors of std. With the feature
//! `tokio`, `recv_async`, `send_async` and `accept_async` wait in a task, without a thread for each.
//!
//! ```
//! use procession_channels::{unbounded, wait};
//!
//! let (letters, letter_box) = unbounded()?;
//! let (_parcels, parcel_box) = unbounded::<Vec<u8>>()?;
//! letters.send("a letter".to_owned())?;
//! assert_eq!(wait(&[&letter_box, &parcel_box], None)?, [0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other programs
//!
//! A [`Listener`] accepts connections from programs that know the key, a [`Client`] makes them, over Unix sockets, TCP and IPv6.
//! Bytes can be exchanged with Python's `multiprocessing.connection`, values between two programs of ours.
//!
//! ```
//! use procession_channels::{Address, Client, Listener};
//!
//! let listener = Listener::bind("127.0.0.1:0".parse::<Address>()?, "the key")?;
//! let address = listener.address().clone();
//! let other = std::thread::spawn(move || Client::connect(address, "the key").unwrap().recv::<String>().unwrap());
//! listener.accept()?.send("welcome")?;
//! assert_eq!(other.join().unwrap(), "welcome");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Disconnection
//!
//! When the last sender is gone, receivers get what was sent and then [`RecvError::Disconnected`]; when the last receiver is gone,
//! [`SendError::Disconnected`] hands the value back. The kernel counts the ends: it makes no difference whether a process
//! dropped its end, returned, or was killed, and an end that is on its way inside a message counts too.
//!
//! A process that is killed while it sends loses the message that it was about to send and nothing else; while it receives, the one
//! that it had taken. Others never wait for it.
//!
//! A process that was stopped, by a debugger for example, may hold the lock of an end. Calls named `try_…`, calls with a timeout and
//! those of tasks keep their time then. Calls without a timeout wait until it runs again or dies.
//!
//! # What is copied
//!
//! Messages lie in shared memory: one copy in, one copy out. It grows as it is needed and is given back afterwards, so a process
//! can send much and end before anybody receives. Bytes that need no copy out can be read [in place](Receiver::recv_in_place).
//!
//! # What it costs
//!
//! An end spins for up to 50 microseconds, as long as that pays, and sleeps then. An idle receiver costs nothing; an idle sender that
//! waits for space looks every 3 seconds. A queue has two descriptors in each process for each kind of end, and at least 80 KiB of
//! memory.
//!
//! # Trust
//!
//! Every process that was given an end can write to the memory of the channel. What is read there is checked, so a number that
//! was overwritten is an error and not a crash. But a process that writes there on purpose can spoil messages: use a
//! [`Listener`] to talk to programs that you do not trust.
#![deny(unsafe_code)]

mod api;
#[cfg(feature = "tokio")]
mod asynchronous;
mod ends;
mod memory;
#[cfg(feature = "net")]
mod net;
mod tuning;

pub use api::channel_error::ChannelError;
pub use api::error::{
    RecvError, RecvManyError, RecvTimeoutError, SendError, SendManyError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use api::in_place::{Loaned, Loaned as InPlace};
pub use api::item::Item;
pub use api::iter::{IntoIter, Iter, JoinableIntoIter, JoinableIter, JoinableTryIter, TryIter};
pub use api::join_error::{JoinError, TaskDoneError};
pub use api::joinable::{JoinableReceiver, JoinableSender, joinable};
pub use api::pipe::{Connection, one_way, pipe};
pub use api::queue::{queue, queue_of_bytes, unbounded};
pub use api::receiver::{PipeReceiver, Receiver};
pub use api::sender::{PipeSender, Sender};
pub use api::wait::wait;
#[cfg(feature = "net")]
pub use net::address::{Address, AddressError};
#[cfg(feature = "net")]
pub use net::client::{Client, ClientBuilder};
#[cfg(feature = "net")]
pub use net::connection::SocketConnection;
#[cfg(feature = "net")]
pub use net::error::{AcceptError, BindError, ConnectError, HandshakeError, SocketRecvError, SocketSendError};
#[cfg(feature = "net")]
pub use net::listener::Listener;
#[cfg(feature = "net")]
pub use net::listener_builder::ListenerBuilder;
#[cfg(feature = "net")]
pub use net::refusals::Refusal;

pub use procession_core::Waitable;
pub use procession_core::codec::{AnyPath, SelfDescribed};
