//! The messages of the control link, and what becomes of a task.

use procession_core::codec::Message;
use procession_core::{Function, Method};
use procession_process::Panic;
use serde::{Deserialize, Serialize};

use super::line::Lines;

/// From the pool, first. Written from `Setup<&Initializer>`, read as `Setup<Initializer>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup<P> {
    pub(crate) lines: Lines,
    /// The processor that it is to run on.
    pub(crate) processor: Option<usize>,
    pub(crate) preparation: P,
}

/// What a worker does before its first task, and after its last one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Preparation {
    pub(crate) initializer: Option<Initializer>,
    pub(crate) state: Option<Maker>,
    pub(crate) local_state: Option<Maker>,
    pub(crate) finalizer: Option<Call>,
    /// How much it yields to others.
    pub(crate) niceness: Option<i32>,
}

impl Preparation {
    /// Whether there is something that may fail.
    pub(crate) fn is_some(&self) -> bool {
        let makes_state = self.state.is_some() || self.local_state.is_some();
        self.initializer.is_some() || makes_state || self.niceness.is_some()
    }
}

/// A function and its argument.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) argument: Message,
}

/// A function whose result stays in the worker, and its argument. What comes back is the text of its error, if there was one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Maker {
    pub(crate) method: Method,
    pub(crate) argument: Message,
}

/// What a worker runs before its first task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Initializer {
    pub(crate) call: Call,
    /// Answers with the text of the error that the function's result stands for, if it is one.
    pub(crate) verdict: Function,
}

/// From the pool, after the setup. Written from `Order<&Message>`, read as `Order<Message>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order<M> {
    Learn {
        work: u32,
        function: Function,
    },
    LearnWith {
        work: u32,
        make: Method,
        context: M,
        method: Method,
    },
    Forget {
        work: u32,
    },
    /// What goes with the argument that names this number.
    Descriptors {
        serial: u32,
        with: M,
    },
    /// Close these descriptors: their tasks were taken back.
    TakeBack {
        serials: Vec<u32>,
    },
    Leave,
    /// Look at the rings.
    Bell,
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Ready,
    InitFailed(InitFailure),
    /// It leaves now.
    FinalizerFailed(InitFailure),
    /// What goes with the next result that says that something does.
    Descriptors(Message),
    /// Look at the rings.
    Bell,
}

/// Why a worker could not be prepared, or did not take its leave as it should.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InitFailure {
    pub(crate) step: Step,
    pub(crate) why: Why,
}

/// What a worker does before its first task, and after its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// It takes its place among the processes.
    Place,
    Initializer,
    State,
    Finalizer,
}

/// What went wrong with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Why {
    /// The function returned an error, with this text.
    Error(String),
    Panicked(Panic),
    /// It was not called, or its result did not come out.
    NotRun(String),
}

impl Step {
    pub(crate) fn failed(self, why: Why) -> InitFailure {
        InitFailure { step: self, why }
    }
}

/// What became of a task in its worker, if not a result.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Panicked(Panic),
    /// The argument could not be decoded; the function has not run.
    BadArgument(String),
    /// The function has run, but its result could not be sent.
    BadResult(String),
}
