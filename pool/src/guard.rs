//! Where code of the user's runs in the pool's process, for somebody else than its caller: a panic of it becomes a text.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs it. A panic is an error that tells what it said; the program's own hook has had its say by then.
///
/// What it was changing is its caller's business, as with `AssertUnwindSafe`.
#[inline]
pub(crate) fn run<T>(function: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(function)).map_err(told)
}

#[cold]
fn told(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "Box<dyn Any>".to_owned());
    discard(payload);
    format!("it panicked: {text}")
}

/// Drops the payload of a panic, which may panic in its turn. What that one carries is left where it is.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
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
    fn a_panic_is_a_text_whatever_it_carries() {
        assert_eq!(run(|| 5), Ok(5));
        assert_eq!(run(|| -> u8 { panic!("plain") }), Err("it panicked: plain".to_owned()));
        assert_eq!(run(|| -> u8 { panic!("{}", 7) }), Err("it panicked: 7".to_owned()));
        assert_eq!(run(|| -> u8 { panic_any(Bomb) }), Err("it panicked: Box<dyn Any>".to_owned()));
    }
}
