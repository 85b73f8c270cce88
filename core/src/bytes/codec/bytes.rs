//! For serde's `with`: writes a field of bytes as one block, several times faster than as a sequence of numbers.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use procession_core::codec::{decode, encode};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Picture {
//!     width: u32,
//!     #[serde(with = "procession_core::codec::bytes")]
//!     pixels: Vec<u8>,
//! }
//!
//! let message = encode(&Picture { width: 640, pixels: vec![7; 640 * 480] })?;
//! let picture: Picture = decode(message)?;
//! assert_eq!(picture.pixels.len(), 640 * 480);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Fields of the `serde_bytes` crate are written the same way.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserializer, Serializer};

/// Writes the bytes as one block.
///
/// # Errors
///
/// Whatever the serializer says.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{bytes, encode};
/// use serde::{Serialize, Serializer};
///
/// struct Pixels(Vec<u8>);
///
/// impl Serialize for Pixels {
///     fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         bytes::serialize(&self.0, serializer)
///     }
/// }
///
/// assert_eq!(encode(&Pixels(vec![7; 3]))?.bytes()[..4], [3, 7, 7, 7], "the length, and the block");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serialize<T: AsRef<[u8]>, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(value.as_ref())
}

/// Reads one block of bytes.
///
/// # Errors
///
/// The block is longer than the message that it comes in, or the deserializer has something else to offer.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{bytes, decode, encode};
/// use serde::{Deserialize, Deserializer};
///
/// struct Pixels(Vec<u8>);
///
/// impl<'de> Deserialize<'de> for Pixels {
///     fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         bytes::deserialize(deserializer).map(Self)
///     }
/// }
///
/// struct Bytes(&'static [u8]);
///
/// impl serde::Serialize for Bytes {
///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         bytes::serialize(&self.0, serializer)
///     }
/// }
///
/// let pixels: Pixels = decode(encode(&Bytes(b"RGB"))?)?;
/// assert_eq!(pixels.0, b"RGB");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_byte_buf(Block).map(T::from)
}

struct Block;

impl Visitor<'_> for Block {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block of bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(crate::os::large::copied(bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}
