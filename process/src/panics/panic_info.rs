//! [`Panic`]: a panic as data.

use std::any::Any;
use std::fmt;
use std::panic::PanicHookInfo;

use serde::{Deserialize, Serialize};

use super::frames::{self, Frames};
use super::payload::{self, NO_TEXT};

/// The message, the location and the backtrace of a panic.
///
/// ```
/// use procession_process::panics;
///
/// let panic = panics::catch(|| panic!("no {}", "bread")).unwrap_err();
/// assert_eq!(panic.message(), "no bread");
/// assert!(panic.location().unwrap().contains(".rs:"));
/// assert!(!panic.backtrace().is_empty());
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    message: String,
    location: Option<String>,
    /// The addresses of the calls. They get names when the backtrace is read.
    frames: Frames,
}

impl Panic {
    /// Returns the message; `Box<dyn Any>` for a payload that is no text.
    ///
    /// ```
    /// let panic = procession_process::panics::catch(|| panic!("no bread")).unwrap_err();
    /// assert_eq!(panic.message(), "no bread");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the location, as `file:line:column`.
    ///
    /// ```
    /// let panic = procession_process::panics::catch(|| panic!("no bread")).unwrap_err();
    /// println!("it was at {}", panic.location().unwrap());
    /// ```
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// Returns the calls that led to it, innermost first, in the format of the standard library.
    ///
    /// They are recorded as addresses, which costs microseconds, and named here, when they are read: the first time takes as long
    /// as the program's debug information is large. A process that runs another program has only the addresses.
    ///
    /// It is there without `RUST_BACKTRACE` too, and empty where that variable or `RUST_LIB_BACKTRACE` was 0 in the process that
    /// panicked, or when the panic was resumed from elsewhere.
    ///
    /// ```
    /// let panic = procession_process::panics::catch(|| panic!("no bread")).unwrap_err();
    /// eprintln!("{}", panic.backtrace());
    /// ```
    #[must_use]
    #[doc(alias = "traceback")]
    pub fn backtrace(&self) -> &str {
        self.frames.text()
    }

    /// Makes the panic that the hook sees. It runs before anything unwinds, so that the calls are still there.
    pub(super) fn of(info: &PanicHookInfo<'_>) -> Panic {
        let location = info.location().map(ToString::to_string);
        Panic { message: message(info).to_owned(), location, frames: Frames::capture() }
    }

    /// Makes a panic that the hook did not see, because it was resumed.
    pub(super) fn resumed(payload: &(dyn Any + Send)) -> Panic {
        let message = payload::text(payload).unwrap_or(NO_TEXT).to_owned();
        Panic { message, location: None, frames: Frames::default() }
    }

    /// Adds another panic that occurred while this one unwound.
    pub(super) fn met_by(mut self, other: &Panic) -> Panic {
        let place = other.location().map_or(String::new(), |place| format!(" at {place}"));
        self.message = format!("{}; and while it unwound, another{place}: {}", self.message, other.message);
        self
    }

    /// Makes a panic that only the hook of the program has seen.
    pub(super) fn unknown() -> Panic {
        let message = "(its message is known only to the panic hook that the program has set)".to_owned();
        Panic { message, location: None, frames: Frames::capture() }
    }
}

/// Returns the message as the standard library prints it.
pub(super) fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    info.payload_as_str().unwrap_or(NO_TEXT)
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "panicked at {location}: {}", self.message),
            None => write!(f, "panicked: {}", self.message),
        }
    }
}

/// Writes the panic as a sentence, because `unwrap` and `main` print errors this way; with the backtrace where `RUST_BACKTRACE` asks for it.
impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{}", Asked(self))
    }
}

/// The backtrace of a panic on lines of its own, where `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it, else nothing: for the
/// `Debug` of errors.
#[doc(hidden)]
#[derive(Debug)]
pub struct Asked<'a>(pub &'a Panic);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if frames::setting() == Some(true) { write!(f, "\n{}", self.0.backtrace()) } else { Ok(()) }
    }
}
