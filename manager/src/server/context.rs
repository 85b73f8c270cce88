//! The context of the calls that run on this thread: their callers and objects, for the methods themselves.

use std::cell::RefCell;
use std::sync::Arc;

use super::promise::Promise;
use crate::wire::ids::{ClientId, ObjectId};

thread_local! {
    /// The calls that run on this thread: the innermost last, where a method calls a proxy.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

/// One call that runs: its objects are in `single` if it is one, and in `objects` otherwise.
struct Running {
    caller: ClientId,
    objects: Vec<ObjectId>,
    single: Option<ObjectId>,
    /// The promise of the result, if that comes later.
    deferred: Option<Arc<Promise>>,
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
    // Methods may call proxies inside the server, so calls nest on one thread.
    RUNNING.with_borrow_mut(|running| running.push(Running { caller, objects, single, deferred: None }));
    Leave(())
}

/// On whose behalf the innermost call on this thread is made.
pub(crate) fn caller() -> ClientId {
    RUNNING.with_borrow(|running| running.last().map_or(ClientId::SERVER, |one| one.caller))
}

/// Returns whether a call on this thread works on the object.
pub(crate) fn is_held(object: ObjectId) -> bool {
    // Not only the innermost call: the outer ones hold their objects until it has returned.
    RUNNING.with_borrow(|running| running.iter().any(|one| one.single == Some(object) || one.objects.contains(&object)))
}

/// Records that the result of the innermost call on this thread comes later. Returns whether there is a call.
pub(crate) fn defer(promise: &Arc<Promise>) -> bool {
    let note = |one: &mut Running| one.deferred = Some(Arc::clone(promise));
    RUNNING.with_borrow_mut(|running| running.last_mut().map(note).is_some())
}

/// Takes the promise of the innermost call on this thread, if its result comes later.
pub(crate) fn take_deferred() -> Option<Arc<Promise>> {
    RUNNING.with_borrow_mut(|running| running.last_mut()?.deferred.take())
}

impl Drop for Leave {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| drop(running.pop()));
    }
}
