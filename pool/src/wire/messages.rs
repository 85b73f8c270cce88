//! The messages of the control link, and the outcome of a task that returned no value.

use procession_core::codec::Message;
use procession_core::{Function, Method};
use procession_process::Panic;
use serde::{Deserialize, Serialize};

use super::channel::SharedRings;
use crate::model::init_failure::InitFailure;

/// The pool's first message. Written from `Setup<&Preparation>`, read as `Setup<Preparation>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup<P> {
    pub(crate) rings: SharedRings,
    /// The processor that the worker runs on.
    pub(crate) processor: Option<usize>,
    pub(crate) preparation: P,
}

/// What a worker does before its first task, and after its last one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Preparation {
    pub(crate) initializer: Option<Initializer>,
    pub(crate) state: Option<StateFactory>,
    pub(crate) local_state: Option<StateFactory>,
    pub(crate) finalizer: Option<Call>,
    pub(crate) niceness: Option<i32>,
}

impl Preparation {
    /// Returns whether a step before the first task may fail.
    pub(crate) fn is_some(&self) -> bool {
        let makes_state = self.state.is_some() || self.local_state.is_some();
        self.initializer.is_some() || makes_state || self.niceness.is_some()
    }

    /// Returns whether an argument holds a file or a socket.
    pub(crate) fn has_descriptors(&self) -> bool {
        let initializer = self.initializer.as_ref().map(|initializer| &initializer.call.argument);
        let states = self.state.iter().chain(&self.local_state).map(|state| &state.argument);
        let finalizer = self.finalizer.as_ref().map(|finalizer| &finalizer.argument);
        states.chain(initializer).chain(finalizer).any(|argument| !argument.descriptors().is_empty())
    }
}

/// A function and its argument.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) argument: Message,
}

/// A function whose result stays in the worker, and its argument. The method returns the text of its error, if any.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StateFactory {
    pub(crate) method: Method,
    pub(crate) argument: Message,
}

/// The call that a worker makes before its first task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Initializer {
    pub(crate) call: Call,
    /// Turns the function's result into the text of its error, if it is one.
    pub(crate) error_text: Function,
}

/// The pool's messages after the setup. Written from `Order<&Message>`, read as `Order<Message>`.
///
/// A function is registered before its first chunk. Its context, if it has one, is decoded for its first task, and dropped when
/// the function is unregistered, because its job has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order<M> {
    Register {
        id: u32,
        function: Function,
    },
    RegisterWith {
        id: u32,
        make: Method,
        context: M,
        method: Method,
    },
    Unregister {
        id: u32,
    },
    /// The descriptors of the argument whose chunk header names this number.
    Descriptors {
        serial: u32,
        with: M,
    },
    /// Close these descriptors: their tasks were revoked.
    Revoke {
        serials: Vec<u32>,
    },
    /// Run the finalizer and end.
    Leave,
    /// Look at the rings.
    Notify,
}

/// A worker's messages.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// All steps before the first task have succeeded.
    Ready,
    /// A step before the first task has failed, and the worker ends.
    InitFailed(InitFailure),
    /// The finalizer has returned.
    Finalized,
    /// The worker leaves now, and its finalizer or the drop of its state has failed.
    ExitStepFailed(InitFailure),
    /// The descriptors of the next result whose item announces some.
    Descriptors(Message),
    /// Look at the rings.
    Notify,
}

/// Why a task returned no value.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum RunError {
    /// The function has panicked, or code that decodes its argument or encodes its result.
    Panicked(Panic),
    /// The argument could not be decoded; the function has not run.
    BadArgument(String),
    /// The function has run, but its result could not be sent.
    BadResult(String),
}
