//! The payload of a panic: its text, and its identity.

use std::any::{Any, TypeId};

/// The message of a panic whose payload is no text.
pub(super) const NO_TEXT: &str = "Box<dyn Any>";

/// Returns the text of a payload; `None` for one of another type.
pub(super) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    // `panic!` makes one of these two: a text without arguments stays a literal, any other becomes a `String`.
    let fixed = payload.downcast_ref::<&'static str>().copied();
    fixed.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The identity of a payload, which is the same in the hook and when it is caught.
///
/// It is the address of the text. Two panics with the same constant text cannot be distinguished, and neither can two of another
/// type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PayloadId {
    /// The type of the payload.
    kind: TypeId,
    /// The address and the length of the text.
    text: (usize, usize),
}

impl PayloadId {
    pub(super) fn of(payload: &(dyn Any + Send)) -> PayloadId {
        let text = text(payload).map_or((0, 0), |text| (text.as_ptr().addr(), text.len()));
        PayloadId { kind: payload.type_id(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_the_journey_of_a_payload() {
        let payload: Box<dyn Any + Send> = Box::new(String::from("why"));
        let payload_id = PayloadId::of(&*payload);
        let moved = *payload.downcast::<String>().unwrap();
        let again: Box<dyn Any + Send> = Box::new(moved);
        assert_eq!(PayloadId::of(&*again), payload_id);
        assert_ne!(PayloadId::of(&String::from("why")), payload_id, "another panic with the same text");
        assert_eq!(PayloadId::of(&7), PayloadId::of(&8));
        assert_ne!(PayloadId::of(&"why"), PayloadId::of(&7));
    }
}
