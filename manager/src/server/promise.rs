//! [`Promise`]: an answer that somebody gives after the method has returned, from any thread of the server's process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::in_process;
use super::job::Origin;
use super::object_cell::Outcome;

/// What is owed to a caller. Two things must come together: who is to be answered, and what.
pub(crate) struct Promise(Mutex<State>);

enum State {
    /// Neither is known.
    Open,
    /// The method has returned; its caller waits.
    Due(Origin),
    /// The answer is there, and the method still runs.
    Told(Outcome),
    Kept,
}

impl Promise {
    pub(crate) fn new() -> Arc<Promise> {
        Arc::new(Promise(Mutex::new(State::Open)))
    }

    /// Gives the answer. The first one counts.
    pub(crate) fn fulfill(&self, outcome: Outcome) {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Kept) {
            State::Open => *state = State::Told(outcome),
            State::Due(origin) => {
                drop(state);
                in_process::answer(origin, outcome);
            }
            told @ State::Told(_) => *state = told,
            State::Kept => {}
        }
    }

    /// Says who is to be answered. If the answer is there already, it is handed out to be sent.
    pub(super) fn bind(&self, origin: Origin) -> Option<(Origin, Outcome)> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Kept) {
            State::Told(outcome) => Some((origin, outcome)),
            State::Open => {
                *state = State::Due(origin);
                None
            }
            // Bound before: one answer cannot be the result of two calls.
            State::Due(first) => {
                *state = State::Due(first);
                Some((origin, twice()))
            }
            State::Kept => Some((origin, twice())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn twice() -> Outcome {
    Outcome::Failed(crate::wire::protocol::Failure::BadResult("it was promised to another call".to_owned()))
}
