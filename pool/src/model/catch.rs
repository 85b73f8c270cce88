//! [`catch`]: runs code of the user's in the pool's process and turns a panic into text.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use procession_process::panics;

/// Calls `function` and returns the message of its panic as an error. The program's panic hook has run by then.
///
/// The caller answers for the state that a panic leaves half-changed, as with `AssertUnwindSafe`.
#[inline]
pub(crate) fn catch<T>(function: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(function)).map_err(message)
}

#[cold]
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "Box<dyn Any>".to_owned());
    // The payload's own `Drop` may panic.
    panics::discard(payload);
    format!("it panicked: {text}")
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_becomes_text_for_any_payload() {
        assert_eq!(catch(|| 5), Ok(5));
        assert_eq!(catch(|| -> u8 { panic!("plain") }), Err("it panicked: plain".to_owned()));
        assert_eq!(catch(|| -> u8 { panic!("{}", 7) }), Err("it panicked: 7".to_owned()));
        assert_eq!(catch(|| -> u8 { panic_any(Bomb) }), Err("it panicked: Box<dyn Any>".to_owned()));
    }
}
