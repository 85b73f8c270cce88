//! The ground floor of procession: the four things that cross a process boundary.
//!
//! | carrier | what crosses | here |
//! | --- | --- | --- |
//! | bytes | a value, encoded | [`codec`], `frame`, `Link`, `Ring` |
//! | descriptors | an open kernel object, beside the bytes | [`codec::Descriptor`], `Link` |
//! | memory | a mapping, itself named by a descriptor | `Mapping`, `Arena`, `Blob` |
//! | code | the name of a function of this same program | `Function`, `Method`, `Control`, `ControlListener`, `Image` |
//!
//! The crates above (`procession-process`, `-sync`, `-channels`, `-pool`, `-manager`) are built from these and from the thin
//! wrappers over the kernel in `os`. Most programs want those crates, or the facade `procession`; this one is for code that
//! builds something of its own on the same ground. In the examples both sides are in one process, where that does no harm.
//!
//! # Bytes and descriptors
//!
//! [`codec::encode`] turns a value of any type that serde can write into a [`codec::Message`], and [`codec::decode`] turns it
//! back. A `Link` carries messages. An open file inside the value travels beside the bytes, and the receiver has a
//! descriptor of its own for it:
//!
//! ```
//! use procession_core::{Link, codec::{self, Descriptor}};
//! use std::{fs::File, io::{Read, Write}, os::fd::OwnedFd};
//!
//! let (mut reader, writer) = std::io::pipe()?;
//! let (mut here, mut there) = Link::pair()?;
//! here.send(codec::encode(&("write to this", Descriptor::from(OwnedFd::from(writer))))?)?;
//!
//! // In the process that has the other end:
//! let message = there.recv(None)?.expect("a message");
//! let (text, end): (String, Descriptor) = codec::decode(message)?;
//! assert_eq!(text, "write to this");
//! File::from(OwnedFd::from(end)).write_all(b"hello")?;
//!
//! let mut heard = String::new();
//! reader.read_to_string(&mut heard)?; // ends, because no copy of the writer is left anywhere
//! assert_eq!(heard, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! A `Mapping` is memory that several processes see and write to, allocated in full when it is made and sealed against every
//! change of its size. An `Arena` is one that can grow. A `Blob` is memory that no process can change any more, so it can be lent
//! as a plain slice. All of them are values that a message carries, and what is in them is not copied:
//!
//! ```
//! use procession_core::{Blob, codec};
//!
//! let picture = Blob::from_bytes(&[7; 1_000_000])?;
//! let message = codec::encode(&picture)?;
//! assert!(message.bytes().len() < 32, "the pixels stay where they are");
//! assert_eq!(codec::decode::<Blob>(message)?[999_999], 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Code
//!
//! A `Function` is a function by name: its distance from where the program was loaded. That means something only to a process
//! that runs the same `Image`. Only a `Control` link carries it, and only this crate makes those, so no bytes of a stranger
//! ever become a function. With the feature `sealed`, a `SealedControl` link carries it to another host: between processes that know one key
//! and run equal executables. A `Method` is the same for a function that works on a value which stays where it is.
//!
//! ```
//! use procession_core::{Control, Function, codec};
//!
//! let (mut parent, mut child) = Control::pair()?;
//! parent.send(&Function::of(|(a, b): (u32, u32)| a * b)?)?;
//!
//! // In the child:
//! let function: Function = child.recv(None)?.expect("a function");
//! let product = function.call(codec::encode(&(6_u32, 7_u32))?, None)?;
//! assert_eq!(codec::decode::<u32>(product)?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is stable
//!
//! [`codec`], [`Waitable`], [`ApplyOn`] with [`Operand`], and [`Failure`] follow semantic versioning. All other items are the inside of
//! procession's own crates: they are hidden from the documentation, and change in any release.
//!
//! # What is not here
//!
//! Nothing here decides anything: no start methods, no locks, no queues, no retries. And nothing here calls upwards.
//!
//! Linux 5.10 or newer on x86-64 and aarch64, with glibc and `/proc`.

mod bytes;
mod code;
mod memory;
#[doc(hidden)]
pub mod os;
mod tuning;

pub use bytes::codec;
pub use bytes::failure::Failure;
pub use code::method::{ApplyOn, Operand};
pub use os::waitable::Waitable;

#[doc(hidden)]
pub use bytes::blob::{Blob, BlobError};
#[doc(hidden)]
pub use bytes::link::{Link, TryRecv};
#[doc(hidden)]
pub use bytes::link_error::LinkError;
#[doc(hidden)]
pub use bytes::{frame, packet};
#[doc(hidden)]
pub use code::call_batch::{CallBatch, Progress};
#[doc(hidden)]
pub use code::call_error::CallError;
#[doc(hidden)]
pub use code::control::Control;
#[doc(hidden)]
pub use code::control_listener::{ControlListener, ControlTicket};
#[doc(hidden)]
pub use code::end_copy::EndCopy;
#[doc(hidden)]
pub use code::function::Function;
#[doc(hidden)]
pub use code::image::Image;
#[doc(hidden)]
pub use code::method::{Method, MethodError};
#[doc(hidden)]
pub use code::name::FunctionError;
#[doc(hidden)]
pub use code::pending_drop::PendingDrop;
#[cfg(feature = "sealed")]
#[doc(hidden)]
pub use code::sealed::{
    content_hash::ContentHash, control::SealedControl, error::SealError, handshake::SealedHandshake,
};
#[doc(hidden)]
pub use code::{constructors, last_words, start};
#[doc(hidden)]
pub use memory::arena::Arena;
#[doc(hidden)]
pub use memory::buffer_memory::BufferMemory;
#[doc(hidden)]
pub use memory::buffer_pool::{Buffer, BufferHandle, BufferPool, BufferReader};
#[doc(hidden)]
pub use memory::mapping::{Mapping, MappingError};
#[doc(hidden)]
pub use memory::ring::Ring;
#[doc(hidden)]
pub use tuning::SPILL;
