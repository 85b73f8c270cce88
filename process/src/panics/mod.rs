//! Panics as data: caught where a function is called for another process, and reported with message, location and backtrace.
//!
//! ```
//! let caught = procession_process::panics::catch(|| [1, 2, 3].iter().sum::<i32>().checked_div(0).expect("a divisor"));
//! assert_eq!(caught.unwrap_err().message(), "a divisor");
//! ```

mod frames;
mod hook;
mod panic_info;
mod payload;

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

pub use panic_info::{Asked, Panic};

use hook::{SeenPanic, Watch};
pub(crate) use hook::{current_panic, install as install_hook, on_watched_panic, prepare as prepare_watch};
use payload::PayloadId;

/// Runs a function, and returns its panic as a value. Nothing is printed.
///
/// The caller is responsible for state that the function was changing, as with `AssertUnwindSafe`.
///
/// # Errors
///
/// [`Panic`]: the function panicked.
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

/// Runs a function, and returns its panic, which is also printed on stderr, after the name of this process.
pub(crate) fn catch_and_print<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_as(Watch::Loud, function)
}

/// Drops a value of the user. If its destructor panics, the payload of that panic is leaked,
/// because its own destructor may panic again.
///
/// ```
/// use procession_process::panics;
///
/// struct Bomb;
/// impl Drop for Bomb {
///     fn drop(&mut self) {
///         std::panic::panic_any(Bomb)
///     }
/// }
/// panics::discard(Bomb);
/// ```
pub fn discard<T>(value: T) {
    let before = hook::watch(Watch::Quiet);
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        mem::forget(payload);
    }
    let _of_the_destructor = hook::unwatch(before);
}

/// Runs a function under a treatment of its panics. Calls may be nested: the treatment from before is put back.
fn catch_as<T>(watch: Watch, function: impl FnOnce() -> T) -> Result<T, Panic> {
    install_hook();
    // What was seen before belongs to a call around this one, and is put back after it.
    let before = hook::watch(watch);
    let outcome = panic::catch_unwind(AssertUnwindSafe(function));
    let seen = hook::unwatch(before);
    match outcome {
        Ok(value) => {
            // Mostly there is none, and then a fresh copy need not fault in the code that drops it.
            if let Some(caught_inside) = seen {
                drop(caught_inside);
            }
            Ok(value)
        }
        Err(payload) => Err(to_panic(payload, seen)),
    }
}

/// Returns a caught panic as data. The last panic that was seen may be another one, which the function has caught.
fn to_panic(payload: Box<dyn Any + Send>, seen: Option<Box<SeenPanic>>) -> Panic {
    let seen = seen.filter(|seen| seen.payload_id == PayloadId::of(&*payload));
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
    to_panic(payload, None)
}

#[cfg(test)]
mod tests {
    use super::payload::NO_TEXT;
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
        // A constant text would lie at one address for both.
        let number = std::hint::black_box(1);
        let of_a_thread = std::thread::spawn(move || panic!("number {number}")).join().unwrap_err();
        let recorded = catch(|| {
            let _ = panic::catch_unwind(|| panic!("number {number}"));
            panic::resume_unwind(of_a_thread)
        });
        let recorded = recorded.unwrap_err();
        assert_eq!((recorded.message(), recorded.location()), ("number 1", None));
    }

    #[test]
    fn a_catch_within_a_destructor_does_not_hide_the_panic_around_it() {
        struct Careful;
        impl Drop for Careful {
            fn drop(&mut self) {
                assert!(catch(|| panic!("inner")).is_err());
            }
        }
        let recorded = catch(|| {
            let _careful = Careful;
            panic!("outer")
        });
        let recorded = recorded.unwrap_err();
        assert!(recorded.message() == "outer" && recorded.location().is_some(), "{recorded}");
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
