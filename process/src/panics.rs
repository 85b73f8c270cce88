//! Panics as data: caught where a function is called for somebody else, and told with message, location and backtrace.
//!
//! ```
//! let told = procession_process::panics::catch(|| [1, 2, 3].iter().sum::<i32>().checked_div(0).expect("a divisor"));
//! assert_eq!(told.unwrap_err().message(), "a divisor");
//! ```

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use serde::{Deserialize, Serialize};

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
    backtrace: String,
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

    /// The calls that led to it, innermost first, as the standard library writes them. It is taken without `RUST_BACKTRACE`
    /// too, and empty only when the panic was resumed from elsewhere.
    ///
    /// ```
    /// let panic = procession_process::panics::catch(|| panic!("no bread")).unwrap_err();
    /// eprintln!("{}", panic.backtrace());
    /// ```
    #[must_use]
    #[doc(alias = "traceback")]
    pub fn backtrace(&self) -> &str {
        &self.backtrace
    }

    fn of(info: &PanicHookInfo<'_>) -> Panic {
        Panic {
            message: info.payload_as_str().unwrap_or("Box<dyn Any>").to_owned(),
            location: info.location().map(ToString::to_string),
            backtrace: Backtrace::force_capture().to_string(),
        }
    }

    /// A panic that the hook did not see, because it was resumed.
    fn resumed(payload: &(dyn std::any::Any + Send)) -> Panic {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = text.unwrap_or_else(|| "Box<dyn Any>".to_owned());
        Panic { message, location: None, backtrace: String::new() }
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "panicked at {location}: {}", self.message),
            None => write!(f, "panicked: {}", self.message),
        }
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}\n{}", self.backtrace)
    }
}

/// What the hook does with a panic of this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// Nobody catches: leave it to the hook that was there before.
    Off,
    /// Take it down and print nothing: it is a result.
    Quiet,
    /// Take it down, and print it as well.
    Loud,
}

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Off) };
    static TAKEN_DOWN: RefCell<Option<Panic>> = const { RefCell::new(None) };
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
    let before = WATCH.replace(watch);
    let outcome = panic::catch_unwind(AssertUnwindSafe(function));
    WATCH.set(before);
    outcome.map_err(|payload| TAKEN_DOWN.take().unwrap_or_else(|| Panic::resumed(&*payload)))
}

/// Puts the hook in place, once.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| hook(info, &*before)));
    });
}

fn hook(info: &PanicHookInfo<'_>, before: &dyn Fn(&PanicHookInfo<'_>)) {
    let watch = WATCH.get();
    if watch != Watch::Off {
        let panic = Panic::of(info);
        if cfg!(panic = "abort") {
            // There will be no unwinding: tell it now.
            crate::child::tell_panic(&panic);
        }
        TAKEN_DOWN.set(Some(panic));
    }
    if watch == Watch::Loud {
        eprint!("{}: ", crate::identity::own().describe());
    }
    if watch != Watch::Quiet {
        before(info);
    }
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
        assert_eq!(outer.unwrap_err().message(), "stale", "a resumed panic cannot be told from the one before it");
    }
}
