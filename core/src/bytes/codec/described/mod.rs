//! For serde's `with`, and as [`SelfDescribed`]: values in a form that says what comes next.
//!
//! The usual form leaves out what both sides know from the type. Types that ask what comes next cannot travel in it: such as
//! `serde_json::Value`, and those with serde's `untagged`, `flatten`, or `tag`. Here each thing has a mark before it, structs are maps with
//! the names of their fields as keys, and variants have their names, as in JSON. All of serde's data model comes back as it was, including what
//! JSON has no words for: `Some(None)`, numbers that are not finite or have 128 bits, blocks of bytes, keys that are no texts. Handles
//! may be inside, as everywhere in a message.
//!
//! ```
//! use procession_core::codec::{decode, encode};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Event {
//!     id: u64,
//!     #[serde(with = "procession_core::codec::described")]
//!     payload: serde_json::Value,
//! }
//!
//! let event = Event { id: 7, payload: serde_json::json!({ "user": "ada", "tags": [1, null, 2.5] }) };
//! assert_eq!(decode::<Event>(encode(&event)?)?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod mark;
mod read;
mod write;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bytes;

/// A value that travels in a form that says what comes next, so that serde's `untagged`, `flatten` and `tag` work, and types like
/// `serde_json::Value`.
///
/// It costs some more bytes and time than the usual form, in which such types are refused. As an argument, a result, or
/// an item of a queue it is unwrapped where it arrives; for a field there is
/// `#[serde(with = "…")]`, see the [module](self).
///
/// # Examples
///
/// ```
/// use procession_core::codec::{SelfDescribed, decode, encode};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// #[serde(untagged)]
/// enum Answer {
///     Number(u32),
///     Text(String),
/// }
///
/// let message = encode(&SelfDescribed(vec![Answer::Number(42), Answer::Text("none".into())]))?;
/// let SelfDescribed(answers): SelfDescribed<Vec<Answer>> = decode(message)?;
/// assert_eq!(answers, [Answer::Number(42), Answer::Text("none".into())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "pickle")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelfDescribed<T>(pub T);

impl<T> From<T> for SelfDescribed<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Serialize> Serialize for SelfDescribed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for SelfDescribed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

/// Writes the value in a form that says what comes next, as one block of bytes.
///
/// # Errors
///
/// The value's own `Serialize` failed, or the serializer did.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{decode, described, encode};
///
/// struct Text(serde_json::Value);
///
/// impl serde::Serialize for Text {
///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         described::serialize(&self.0, serializer)
///     }
/// }
///
/// assert!(encode(&Text(serde_json::json!([1, 2]))).is_ok());
/// ```
pub fn serialize<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let written = write::to_bytes(value).map_err(S::Error::custom)?;
    bytes::serialize(&written, serializer)
}

/// Reads what [`serialize`] has written.
///
/// # Errors
///
/// The bytes are none of those, the type's own `Deserialize` refused them, or the deserializer did.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{SelfDescribed, decode, described, encode};
///
/// struct Text(serde_json::Value);
///
/// impl<'de> serde::Deserialize<'de> for Text {
///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         described::deserialize(deserializer).map(Self)
///     }
/// }
///
/// let text: Text = decode(encode(&SelfDescribed((1, "two")))?)?;
/// assert_eq!(text.0, serde_json::json!([1, "two"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let written: Vec<u8> = bytes::deserialize(deserializer)?;
    read::from_bytes(&written).map_err(D::Error::custom)
}
