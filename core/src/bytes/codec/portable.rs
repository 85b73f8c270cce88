//! Values for readers that may be another build of the program, or another program: over sockets, to a manager.
//!
//! A debug build checks more than a release build does and writes more for it. Here one byte before the value says which of the two
//! was done, and each side reads both.
//!
//! ```
//! use procession_core::codec::portable;
//!
//! let message = portable::encode(&("seven", 7))?;
//! assert_eq!(portable::decode::<(String, i32)>(message)?, ("seven".to_owned(), 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::type_name;

use super::check::{Check, Sum, Unchecked, Usual};
use super::decode::decode_checked;
use super::encode::append_checked;
use super::error::{DecodeError, EncodeError, Fault};
use super::handles::Handles;
use super::message::Message;
use crate::tuning::FIRST_ALLOCATION;

/// What stands before a value behind which a sum stands, and what stands before others.
const CHECKED: u8 = 1;
const UNCHECKED: u8 = 0;

/// Encodes a value, as [`encode`](super::encode) does.
///
/// # Errors
///
/// As for [`encode`](super::encode).
///
/// # Examples
///
/// ```
/// use procession_core::codec::portable;
///
/// let message = portable::encode(&5_u8)?;
/// assert_eq!(message.bytes()[1], 5);
/// # Ok::<(), procession_core::codec::EncodeError>(())
/// ```
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Message, EncodeError> {
    encode_into(value, Vec::with_capacity(FIRST_ALLOCATION))
}

/// Encodes a value, as [`encode_into`](super::encode_into) does.
///
/// # Errors
///
/// As for [`encode`](super::encode).
///
/// # Examples
///
/// ```
/// use procession_core::codec::portable;
///
/// let message = portable::encode_into("text", vec![0; 100])?;
/// assert_eq!(portable::decode::<String>(message)?, "text");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_into<T: Serialize + ?Sized>(value: &T, buffer: Vec<u8>) -> Result<Message, EncodeError> {
    encode_checked::<Usual, T>(value, buffer)
}

fn encode_checked<C: Check, T: Serialize + ?Sized>(value: &T, mut buffer: Vec<u8>) -> Result<Message, EncodeError> {
    buffer.clear();
    // What this build does, and not what a reader wants: the reader may be built in the other way.
    buffer.push(if C::IS_ON { CHECKED } else { UNCHECKED });
    let descriptors = append_checked::<C, T>(value, &mut buffer, None)?;
    Ok(Message::new(buffer, descriptors))
}

/// Decodes a value, and closes the message.
///
/// # Errors
///
/// As for [`decode`](super::decode).
///
/// # Examples
///
/// ```
/// use procession_core::codec::portable;
///
/// let error = portable::decode::<u8>(portable::encode(&300_u16)?).unwrap_err();
/// assert_eq!(error.type_name(), "u8");
/// # Ok::<(), procession_core::codec::EncodeError>(())
/// ```
pub fn decode<T: DeserializeOwned>(message: Message) -> Result<T, DecodeError> {
    let (payload, descriptors) = message.into_parts();
    decode_from(&payload, descriptors)
}

/// Decodes a value from borrowed bytes and the descriptors that came with them.
///
/// # Errors
///
/// As for [`decode`](super::decode).
///
/// # Examples
///
/// ```
/// use procession_core::codec::portable;
///
/// let message = portable::encode("text")?;
/// assert_eq!(portable::decode_from::<String>(message.bytes(), Vec::new())?, "text");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode_from<T: DeserializeOwned>(bytes: &[u8], descriptors: impl Into<Handles>) -> Result<T, DecodeError> {
    match bytes.split_first() {
        Some((&CHECKED, value)) => decode_checked::<Sum, T>(value, descriptors.into()),
        Some((&UNCHECKED, value)) => decode_checked::<Unchecked, T>(value, descriptors.into()),
        _ => Err(DecodeError::new(type_name::<T>(), Fault::text("the bytes are no value of this library's"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_build_reads_what_the_other_writes() {
        let value = (1_u8, "text".to_owned(), vec![Some(-1_i64), None]);
        let checked = encode_checked::<Sum, _>(&value, Vec::new()).unwrap();
        let unchecked = encode_checked::<Unchecked, _>(&value, Vec::new()).unwrap();
        assert!(checked.bytes().len() > unchecked.bytes().len());
        assert_eq!(decode::<(u8, String, Vec<Option<i64>>)>(checked).unwrap(), value);
        assert_eq!(decode::<(u8, String, Vec<Option<i64>>)>(unchecked).unwrap(), value);
        assert!(decode_from::<()>(&[], Vec::new()).is_err() && decode_from::<()>(&[7], Vec::new()).is_err());
    }
}
