//! The ground floor of procession: the four things that cross a process boundary.
//!
//! | carrier | what crosses | here |
//! | --- | --- | --- |
//! | bytes | a value, encoded | [`codec`], [`frame`], [`Link`] |
//! | descriptors | an open kernel object, beside the bytes | [`codec::Descriptor`], [`Link`] |
//! | memory | a mapping, itself named by a descriptor | [`Mapping`], [`Blob`] |
//! | code | the name of a function of this same program | [`Function`], [`Method`], [`Control`], [`Door`], [`Image`] |
//!
//! The crates above (`procession-process`, `-sync`, `-channels`, `-pool`, `-manager`) are built from these and from the thin
//! wrappers over the kernel in [`os`]. Most programs want those crates, or the facade `procession`; this one is for who
//! builds something of their own on the same ground.
//!
//! # Bytes and descriptors
//!
//! [`codec::encode`] turns any value that implements serde's traits into a [`codec::Message`]. An open file inside the value
//! travels beside the bytes:
//!
//! ```
//! use procession_core::{Link, codec};
//! use std::io::Read;
//!
//! let (reader, writer) = std::io::pipe()?;
//! let (mut here, mut there) = Link::pair()?;
//! here.send(codec::encode(&("the end to write to", codec::Descriptor::from(std::os::fd::OwnedFd::from(writer))))?)?;
//!
//! let message = there.recv(None)?.expect("a message");
//! let (text, end): (String, codec::Descriptor) = codec::decode(message)?;
//! assert_eq!(text, "the end to write to");
//! std::io::Write::write_all(&mut std::fs::File::from(std::os::fd::OwnedFd::from(end)), b"hello")?;
//! # drop(here);
//! let mut heard = [0; 5];
//! { &reader }.read_exact(&mut heard)?;
//! assert_eq!(&heard, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! A [`Mapping`] is memory that several processes see, allocated in full when it is made and sealed against every change of
//! its size. A [`Blob`] is memory that nobody can change any more, so it can be lent as a plain slice.
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
//! A [`Function`] is a function by name: its distance from where the program was loaded. Only a [`Control`] link carries it,
//! and only this crate makes those, so no bytes of a stranger ever become a function.
//!
//! ```
//! use procession_core::{Control, Function, codec};
//!
//! let (mut parent, mut child) = Control::pair()?;
//! parent.send(&Function::of(|(a, b): (u32, u32)| a * b)?)?;
//! let function: Function = child.recv(None)?.expect("a function");
//! let product = function.call(codec::encode(&(6_u32, 7_u32))?, None)?;
//! assert_eq!(codec::decode::<u32>(product)?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is not here
//!
//! Nothing here decides anything: no start methods, no locks, no queues, no retries. And nothing here calls upwards.

pub mod codec;
pub mod frame;
pub mod os;
pub mod start;

mod arena;
mod blob;
mod control;
mod door;
mod function;
mod image;
mod link;
mod mapping;
mod method;
mod ring;
mod waitable;

pub use arena::Arena;
pub use blob::{Blob, BlobError};
pub use control::Control;
pub use door::{Door, Key};
pub use function::{CallError, Function, FunctionError};
pub use image::Image;
pub use link::{Link, LinkError, SPILL, TryRecv};
pub use mapping::{Mapping, MappingError};
pub use method::{Given, Method, MethodError, Target};
pub use ring::Ring;
pub use waitable::Waitable;
