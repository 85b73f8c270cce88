//! Values to bytes and back: the one place that knows how a value is written down for another process.
//!
//! [`encode`] turns any serializable value into a [`Message`], [`decode`] turns it back. Beside its bytes a message
//! carries open descriptors: a [`Descriptor`] inside the value (or any handle that is built on one) puts the kernel
//! object into the message's table and leaves its number in the bytes. Only these functions open such a table, so
//! a handle that is serialized anywhere else (to JSON, say) fails with a sentence that says why.
//!
//! A value arrives as it was, or not at all. Variants and fields are told apart by their names, so that skipped variants, aliases and
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
mod descriptor;
mod error;
mod handles;
mod message;
mod names;
mod read;
mod scope;
mod ser;
mod spill;
mod vouchers;
mod written;

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use any_path::{AnyPath, path};
pub use described::SelfDescribed;
pub use descriptor::Descriptor;
pub use error::{DecodeError, EncodeError};
pub(crate) use handles::Handle;
pub use handles::{Handles, Kind};
pub(crate) use message::{Lent, Numbered};
pub use message::{Message, Payload};
pub(crate) use scope::{put, take, vouch, vouched};
pub use spill::Spill;

use crate::code::call_batch::short;
use check::{Check, Usual};
use error::Fault;
use scope::Goods;

/// How many values may be nested inside one another.
///
/// A hostile message could otherwise nest a recursive type so deep that reading it overflows the stack.
const MAX_DEPTH: u32 = 512;

/// The first allocation of an encoder, in bytes: most messages are small, and growing from nothing takes several steps.
const FIRST_ALLOCATION: usize = 64;

/// Whether this build writes and compares the kinds of all numbers and texts: a debug build, or one with the feature `checked`.
///
/// Two programs of which only one does so do not understand each other, but for what is [`portable`].
///
/// ```
/// assert!(procession_core::codec::IS_CHECKED || !cfg!(debug_assertions));
/// ```
pub const IS_CHECKED: bool = Usual::IS_ON;

/// Encodes a value, together with the descriptors inside it, for another process.
///
/// Descriptors are duplicated, so the message stays whole when the value is dropped.
///
/// # Errors
///
/// The value's own `Serialize` failed, a descriptor could not be duplicated, or the value asks for something that a
/// compact format cannot carry (see the [module](self)).
///
/// # Examples
///
/// ```
/// let message = procession_core::codec::encode(&vec![1u32, 2, 3])?;
/// assert!(message.bytes().starts_with(&[3, 1, 2, 3]));
/// # Ok::<(), procession_core::codec::EncodeError>(())
/// ```
#[doc(alias = "pickle")]
#[doc(alias = "dumps")]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Message, EncodeError> {
    encode_into(value, Vec::with_capacity(FIRST_ALLOCATION))
}

/// Encodes a value as [`encode`] does, into a buffer that the caller has used before.
///
/// What the buffer holds is thrown away, its memory is used again. For large messages this costs a third of what a
/// fresh allocation costs, because the kernel need not clear the pages.
///
/// # Errors
///
/// As for [`encode`].
///
/// # Examples
///
/// ```
/// use procession_core::codec::{decode_from, encode_into};
///
/// let mut buffer = Vec::new();
/// for number in 0..10u8 {
///     let message = encode_into(&number, buffer)?;
///     buffer = message.into_parts().0.into_vec();
///     assert_eq!(decode_from::<u8>(&buffer, Vec::new())?, number);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_into<T: Serialize + ?Sized>(value: &T, mut buffer: Vec<u8>) -> Result<Message, EncodeError> {
    buffer.clear();
    let descriptors = append(value, &mut buffer)?;
    Ok(Message::new(buffer, descriptors))
}

