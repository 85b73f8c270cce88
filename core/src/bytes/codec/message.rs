//! What crosses a process boundary in one piece: bytes, and descriptors beside them.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::AsFd;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::handles::{Handle, Handles};
use super::numbered::Lent;
use super::{bytes, scope};
use crate::bytes::blob::Blob;
use crate::bytes::blob::BlobError;

/// Bytes, and the open descriptors that travel beside them.
///
/// A message can be part of another message's value. There its bytes stay what they are: nothing in them is looked at,
/// and nothing in them is believed, until it is decoded by itself.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{decode, encode, Message};
///
/// let inner = encode("the letter")?;
/// let outer = encode(&("the envelope", inner))?;
/// let (label, inner): (String, Message) = decode(outer)?;
/// assert_eq!((label.as_str(), decode::<String>(inner)?.as_str()), ("the envelope", "the letter"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Message {
    payload: Payload,
    descriptors: Handles,
}

impl Message {
    /// A message of these bytes and descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// let message = procession_core::codec::Message::new(vec![1, 2, 3], Vec::new());
    /// assert_eq!(message.bytes(), [1, 2, 3]);
    /// ```
    #[must_use]
    pub fn new(bytes: Vec<u8>, descriptors: impl Into<Handles>) -> Self {
        Self { payload: Payload(Bytes::Owned(bytes)), descriptors: descriptors.into() }
    }

    /// A message whose bytes lie in sealed memory, which is sent without copying it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::{codec::Message, Blob};
    ///
    /// let message = Message::from_blob(Blob::from_bytes(&[1, 2, 3])?, Vec::new());
    /// assert_eq!(message.bytes(), [1, 2, 3]);
    /// # Ok::<(), procession_core::BlobError>(())
    /// ```
    #[must_use]
    pub fn from_blob(blob: Blob, descriptors: impl Into<Handles>) -> Self {
        Self { payload: Payload(Bytes::Sealed(blob)), descriptors: descriptors.into() }
    }

    /// The encoded value.
    ///
    /// # Examples
    ///
    /// ```
    /// let message = procession_core::codec::encode(&true)?;
    /// assert_eq!(message.bytes()[0], 1);
    /// # Ok::<(), procession_core::codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.payload
    }

    /// The descriptors, in the order of their numbers in the bytes. What they are shows when the message is decoded.
    ///
    /// # Examples
    ///
    /// ```
    /// let message = procession_core::codec::encode("no descriptor")?;
    /// assert!(message.descriptors().is_empty());
    /// # Ok::<(), procession_core::codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn descriptors(&self) -> &Handles {
        &self.descriptors
    }

    /// Takes the message apart.
    ///
    /// # Examples
    ///
    /// ```
    /// let (payload, descriptors) = procession_core::codec::encode(&7u8)?.into_parts();
    /// assert_eq!((payload.into_vec()[0], descriptors.len()), (7, 0));
    /// # Ok::<(), procession_core::codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (Payload, Handles) {
        (self.payload, self.descriptors)
    }

    /// A second message of the same bytes, with descriptors of its own for the same open objects.
    ///
    /// # Errors
    ///
    /// The limit on open descriptors is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// let message = procession_core::codec::encode("twice")?;
    /// assert_eq!(message.try_clone()?.bytes(), message.bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { payload: self.payload.clone(), descriptors: self.descriptors.try_clone()? })
    }
}

impl fmt::Debug for Message {
    /// Shows how much there is, not what: a payload may be a secret, and may be a gigabyte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payload, descriptors } = self;
        f.debug_struct("Message").field("payload", payload).field("descriptors", descriptors).finish()
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let descriptors: Vec<Lent<'_>> =
            self.descriptors.as_slice().iter().map(|one| Lent(one.kind, one.fd.as_fd())).collect();
        (&self.payload, descriptors).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (payload, descriptors) = <(Payload, Vec<Handle>)>::deserialize(deserializer)?;
        Ok(Self { payload, descriptors: descriptors.into_iter().collect() })
    }
}

/// The bytes of a message: in this process's own memory, or in sealed memory that is shared.
///
/// # Examples
///
/// ```
/// let (payload, _) = procession_core::codec::encode("abc")?.into_parts();
/// assert_eq!(&payload[1..4], b"abc");
/// # Ok::<(), procession_core::codec::EncodeError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct Payload(Bytes);

#[derive(Clone, Serialize, Deserialize)]
enum Bytes {
    Owned(#[serde(with = "bytes")] Vec<u8>),
    Sealed(Blob),
}

impl Payload {
    /// The bytes as a vector: those in sealed memory are copied.
    ///
    /// # Examples
    ///
    /// ```
    /// let (payload, _) = procession_core::codec::encode(&7u8)?.into_parts();
    /// assert_eq!(payload.into_vec()[0], 7);
    /// # Ok::<(), procession_core::codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Bytes::Owned(bytes) => bytes,
            Bytes::Sealed(blob) => blob.to_vec(),
        }
    }

    /// The bytes in sealed memory: those that are not there yet are copied.
    ///
    /// # Errors
    ///
    /// As for [`Blob::from_bytes`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (payload, _) = procession_core::codec::encode(&7u8)?.into_parts();
    /// assert_eq!(payload.into_blob()?[0], 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_blob(self) -> Result<Blob, BlobError> {
        match self.0 {
            Bytes::Owned(bytes) => Blob::from_bytes(&bytes),
            Bytes::Sealed(blob) => Ok(blob),
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self(Bytes::Owned(Vec::new()))
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Owned(bytes) => bytes,
            Bytes::Sealed(blob) => blob,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if matches!(self.0, Bytes::Owned(_)) { "owned" } else { "sealed" };
        f.debug_struct("Payload").field("len", &self.len()).field("memory", &place).finish()
    }
}

/// Only for a message inside a message, whose descriptors stay what they are.
impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Of any kind: a message inside of a message passes on what it carries and does not use it.
        scope::take_any(u32::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
