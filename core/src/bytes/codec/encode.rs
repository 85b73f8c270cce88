//! Encoding: a value becomes bytes, and descriptors beside them.

use std::any::type_name;

use serde::Serialize;

use super::check::{Check, Usual};
use super::error::{EncodeError, Fault};
use super::handles::Handles;
use super::message::Message;
use super::scope::{self, Ancillary};
use super::spill::Spill;
use super::{ser, trusted};
use crate::tuning::FIRST_ALLOCATION;

/// Encodes a value, together with the descriptors inside it, for another process.
///
/// Descriptors are duplicated, so the message stays whole when the value is dropped.
///
/// # Errors
///
/// The value's own `Serialize` failed, a descriptor could not be duplicated, or the value asks for something that a
/// compact format cannot carry (see the [module](super)).
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
    // Cleared and not replaced: its allocation is what the caller passes it for.
    buffer.clear();
    let descriptors = append(value, &mut buffer)?;
    Ok(Message::new(buffer, descriptors))
}

/// Encodes a value as [`encode`] does, behind the bytes that the buffer already holds, and returns the descriptors.
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
pub(super) fn append_checked<'a, C: Check, T: Serialize + ?Sized>(
    value: &T,
    buffer: &'a mut Vec<u8>,
    spill: Option<&'a mut (dyn Spill + 'a)>,
) -> Result<Handles, EncodeError> {
    match scope::sending(false, move || ser::append::<C, T>(value, buffer, spill)) {
        // Written apart: a table that is made for both cases is copied, and the copy waits for the stores that made it.
        (Ok(()), None) => Ok(Handles::new()),
        (Ok(()), Some(ancillary)) => Ok(ancillary.into_descriptors()),
        (Err(fault), ancillary) => Err(unwritten::<T>(fault, ancillary)),
    }
}

/// Encodes as [`encode`] does, for a link on which functions may be named.
pub(crate) fn encode_trusted<T: Serialize + ?Sized>(value: &T) -> Result<Message, EncodeError> {
    let mut bytes = Vec::with_capacity(FIRST_ALLOCATION);
    let descriptors = append_trusted(value, &mut bytes)?;
    Ok(Message::new(bytes, descriptors))
}

/// Encodes as [`append`] does, for a link on which functions may be named.
pub(crate) fn append_trusted<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<Handles, EncodeError> {
    match scope::sending(true, || ser::append::<Usual, T>(value, bytes, None)) {
        (Ok(()), ancillary) => {
            let ancillary = ancillary.unwrap_or_default();
            // Behind the value, from whose end `trusted::split` takes it: no length of the value is written.
            trusted::append(&ancillary.trusted, bytes);
            Ok(ancillary.into_descriptors())
        }
        (Err(fault), ancillary) => Err(unwritten::<T>(fault, ancillary)),
    }
}

#[cold]
fn unwritten<T: ?Sized>(fault: Fault, ancillary: Option<Box<Ancillary>>) -> EncodeError {
    EncodeError::new(type_name::<T>(), fault, ancillary.is_some_and(|ancillary| ancillary.ran_out))
}
