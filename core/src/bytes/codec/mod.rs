//! Values to bytes and back: the one place that knows how a value is written down for another process.
//!
//! [`encode`] turns any serializable value into a [`Message`], [`decode`] turns it back. Beside its bytes a message
//! carries open descriptors: a [`Descriptor`] inside the value (or any handle that is built on one) puts the kernel
//! object into the message's table and leaves its number in the bytes. Only these functions open such a table, so
//! a handle that is serialized anywhere else (to JSON, say) fails with a sentence that says why.
//!
//! A value arrives as it was, or not at all. Variants and fields are known by their names, so that skipped variants, aliases and
//! fields that are left out (`skip_serializing`, `skip_serializing_if`) come out right, and where the two halves of a type cannot be brought
//! together there is an error. In debug builds, and with the feature `checked`, the kinds of all numbers and texts are compared too. What
//! arrives is believed only after it was checked: trailing bytes, lengths beyond the message, descriptors that nothing mentions and
//! nesting without end are all errors, and the text of an error that a type's own `Deserialize` raised is kept.
//!
//! ```
//! use procession_core::codec::{decode, encode};
//!
//! let message = encode(&("seven", 7))?;
//! let (name, number): (String, i32) = decode(message)?;
//! assert_eq!((name.as_str(), number), ("seven", 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bytes;
pub mod described;
pub mod fd;
pub mod portable;

mod any_path;
mod buffer;
mod check;
mod cursor;
mod de;
mod decode;
mod depth;
mod descriptor;
mod encode;
mod error;
pub(crate) mod handles;
mod input;
mod message;
mod names;
pub(crate) mod numbered;
mod output;
mod read;
mod scope;
mod ser;
pub(crate) mod short;
mod spill;
mod trusted;
mod varint;
mod written;

pub use any_path::{AnyPath, path};
pub use check::IS_CHECKED;
pub(crate) use decode::decode_trusted;
pub use decode::{decode, decode_from, decode_row};
pub use described::SelfDescribed;
pub use descriptor::Descriptor;
#[cfg(feature = "sealed")]
pub(crate) use encode::append_trusted;
pub(crate) use encode::encode_trusted;
pub use encode::{append, append_spilling, encode, encode_into};
pub use error::{DecodeError, EncodeError};
pub(crate) use handles::Handle;
pub use handles::{Handles, Kind};
pub use message::{Message, Payload};
pub(crate) use numbered::{Lent, Numbered};
pub(crate) use scope::{put, put_trusted, take, take_trusted};
pub use spill::Spill;
