//! For serde's `with`: lets a field of any type that owns a descriptor be sent to another process.
//!
//! ```
//! use std::fs::File;
//! use serde::{Deserialize, Serialize};
//! use procession_core::codec::{decode, encode};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Job {
//!     line: u32,
//!     #[serde(with = "procession_core::codec::fd")]
//!     input: File,
//! }
//!
//! let message = encode(&Job { line: 3, input: File::open("/dev/null")? })?;
//! assert_eq!(message.descriptors().len(), 1);
//! let job: Job = decode(message)?;
//! assert_eq!((job.line, job.input.metadata()?.len()), (3, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It fits `OwnedFd`, `File`, `TcpStream`, `UnixStream`, `PipeReader` and everything else that is `AsFd` and
//! `From<OwnedFd>`. Nothing checks what kind of object a received descriptor is: reading from it may fail.

use std::os::fd::{AsFd, OwnedFd};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::{Kind, scope};

/// Puts a duplicate of the descriptor beside the message that is being encoded.
///
/// # Errors
///
/// No message is being encoded, or the limit on open descriptors is reached.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{encode, fd};
/// use serde::{Serialize, Serializer};
///
/// struct Log(std::fs::File);
///
/// impl Serialize for Log {
///     fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         fd::serialize(&self.0, serializer)
///     }
/// }
///
/// let log = Log(std::fs::File::open("/dev/null")?);
/// assert_eq!(encode(&log)?.descriptors().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serialize<T: AsFd, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serialize_as(Kind::PLAIN, value, serializer)
}

/// Takes the descriptor from the message that is being decoded.
///
/// # Errors
///
/// No message is being decoded, or it carried no such descriptor.
///
/// # Examples
///
/// ```
/// use procession_core::codec::{Descriptor, decode, encode, fd};
/// use serde::{Deserialize, Deserializer};
/// use std::{fs::File, io::Read, os::fd::OwnedFd};
///
/// struct Input(File);
///
/// impl<'de> Deserialize<'de> for Input {
///     fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         fd::deserialize(deserializer).map(Self)
///     }
/// }
///
/// let zeros = Descriptor::from(OwnedFd::from(File::open("/dev/zero")?));
/// let mut input: Input = decode(encode(&zeros)?)?;
/// let mut bytes = [1; 4];
/// input.0.read_exact(&mut bytes)?;
/// assert_eq!(bytes, [0; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deserialize<'de, T: From<OwnedFd>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserialize_as(Kind::PLAIN, deserializer)
}

/// Puts a duplicate of the descriptor beside the message, as something of this kind.
///
/// # Errors
///
/// As [`serialize`].
///
/// ```
/// use procession_core::codec::{Descriptor, Kind, decode, encode, fd};
/// use serde::{Serialize, Serializer};
///
/// // SAFETY: no other code uses this name.
/// const INNARDS: Kind = unsafe { Kind::new(*b"innards ") };
///
/// struct Machine(std::fs::File);
///
/// impl Serialize for Machine {
///     fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         fd::serialize_as(INNARDS, &self.0, serializer)
///     }
/// }
///
/// let message = encode(&Machine(std::fs::File::open("/dev/null")?))?;
/// let error = decode::<Descriptor>(message).unwrap_err().to_string();
/// assert!(error.contains("was sent as `innards`"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serialize_as<T: AsFd, S: Serializer>(kind: Kind, value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let index = scope::put(kind, value.as_fd()).map_err(S::Error::custom)?;
    serializer.serialize_u32(index)
}

/// Takes the descriptor from the message, if it was sent as something of this kind.
///
/// # Errors
///
/// As [`deserialize`]; the descriptor is of another kind.
///
/// ```
/// use procession_core::codec::{Descriptor, Kind, decode, encode, fd};
/// use serde::{Deserialize, Deserializer};
/// use std::{fs::File, os::fd::OwnedFd};
///
/// // SAFETY: no other code uses this name.
/// const INNARDS: Kind = unsafe { Kind::new(*b"innards ") };
///
/// #[derive(Debug)]
/// struct Machine(File);
///
/// impl<'de> Deserialize<'de> for Machine {
///     fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
///         fd::deserialize_as(INNARDS, deserializer).map(Self)
///     }
/// }
///
/// let any = Descriptor::from(OwnedFd::from(File::open("/dev/null")?));
/// let error = decode::<Machine>(encode(&any)?).unwrap_err().to_string();
/// assert!(error.contains("was sent as `plain descriptor`"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deserialize_as<'de, T: From<OwnedFd>, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<T, D::Error> {
    let index = u32::deserialize(deserializer)?;
    scope::take(kind, index).map(T::from).map_err(D::Error::custom)
}
