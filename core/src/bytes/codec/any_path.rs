//! [`AnyPath`]: a path of any bytes.

use std::ffi::OsString;
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bytes;

/// A path that travels whatever bytes it has.
///
/// serde writes a [`PathBuf`] as a text, and refuses those that are not UTF-8. For a field of that type there is
/// `#[serde(with = "…")]`, see the [module](super::path).
///
/// # Examples
///
/// ```
/// use procession_core::codec::{AnyPath, decode, encode};
/// use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};
///
/// let path = AnyPath::from(Path::new(OsStr::from_bytes(b"/tmp/caf\xe9")));
/// let arrived: AnyPath = decode(encode(&path)?)?;
/// assert_eq!(arrived, path);
/// assert_eq!(arrived.parent(), Some(Path::new("/tmp")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnyPath(pub PathBuf);

impl Deref for AnyPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for AnyPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl From<PathBuf> for AnyPath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl From<&Path> for AnyPath {
    fn from(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl From<AnyPath> for PathBuf {
    fn from(path: AnyPath) -> Self {
        path.0
    }
}

impl Serialize for AnyPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        path::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for AnyPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        path::deserialize(deserializer).map(Self)
    }
}

pub mod path {
    //! For serde's `with`: writes a field that is a path as it is, whatever bytes it has.
    //!
    //! ```
    //! use serde::{Deserialize, Serialize};
    //! use std::path::PathBuf;
    //!
    //! #[derive(Serialize, Deserialize)]
    //! struct Job {
    //!     #[serde(with = "procession_core::codec::path")]
    //!     input: PathBuf,
    //! }
    //!
    //! let message = procession_core::codec::encode(&Job { input: "/tmp/x".into() })?;
    //! assert_eq!(procession_core::codec::decode::<Job>(message)?.input, PathBuf::from("/tmp/x"));
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```

    use super::*;

    /// Writes the path's bytes.
    ///
    /// # Errors
    ///
    /// Whatever the serializer says.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::codec::{AnyPath, decode, encode, path};
    ///
    /// struct Log(std::path::PathBuf);
    ///
    /// impl serde::Serialize for Log {
    ///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
    ///         path::serialize(&self.0, serializer)
    ///     }
    /// }
    ///
    /// let arrived: AnyPath = decode(encode(&Log("log.txt".into()))?)?;
    /// assert_eq!(arrived.to_str(), Some("log.txt"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serialize<P: AsRef<Path>, S: Serializer>(path: &P, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&path.as_ref().as_os_str().as_bytes(), serializer)
    }

    /// Reads a path's bytes.
    ///
    /// # Errors
    ///
    /// Whatever the deserializer says.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::codec::{AnyPath, decode, encode, path};
    ///
    /// struct Log(std::path::PathBuf);
    ///
    /// impl<'de> serde::Deserialize<'de> for Log {
    ///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    ///         path::deserialize(deserializer).map(Self)
    ///     }
    /// }
    ///
    /// let log: Log = decode(encode(&AnyPath("log.txt".into()))?)?;
    /// assert_eq!(log.0.to_str(), Some("log.txt"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deserialize<'de, P: From<PathBuf>, D: Deserializer<'de>>(deserializer: D) -> Result<P, D::Error> {
        bytes::deserialize(deserializer).map(|bytes| P::from(PathBuf::from(OsString::from_vec(bytes))))
    }
}
