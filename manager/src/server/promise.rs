//! [`Promise`]: an answer that is given after the method has returned, from any thread of the server's process.

use std::mem;
use std::sync::{Arc, Mutex};

use procession_core::os::mutex::lock;

use super::object_cell::Outcome;
use super::origin::{Deliver, Origin};
use crate::wire::protocol::Failure;

/// The answer that is owed to a caller. Two things must come together: the caller, and the outcome.
pub(crate) struct Promise(Mutex<PromiseState>);

/// The states: from open to bound or fulfilled, whichever comes first, and then to kept. Nothing leads back.
enum PromiseState {
    /// Neither is known.
    Open,
    /// The method has returned; its caller waits.
    Bound(Origin, Deliver),
    /// The outcome is known, and the method still runs.
    Fulfilled(Outcome),
    Kept,
}

impl Promise {
    pub(crate) fn new() -> Arc<Promise> {
        Arc::new(Promise(Mutex::new(PromiseState::Open)))
    }

    /// Gives the outcome. The first one counts.
    pub(crate) fn fulfill(&self, outcome: Outcome) {
        let mut state = lock(&self.0);
        match mem::replace(&mut *state, PromiseState::Kept) {
            PromiseState::Open => *state = PromiseState::Fulfilled(outcome),
            PromiseState::Bound(origin, deliver) => {
                // Delivering locks the server, whose threads lock promises: never both at once in this order.
                drop(state);
                deliver(origin, outcome);
            }
            first @ PromiseState::Fulfilled(_) => *state = first,
            // A `Reply` fulfils its promise once more when it is dropped after `send`. That is without effect.
            PromiseState::Kept => {}
        }
    }

    /// Names the caller, whom `deliver` will answer. Returns both where the outcome is known already.
    pub(super) fn bind(&self, origin: Origin, deliver: Deliver) -> Option<(Origin, Outcome)> {
        let mut state = lock(&self.0);
        match mem::replace(&mut *state, PromiseState::Kept) {
            PromiseState::Fulfilled(outcome) => Some((origin, outcome)),
            PromiseState::Open => {
                *state = PromiseState::Bound(origin, deliver);
                None
            }
            // Bound before: one outcome cannot be the result of two calls.
            first @ PromiseState::Bound(..) => {
                *state = first;
                Some((origin, promised_twice()))
            }
            PromiseState::Kept => Some((origin, promised_twice())),
        }
    }
}

/// Returns the outcome of a call whose promise belongs to another one.
fn promised_twice() -> Outcome {
    Outcome::Failed(Failure::BadResult("it was promised to another call".to_owned()))
}
