//! What a panic carries: its text, what tells it from others, and how it is let go.

use std::any::{Any, TypeId};
use std::mem;
use std::panic::{self, AssertUnwindSafe};

use super::hook::{self, Watch};

/// The message of a panic whose payload is no text.
pub(super) const NO_TEXT: &str = "Box<dyn Any>";

/// Drops a value that belongs to the user, whatever its destructor does: if it panics, that panic's own payload is forgotten,
/// because it may do the same again.
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

pub(super) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    let fixed = payload.downcast_ref::<&'static str>().copied();
    fixed.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// What tells a payload from others: the same when the hook sees it and when it is caught, wherever it was moved between.
///
/// A text of its own lies where it lies. Two panics with the same fixed text cannot be told apart, and neither can two of another
/// type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    kind: TypeId,
    /// Where the text lies and how long it is.
    text: (usize, usize),
}

impl Mark {
    pub(super) fn of(payload: &(dyn Any + Send)) -> Mark {
        let text = text(payload).map_or((0, 0), |text| (text.as_ptr().addr(), text.len()));
        Mark { kind: payload.type_id(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_the_journey_of_a_payload() {
        let payload: Box<dyn Any + Send> = Box::new(String::from("why"));
        let mark = Mark::of(&*payload);
        let moved = *payload.downcast::<String>().unwrap();
        let again: Box<dyn Any + Send> = Box::new(moved);
        assert_eq!(Mark::of(&*again), mark);
        assert_ne!(Mark::of(&String::from("why")), mark, "another panic with the same text");
        assert_eq!(Mark::of(&7), Mark::of(&8));
        assert_ne!(Mark::of(&"why"), Mark::of(&7));
    }
}