/// Encodes a value as [`encode`] does, behind the bytes that the buffer already holds, and answers the descriptors.
///
/// Many small values that travel together are written to one buffer in this way. After an error, or a panic of the value's own
/// `Serialize`, the buffer is as it was.
///
/// # Errors
///
/// As for [`encode`].
///
/// # Examples
///
/// ```
/// use procession_core::codec::{append, decode_from};
///
/// let (mut buffer, mut ends) = (Vec::new(), Vec::new());
/// for number in 1..4u8 {
///     append(&number, &mut buffer)?;
///     ends.push(buffer.len());
/// }
/// assert_eq!(decode_from::<u8>(&buffer[ends[1]..], Vec::new())?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn append<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<Handles, EncodeError> {
    append_checked::<Usual, T>(value, buffer, None)
}

/// Encodes a value as [`append`] does, but gives its large blocks to `spill`, with what was written before them. What the buffer holds more in the
/// end comes behind that.
///
/// # Errors
///
/// As for [`encode`]. What was spilled by then is half a message.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{self, Handles, Spill};
///
/// struct Whole(Vec<u8>);
///
/// impl Spill for Whole {
///     fn spill(&mut self, before: &[u8], block: &[u8]) -> bool {
///         self.0.extend_from_slice(before);
///         self.0.extend_from_slice(block);
///         true
///     }
///
///     fn amend(&mut self, at: usize, bytes: &[u8]) {
///         self.0[at..at + bytes.len()].copy_from_slice(bytes);
///     }
/// }
///
/// let value = (1, "a".repeat(100_000), 2);
/// let (mut whole, mut rest) = (Whole(Vec::new()), Vec::new());
/// codec::append_spilling(&value, &mut rest, &mut whole)?;
/// assert!(whole.0.len() > 100_000 && rest.len() < 10);
/// assert_eq!(codec::decode_from::<(i32, String, i32)>(&[whole.0, rest].concat(), Handles::new())?, value);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn append_spilling<T: Serialize + ?Sized>(
    value: &T,
    buffer: &mut Vec<u8>,
    spill: &mut dyn Spill,
) -> Result<Handles, EncodeError> {
    append_checked::<Usual, T>(value, buffer, Some(spill))
}

#[inline]
fn append_checked<'a, C: Check, T: Serialize + ?Sized>(
    value: &T,
    buffer: &'a mut Vec<u8>,
    spill: Option<&'a mut (dyn Spill + 'a)>,
) -> Result<Handles, EncodeError> {
    match scope::sending(false, move || ser::append::<C, T>(value, buffer, spill)) {
        (Ok(()), goods) => Ok(goods.map_or_else(Handles::new, |goods| goods.into_descriptors())),
        (Err(fault), goods) => Err(unwritten::<T>(fault, goods)),
    }
}

/// Decodes a value, and closes the message.
///
/// # Errors
///
/// The bytes are no encoding of a `T`, bytes or descriptors are left over, or the type's own `Deserialize` refused
/// them.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{decode, encode};
///
/// let message = encode(&1u8)?;
/// let error = decode::<Vec<String>>(message).unwrap_err();
/// assert!(error.to_string().starts_with("cannot decode a value of type `alloc::vec::Vec<alloc::string::String>`"));
/// # Ok::<(), procession_core::codec::EncodeError>(())
/// ```
#[doc(alias = "unpickle")]
#[doc(alias = "loads")]
pub fn decode<T: DeserializeOwned>(message: Message) -> Result<T, DecodeError> {
    let (payload, descriptors) = message.into_parts();
    decode_from(&payload, descriptors)
}

/// Decodes a value from borrowed bytes and the descriptors that came with them.
///
/// This spares a copy where the bytes lie in a buffer that will be used again.
///
/// # Errors
///
/// As for [`decode`]. The descriptors are closed in any case, but for those that the value took.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{decode_from, encode};
///
/// let message = encode(&[1, 2, 3].as_slice())?;
/// let numbers: Vec<i32> = decode_from(message.bytes(), Vec::new())?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn decode_from<T: DeserializeOwned>(bytes: &[u8], descriptors: impl Into<Handles>) -> Result<T, DecodeError> {
    decode_checked::<Usual, T>(bytes, descriptors.into())
}

