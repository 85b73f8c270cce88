//! [`Name`]: a function and the thunk that calls it, by their places in the program. [`Function`](super::function::Function) and
//! [`Method`](super::method::Method) are names of two kinds.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::bytes::codec;
use crate::code::image::Place;

/// Two places in the code of this program: a thunk, and the function that it is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    thunk: Place,
    function: Place,
}

/// A function cannot be named.
///
/// ```
/// use procession_core::FunctionError;
///
/// let error = FunctionError::NotInProgram("fn(i32) -> i32");
/// assert!(error.to_string().contains("in a shared library"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// It is not part of the main program.
    #[error(
        "the function `{0}` does not lie in the main executable but in a shared library, whose place differs from process \
         to process; link the crate that defines it statically, or wrap it in a function of the main program"
    )]
    NotInProgram(&'static str),
}

impl Name {
    pub(super) fn new(thunk: *const (), function: *const (), types: &'static str) -> Result<Name, FunctionError> {
        let place = |address| Place::of(address).ok_or(FunctionError::NotInProgram(types));
        Ok(Name { thunk: place(thunk)?, function: place(function)? })
    }

    #[inline]
    pub(super) fn thunk(&self) -> *const () {
        self.thunk.pointer()
    }

    #[inline]
    pub(super) fn function(&self) -> *const () {
        self.function.pointer()
    }

    /// Puts both places into one trusted entry, so that no value can pair the thunk of one name with the function of another.
    pub(super) fn serialize_as<S: Serializer>(&self, kind: u64, serializer: S) -> Result<S::Ok, S::Error> {
        let number = codec::put_trusted(kind, [self.thunk.offset(), self.function.offset()])
            .ok_or_else(|| S::Error::custom("the name of a function can only be sent over a control link"))?;
        number.serialize(serializer)
    }

    /// Takes a name of the same kind, if a control link has brought one.
    pub(super) fn deserialize_as<'de, D: Deserializer<'de>>(kind: u64, deserializer: D) -> Result<Name, D::Error> {
        let [thunk, function] = codec::take_trusted(kind, u32::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("the name of a function can only be received over a control link"))?;
        // Looked up again: the images were found equal, but a number becomes a function pointer here, and this look is cheap.
        match (Place::at(thunk), Place::at(function)) {
            (Some(thunk), Some(function)) => Ok(Name { thunk, function }),
            _ => Err(D::Error::custom("the name of a function points outside the code of this program")),
        }
    }
}
