//! Queues, pipes and listeners between processes.
//!
//! | Python | here | for |
//! | --- | --- | --- |
//! | `Queue(n)` | [`queue`] | many senders, many receivers, bounded |
//! | `Queue()`, `SimpleQueue` | [`unbounded`] | the same without a limit |
//! | `JoinableQueue` | [`joinable`] | waiting until everything was dealt with |
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
//! [`wait`] waits for whatever comes first: receivers, connections, listeners, processes, descriptors of std. With the feature
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
//! # Who is gone
//!
//! When the last sender is gone, receivers get what was sent and then [`RecvError::Disconnected`]; when the last receiver is gone,
//! [`SendError::Disconnected`] hands the value back. The kernel counts the ends: it makes no difference whether a process
//! dropped its end, returned, or was killed, and an end that is on its way inside a message counts too.
//!
//! A process that is killed in the middle of sending loses the message that it was about to send and nothing else; in the middle of
//! receiving, the one that it had taken. Others never wait for it.
//!
//! # What is copied
//!
//! Messages lie in shared memory: one copy in, one copy out. It grows as it is needed and is given back afterwards, so a process
//! can send much and end before anybody receives. Bytes that need no copy out can be read [in place](PipeReceiver::recv_in_place).
//!
//! # What it costs
//!
//! An end waits by staying awake for 50 microseconds at most, as long as that pays, and sleeps then; one that is idle costs
//! nothing but a look every 3 seconds. A queue has two descriptors in each process for each kind of end, and 80 KiB of
//! memory at least.
//!
//! # Whom to trust
//!
//! Every process that was given an end can write to the memory of the channel. What is read there is checked, so a number that
//! somebody has scribbled over is an error and not a crash, but a process that writes there on purpose can spoil messages. Use a
//! [`Listener`] to talk to programs that you do not trust.
#![deny(unsafe_code)]

mod joinable;
mod joinable_iter;
mod pipe;
mod queue;

mod pipe_arm;
mod pipe_batch;
mod pipe_receiver;
mod pipe_sender;
mod receiver;
mod sender;
mod sink;

mod error;
mod fault;
mod in_place;
mod item;
mod iter;
mod join_error;

mod inlet;
mod outlet;
mod patience;
mod typed;

mod chain;
mod draft;
mod extents;
mod layout;
mod record;
mod ring;
mod room;
mod sweep;
mod tally;

#[cfg(feature = "tokio")]
mod asynchronous;
#[cfg(feature = "net")]
mod socket;
mod wait;

pub use error::{
    RecvError, RecvManyError, RecvTimeoutError, SendError, SendManyError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use fault::ChannelError;
pub use in_place::InPlace;
pub use item::Item;
pub use iter::{IntoIter, Iter, TryIter};
pub use join_error::{JoinError, TaskDoneError};
pub use joinable::{JoinableReceiver, JoinableSender, joinable};
pub use joinable_iter::{JoinableIntoIter, JoinableIter, JoinableTryIter};
pub use pipe::{Connection, one_way, pipe};
pub use pipe_receiver::PipeReceiver;
pub use pipe_sender::PipeSender;
pub use queue::{queue, queue_of_bytes, unbounded};
pub use receiver::Receiver;
pub use sender::Sender;
#[cfg(feature = "net")]
pub use socket::{
    AcceptError, Address, AddressError, BindError, Client, ClientBuilder, ConnectError, HandshakeError, Listener,
    ListenerBuilder, Refusal, SocketConnection, SocketRecvError, SocketSendError,
};
pub use wait::wait;

pub use procession_core::Waitable;
pub use procession_core::codec::{AnyPath, SelfDescribed};