#[inline]
fn decode_checked<C: Check, T: DeserializeOwned>(bytes: &[u8], descriptors: Handles) -> Result<T, DecodeError> {
    if descriptors.is_empty() {
        return finish(scope::receiving_nothing(|| de::from_bytes::<C, T>(bytes)), type_name::<T>());
    }
    finish(scope::receiving(None, descriptors, || de::from_bytes::<C, T>(bytes)), type_name::<T>())
}

/// Decodes short values that lie one behind another, as in a [`CallBatch`](crate::code::call_batch::CallBatch), up to `most` of them, and appends them to
/// `values`. Answers how many bytes they took up.
///
/// # Errors
///
/// As for [`decode`], of the first value that cannot be decoded: those before it were appended.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{append, decode_row};
///
/// let mut row = Vec::new();
/// for number in [40_u8, 42] {
///     let mut value = Vec::new();
///     append(&number, &mut value)?;
///     row.push(value.len() as u8);
///     row.extend(value);
/// }
/// let end = row.len();
/// row.push(255);
///
/// let mut values: Vec<u8> = Vec::new();
/// assert_eq!(decode_row(&row, 10, &mut values)?, end);
/// assert_eq!(values, [40, 42], "what follows is no short value");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn decode_row<T: DeserializeOwned>(row: &[u8], most: usize, values: &mut Vec<T>) -> Result<usize, DecodeError> {
    let read = scope::receiving_nothing(|| {
        let mut at = 0;
        for _ in 0..most {
            let Some(body) = row.get(at..).and_then(short) else { break };
            values.push(de::from_bytes::<Usual, T>(body)?);
            at += 1 + body.len();
        }
        Ok(at)
    });
    finish(read, type_name::<T>())
}

/// Encodes as [`encode`] does, for a link on which functions may be named.
pub(crate) fn encode_trusted<T: Serialize + ?Sized>(value: &T) -> Result<Message, EncodeError> {
    let mut bytes = Vec::with_capacity(FIRST_ALLOCATION);
    match scope::sending(true, || ser::append::<Usual, T>(value, &mut bytes, None)) {
        (Ok(()), goods) => {
            let goods = goods.unwrap_or_default();
            vouchers::append(&goods.vouchers, &mut bytes);
            Ok(Message::new(bytes, goods.into_descriptors()))
        }
        (Err(fault), goods) => Err(unwritten::<T>(fault, goods)),
    }
}

/// Decodes as [`decode`] does, and lets the names of functions in the message become functions.
///
/// Only for messages that a link between processes of one program brought, after both have shown that they run the same
/// image.
pub(crate) fn decode_trusted<T: DeserializeOwned>(message: Message) -> Result<T, DecodeError> {
    let (payload, descriptors) = message.into_parts();
    match vouchers::split(&payload) {
        Some((bytes, vouchers)) => finish(
            scope::receiving(Some(vouchers), descriptors, || de::from_bytes::<Usual, T>(bytes)),
            type_name::<T>(),
        ),
        None => Err(DecodeError::new(type_name::<T>(), Fault::text("it is no message of a control link"))),
    }
}

/// What was read, if nothing that came with it is left over. `name` is the name of the type that was read.
#[inline(always)]
fn finish<T>((value, left): (Result<T, Fault>, Option<Box<Goods>>), name: &'static str) -> Result<T, DecodeError> {
    match (value, left) {
        (Ok(value), None) => Ok(value),
        (Ok(value), Some(left)) => match left.into_descriptors().len() {
            0 => Ok(value),
            left => Err(DecodeError::new(name, unmentioned(left))),
        },
        (Err(fault), _) => Err(DecodeError::new(name, fault)),
    }
}

#[cold]
fn unwritten<T: ?Sized>(fault: Fault, goods: Option<Box<Goods>>) -> EncodeError {
    EncodeError::new(type_name::<T>(), fault, goods.is_some_and(|goods| goods.ran_out))
}

#[cold]
fn unmentioned(left: usize) -> Fault {
    Fault::text(format!("message carried {left} descriptors that the value does not mention"))
}
