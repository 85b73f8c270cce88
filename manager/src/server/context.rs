//! What a method that runs in the server can find out about its call.

use std::cell::RefCell;

use crate::ids::{ClientId, ObjectId};

thread_local! {
    /// The calls that run on this thread: the innermost last, where a method calls a proxy.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

struct Running {
    caller: ClientId,
    objects: Vec<ObjectId>,
    single: Option<ObjectId>,
}

/// Closes the context of a call.
pub(crate) struct Leave(());

/// Opens the context of a call.
pub(crate) fn enter(caller: ClientId, objects: &[ObjectId]) -> Leave {
    // Most calls have one object, which needs no allocation.
    let (objects, single) = match objects {
        [one] => (Vec::new(), Some(*one)),
        several => (several.to_vec(), None),
    };
    RUNNING.with_borrow_mut(|running| running.push(Running { caller, objects, single }));
    Leave(())
}

/// On whose behalf the innermost call on this thread is made.
pub(crate) fn caller() -> ClientId {
    RUNNING.with_borrow(|running| running.last().map_or(ClientId::SERVER, |one| one.caller))
}

/// Whether a call on this thread works on the object.
pub(crate) fn is_held(object: ObjectId) -> bool {
    RUNNING.with_borrow(|running| running.iter().any(|one| one.single == Some(object) || one.objects.contains(&object)))
}

impl Drop for Leave {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| drop(running.pop()));
    }
}
