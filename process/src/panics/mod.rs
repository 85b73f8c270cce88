//! Panics as data: caught where a function is called for somebody else, and told with message, location and backtrace.
//!
//! ```
//! let told = procession_process::panics::catch(|| [1, 2, 3].iter().sum::<i32>().checked_div(0).expect("a divisor"));
//! assert_eq!(told.unwrap_err().message(), "a divisor");
//! ```

mod frames;
mod hook;
mod payload;

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use serde::{Deserialize, Serialize};

pub use payload::discard;

use frames::Frames;
use hook::{Sighting, Watch};
pub(crate) use hook::{install as install_hook, prepare as prepare_watch, under_way};
use payload::{Mark, NO_TEXT};

/// What a panic said, where it was, and how the program got there.
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
    frames: Frames,
}

impl Panic {
    /// The message; `Box<dyn Any>` for a payload that is no text.
    ///
    /// ```
    /// let panic = procession_process::panics::catch(|| panic!("no bread")).unwrap_err();
    /// assert_eq!(panic.message(), "no bread");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// File, line and column, as `file:line:column`.
    ///
    /// ```
    /// let panic = procession_process::panics::catch(|| panic!("no bread")).unwrap_err();
    /// println!("it was at {}", panic.location().unwrap());
    /// ```
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The calls that led to it, innermost first, as the standard library writes them.
    ///
    /// They are taken down as addresses, which costs microseconds, and named here, where they are read: the first time takes as long
    /// as the program's debug information is large. A process that runs another program can only tell the addresses.
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

    fn of(info: &PanicHookInfo<'_>) -> Panic {
        let location = info.location().map(ToString::to_string);
        Panic { message: message(info).to_owned(), location, frames: Frames::capture() }
    }

    /// A panic that the hook did not see, because it was resumed.
    fn resumed(payload: &(dyn Any + Send)) -> Panic {
        let message = payload::text(payload).unwrap_or(NO_TEXT).to_owned();
        Panic { message, location: None, frames: Frames::default() }
    }

    /// This panic, when another one has come up while it unwound.
    fn met_by(mut self, other: &Panic) -> Panic {
        let place = other.location().map_or(String::new(), |place| format!(" at {place}"));
        self.message = format!("{}; and while it unwound, another{place}: {}", self.message, other.message);
        self
    }

    /// A panic whose hook is not ours.
    fn unseen() -> Panic {
        let message = "(its message is known only to the panic hook that the program has set)".to_owned();
        Panic { message, location: None, frames: Frames::capture() }
    }
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
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

/// As a sentence, because `unwrap` and `main` print errors this way; with the backtrace where `RUST_BACKTRACE` asks for it.
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

/// Runs a function, and answers its panic as a value. Nothing is printed.
///
/// The state that the function was changing is the caller's business, as with `AssertUnwindSafe`.
///
/// # Errors
///
/// The panic.
///
/// ```
/// use procession_process::panics::catch;
///
/// assert_eq!(catch(|| 1), Ok(1));
/// assert!(catch(|| [1, 2, 3].iter().position(|n| *n == 4).unwrap()).is_err());
/// ```
pub fn catch<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_as(Watch::Quiet, function)
}

/// As [`catch`], and the panic is printed on stderr as usual, with the name of this process before it.
pub(crate) fn catch_and_print<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_as(Watch::Loud, function)
}

fn catch_as<T>(watch: Watch, function: impl FnOnce() -> T) -> Result<T, Panic> {
    install_hook();
    let before = hook::watch(watch);
    let outcome = panic::catch_unwind(AssertUnwindSafe(function));
    let seen = hook::unwatch(before);
    outcome.map_err(|payload| told(payload, seen))
}

/// A caught panic as data. What was seen last may be another one, which the function has dealt with.
fn told(payload: Box<dyn Any + Send>, seen: Option<Sighting>) -> Panic {
    let seen = seen.filter(|seen| seen.mark == Mark::of(&*payload));
    let panic = seen.map_or_else(|| Panic::resumed(&*payload), |seen| seen.panic);
    discard(payload);
    panic
}

/// A panic that was caught where the program's own hook has had its say. The payload is dropped, whatever that does.
///
/// ```
/// use procession_process::panics::of_payload;
///
/// let payload = std::panic::catch_unwind(|| panic!("no bread")).unwrap_err();
/// assert_eq!(of_payload(payload).message(), "no bread");
/// ```
pub fn of_payload(payload: Box<dyn Any + Send>) -> Panic {
    told(payload, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_through() {
        assert_eq!(catch(|| 5).unwrap(), 5);
    }

    #[test]
    fn text_of_any_kind_and_none() {
        assert_eq!(catch(|| panic!("plain")).unwrap_err().message(), "plain");
        assert_eq!(catch(|| panic!("{}", 7)).unwrap_err().message(), "7");
        assert_eq!(catch(|| panic::panic_any(7)).unwrap_err().message(), "Box<dyn Any>");
        let resumed = catch(|| panic::resume_unwind(Box::new("again"))).unwrap_err();
        assert_eq!((resumed.message(), resumed.location()), ("again", None));
    }

    #[test]
    fn a_panic_caught_inside_is_not_the_one_that_comes_out() {
        let outer = catch(|| {
            assert!(catch(|| panic!("inner")).is_err());
            panic!("outer")
        });
        assert_eq!(outer.unwrap_err().to_string().split(": ").last(), Some("outer"));
    }

    #[test]
    fn a_stale_report_is_not_taken_for_a_resumed_panic() {
        let outer = catch(|| {
            let _ = panic::catch_unwind(|| panic!("stale"));
            panic::resume_unwind(Box::new("fresh"))
        });
        assert_eq!(outer.unwrap_err().message(), "fresh");
        assert_eq!(catch(|| panic::resume_unwind(Box::new(7))).unwrap_err().message(), NO_TEXT);
    }

    #[test]
    fn two_panics_with_the_same_text_are_not_mixed_up() {
        // A text that the compiler knows would be the same one for both.
        let number = std::hint::black_box(1);
        let of_a_thread = std::thread::spawn(move || panic!("number {number}")).join().unwrap_err();
        let told = catch(|| {
            let _ = panic::catch_unwind(|| panic!("number {number}"));
            panic::resume_unwind(of_a_thread)
        });
        let told = told.unwrap_err();
        assert_eq!((told.message(), told.location()), ("number 1", None));
    }

    #[test]
    fn a_catch_within_a_destructor_does_not_hide_the_panic_around_it() {
        struct Careful;
        impl Drop for Careful {
            fn drop(&mut self) {
                assert!(catch(|| panic!("inner")).is_err());
            }
        }
        let told = catch(|| {
            let _careful = Careful;
            panic!("outer")
        });
        let told = told.unwrap_err();
        assert!(told.message() == "outer" && told.location().is_some(), "{told}");
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_let_go() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic::panic_any(Bomb)
            }
        }
        assert_eq!(catch(|| panic::panic_any(Bomb)).unwrap_err().message(), NO_TEXT);
    }
}
