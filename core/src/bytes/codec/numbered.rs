//! Descriptors inside values, by their numbers in the table of their message.

use std::os::fd::{BorrowedFd, OwnedFd};

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::handles::Kind;
use super::scope;

/// A descriptor that is written as what it is, while its owner keeps it.
pub(crate) struct Lent<'a>(pub(crate) Kind, pub(crate) BorrowedFd<'a>);

impl Serialize for Lent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(scope::put(self.0, self.1).map_err(S::Error::custom)?)
    }
}

/// The number of a descriptor whose kind the receiving code names.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Numbered(u32);

impl Numbered {
    pub(crate) fn take<E: serde::de::Error>(self, kind: Kind) -> Result<OwnedFd, E> {
        scope::take(kind, self.0).map_err(E::custom)
    }
}
