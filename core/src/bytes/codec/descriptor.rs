//! An open kernel object as a value that can be sent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fd;

/// An owned descriptor that can ride inside any message to another process.
///
/// Encoding duplicates it, so the sender keeps its own; the receiver gets a descriptor of its own for the same open
/// object. Serializing it anywhere but inside a message fails with an error that says so.
///
/// # Examples
///
/// ```
/// use std::fs::File;
/// use std::io::{Read, Write};
/// use procession_core::codec::{decode, encode, Descriptor};
///
/// let (mut reader, writer) = std::io::pipe()?;
/// let message = encode(&("speak here", Descriptor::from(std::os::fd::OwnedFd::from(writer))))?;
///
/// // In the other process:
/// let (text, descriptor): (String, Descriptor) = decode(message)?;
/// File::from(std::os::fd::OwnedFd::from(descriptor)).write_all(text.as_bytes())?;
///
/// let mut heard = String::new();
/// reader.read_to_string(&mut heard)?;
/// assert_eq!(heard, "speak here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "DupFd")]
#[doc(alias = "send_handle")]
#[doc(alias = "recv_handle")]
#[derive(Debug)]
pub struct Descriptor(OwnedFd);

impl Descriptor {
    /// A second descriptor for the same open object, closed on exec like the first.
    ///
    /// # Errors
    ///
    /// The limit on open descriptors is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    /// use procession_core::codec::Descriptor;
    ///
    /// let first = Descriptor::from(OwnedFd::from(std::fs::File::open("/dev/null")?));
    /// let second = first.try_clone()?;
    /// assert_ne!(first.as_fd().as_raw_fd(), second.as_fd().as_raw_fd());
    /// # drop(second);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Descriptor> for OwnedFd {
    fn from(descriptor: Descriptor) -> Self {
        descriptor.0
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fd::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fd::deserialize(deserializer)
    }
}
