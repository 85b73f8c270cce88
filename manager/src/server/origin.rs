//! [`Origin`]: where a call came from, and so where its outcome goes.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use procession_core::os::mutex::{lock, wait_for};

use super::object_cell::Outcome;
use crate::wire::ids::{CallId, ClientId};

/// The sender of a call.
#[derive(Clone)]
pub(crate) enum Origin {
    Client(CallId),
    /// A method that runs in the server.
    InProcess(Arc<OutcomeSlot>),
    /// The exit of a client, for which an object has a hook. There is no caller.
    ExitHook(ClientId),
}

/// A function that delivers the outcome of a call from any thread, after its method has returned.
pub(super) type Deliver = fn(Origin, Outcome);

/// Holds the outcome of a call that was made in the server, until its caller takes it.
#[derive(Debug, Default)]
pub(crate) struct OutcomeSlot {
    outcome: Mutex<Option<Outcome>>,
    filled: Condvar,
}

impl Origin {
    /// Returns the client on whose behalf the call is made.
    pub(super) fn caller(&self) -> ClientId {
        match self {
            Origin::Client(call) => call.client,
            Origin::InProcess(_) => ClientId::SERVER,
            Origin::ExitHook(client) => *client,
        }
    }

    /// Returns whether it is this call of a client.
    pub(super) fn is(&self, wanted: CallId) -> bool {
        matches!(self, Origin::Client(call) if *call == wanted)
    }

    /// Returns whether it is the call in the server that waits at this slot.
    pub(super) fn is_slot(&self, wanted: &Arc<OutcomeSlot>) -> bool {
        matches!(self, Origin::InProcess(slot) if Arc::ptr_eq(slot, wanted))
    }

    /// Returns whether both are one call.
    pub(super) fn is_same(&self, other: &Origin) -> bool {
        match (self, other) {
            (Origin::Client(call), other) => other.is(*call),
            (Origin::InProcess(slot), other) => other.is_slot(slot),
            (Origin::ExitHook(one), Origin::ExitHook(other)) => one == other,
            (Origin::ExitHook(_), _) => false,
        }
    }
}

impl OutcomeSlot {
    /// Gives the outcome, and wakes the caller.
    pub(super) fn fill(&self, outcome: Outcome) {
        *lock(&self.outcome) = Some(outcome);
        self.filled.notify_all();
    }

    /// Waits for the outcome; `None` if it does not come in time.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Outcome> {
        wait_for(&self.filled, lock(&self.outcome), deadline, Option::take).1
    }
}
