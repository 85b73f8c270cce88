//! What goes wrong between a value and its bytes, with the text of the code that found it.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::{de, ser};

/// A value could not be written down.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use std::ffi::OsStr;
/// use std::os::unix::ffi::OsStrExt;
///
/// // serde writes only those paths that are UTF-8, and says so. `AnyPath` is the way out.
/// let path = Path::new(OsStr::from_bytes(b"\xff"));
/// let error = procession_core::codec::encode(path).unwrap_err();
/// let text = "cannot encode a value of type `std::path::Path`: path contains invalid UTF-8 characters";
/// assert!(error.to_string().starts_with(text));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode a value of type `{}`: {}", .0.type_name, .0.text)]
pub struct EncodeError(Box<Trouble>);

/// Behind a pointer, so that results stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    type_name: &'static str,
    text: String,
    ran_out: bool,
}

impl EncodeError {
    #[cold]
    pub(super) fn new(type_name: &'static str, fault: Fault, ran_out: bool) -> Self {
        Self(Box::new(Trouble { type_name, text: fault.into_text(), ran_out }))
    }

    /// Returns whether a limit on descriptors was the reason: nothing is wrong with the value then.
    ///
    /// # Examples
    ///
    /// ```
    /// # struct Never;
    /// # impl serde::Serialize for Never {
    /// #     fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
    /// #         Err(serde::ser::Error::custom("not today"))
    /// #     }
    /// # }
    /// // `Never` is a type whose `Serialize` always says "not today".
    /// assert!(!procession_core::codec::encode(&Never).unwrap_err().is_limit());
    /// ```
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.0.ran_out
    }

    /// The type of the value, as the compiler names it.
    ///
    /// # Examples
    ///
    /// ```
    /// # struct Never;
    /// # impl serde::Serialize for Never {
    /// #     fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
    /// #         Err(serde::ser::Error::custom("not today"))
    /// #     }
    /// # }
    /// // `Never` is a type whose `Serialize` always says "not today".
    /// let error = procession_core::codec::encode(&Never).unwrap_err();
    /// assert!(error.type_name().ends_with("Never"));
    /// ```
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name
    }

    /// What went wrong, without the type's name.
    ///
    /// # Examples
    ///
    /// ```
    /// # struct Never;
    /// # impl serde::Serialize for Never {
    /// #     fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
    /// #         Err(serde::ser::Error::custom("not today"))
    /// #     }
    /// # }
    /// // `Never` is a type whose `Serialize` always says "not today".
    /// let error = procession_core::codec::encode(&Never).unwrap_err();
    /// assert_eq!(error.message(), "not today");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.text
    }
}

/// Bytes could not be turned back into a value.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroU8;
///
/// let error = procession_core::codec::decode_from::<NonZeroU8>(&[0], Vec::new()).unwrap_err();
/// assert!(error.to_string().ends_with("invalid value: integer `0`, expected a nonzero u8"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot decode a value of type `{}`: {}", .0.type_name, .0.text)]
pub struct DecodeError(Box<Trouble>);

impl DecodeError {
    #[cold]
    pub(super) fn new(type_name: &'static str, fault: Fault) -> Self {
        Self(Box::new(Trouble { type_name, text: fault.into_text(), ran_out: false }))
    }

    /// The type of the value, as the compiler names it.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_core::codec::decode_from::<u8>(&[], Vec::new()).unwrap_err();
    /// assert_eq!(error.type_name(), "u8");
    /// ```
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name
    }

    /// What went wrong, without the type's name.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_core::codec::decode_from::<()>(&[1, 2], Vec::new()).unwrap_err();
    /// assert_eq!(error.message(), "2 bytes are left over after the value");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.text
    }
}

/// The error that travels through serde while a value is being written or read: one pointer wide, so that results stay
/// small.
#[derive(Debug)]
pub(crate) struct Fault(Box<Cow<'static, str>>);

impl Fault {
    #[cold]
    pub(super) fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(text.into()))
    }

    fn into_text(self) -> String {
        self.0.into_owned()
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    #[cold]
    fn custom<T: Display>(text: T) -> Self {
        match text.to_string() {
            text if text == NO_TEXT => Self::text(format!("{text}; send it as an `AnyPath` or `OsString`")),
            text => Self::text(text),
        }
    }
}

/// What serde says of a path that is not UTF-8.
const NO_TEXT: &str = "path contains invalid UTF-8 characters";

impl de::Error for Fault {
    #[cold]
    fn custom<T: Display>(text: T) -> Self {
        Self::text(text.to_string())
    }
}

impl From<postcard::Error> for Fault {
    #[cold]
    fn from(error: postcard::Error) -> Self {
        Self::text(sentence(error))
    }
}

/// The format's own errors in the words of this house.
fn sentence(error: postcard::Error) -> Cow<'static, str> {
    use postcard::Error;
    let text = match error {
        Error::DeserializeUnexpectedEnd => "the bytes end in the middle of the value",
        Error::DeserializeBadVarint => "a number is too large for its type",
        Error::DeserializeBadBool => "a bool is neither 0 nor 1",
        Error::DeserializeBadChar => "a char is not a Unicode scalar value",
        Error::DeserializeBadUtf8 => "a string is not valid UTF-8",
        Error::DeserializeBadOption => "the mark of an option is neither 0 nor 1",
        other => return Cow::Owned(other.to_string()),
    };
    Cow::Borrowed(text)
}
