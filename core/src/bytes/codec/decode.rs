//! Decoding: bytes become a value, and what was not used is an error.

use std::any::type_name;

use serde::de::DeserializeOwned;

use super::check::{Check, Usual};
use super::error::{DecodeError, Fault};
use super::handles::Handles;
use super::message::Message;
use super::scope::{self, Ancillary};
use super::short::short;
use super::{de, trusted};

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
pub(super) fn decode_checked<C: Check, T: DeserializeOwned>(
    bytes: &[u8],
    descriptors: Handles,
) -> Result<T, DecodeError> {
    // Most messages bring no descriptors, and then no table is allocated.
    if descriptors.is_empty() {
        return finish(scope::receiving_nothing(|| de::from_bytes::<C, T>(bytes)), type_name::<T>());
    }
    finish(scope::receiving(None, descriptors, || de::from_bytes::<C, T>(bytes)), type_name::<T>())
}

/// Decodes short values that lie one behind another, as in a [`CallBatch`](crate::code::call_batch::CallBatch), up to `max` of them, and appends them to
/// `values`. Returns how many bytes they took up.
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
pub fn decode_row<T: DeserializeOwned>(row: &[u8], max: usize, values: &mut Vec<T>) -> Result<usize, DecodeError> {
    // One scope for the whole row: short values come without descriptors, so none of them needs its own.
    let read = scope::receiving_nothing(|| {
        let mut at = 0;
        for _ in 0..max {
            let Some(body) = row.get(at..).and_then(short) else { break };
            values.push(de::from_bytes::<Usual, T>(body)?);
            at += 1 + body.len();
        }
        Ok(at)
    });
    finish(read, type_name::<T>())
}

/// Decodes as [`decode`] does, and lets the names of functions in the message become functions.
///
/// Only for messages that a link between processes of one program brought, after both have shown that they run the same
/// image.
pub(crate) fn decode_trusted<T: DeserializeOwned>(message: Message) -> Result<T, DecodeError> {
    let (payload, descriptors) = message.into_parts();
    // The table is split off first: the value's own end is then the end of its bytes, and what is left over is an error.
    match trusted::split(&payload) {
        Some((bytes, trusted)) => {
            finish(scope::receiving(Some(trusted), descriptors, || de::from_bytes::<Usual, T>(bytes)), type_name::<T>())
        }
        None => Err(DecodeError::new(type_name::<T>(), Fault::text("it is no message of a control link"))),
    }
}

/// What was read, if nothing that came with it is left over. `name` is the name of the type that was read.
#[inline(always)]
fn finish<T>((value, left): (Result<T, Fault>, Option<Box<Ancillary>>), name: &'static str) -> Result<T, DecodeError> {
    match (value, left) {
        (Ok(value), None) => Ok(value),
        // A descriptor that no part of the value takes would be closed unseen. An error shows that the two halves differ.
        (Ok(value), Some(left)) => match left.into_descriptors().len() {
            0 => Ok(value),
            left => Err(DecodeError::new(name, unmentioned(left))),
        },
        (Err(fault), _) => Err(DecodeError::new(name, fault)),
    }
}

#[cold]
fn unmentioned(left: usize) -> Fault {
    Fault::text(format!("message carried {left} descriptors that the value does not mention"))
}
