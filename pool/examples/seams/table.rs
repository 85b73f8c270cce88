//! The table: the seams, the deeds, and what is right where.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

/// Where code of the user's runs. A pool formats nothing of the user's but the errors of states, so there is no seam for `Debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Seam {
    // On the caller's threads.
    Next,
    NextOfImap,
    NextOfUnordered,
    NextOfAsync,
    SizeHint,
    DropInput,
    EncodeArgument,
    EncodeContext,
    DecodeResult,
    DecodeForImap,
    DecodeForCallback,
    DecodeForFuture,
    Callback,
    CallbackOfMap,
    Waker,
    // In a worker, on a task's way.
    DecodeArgument,
    DecodeContext,
    Function,
    Hook,
    DropArgument,
    EncodeResult,
    DropResult,
    DropContext,
    // In a worker, before and after all tasks.
    Initializer,
    State,
    LocalState,
    ShowError,
    DropState,
    Finalizer,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deed {
    Panic,
    /// The payload of the panic panics when it is dropped.
    Bomb,
    Abort,
    /// An allocation fails.
    Starve,
    Exit,
    Block,
    /// Uses the same pool, or in a worker one of its own.
    Reenter,
    /// Terminates the same pool.
    Terminate,
}

pub(crate) type Cell = (Seam, Deed);

pub(crate) const SEAMS: [Seam; 29] = [
    Seam::Next,
    Seam::NextOfImap,
    Seam::NextOfUnordered,
    Seam::NextOfAsync,
    Seam::SizeHint,
    Seam::DropInput,
    Seam::EncodeArgument,
    Seam::EncodeContext,
    Seam::DecodeResult,
    Seam::DecodeForImap,
    Seam::DecodeForCallback,
    Seam::DecodeForFuture,
    Seam::Callback,
    Seam::CallbackOfMap,
    Seam::Waker,
    Seam::DecodeArgument,
    Seam::DecodeContext,
    Seam::Function,
    Seam::Hook,
    Seam::DropArgument,
    Seam::EncodeResult,
    Seam::DropResult,
    Seam::DropContext,
    Seam::Initializer,
    Seam::State,
    Seam::LocalState,
    Seam::ShowError,
    Seam::DropState,
    Seam::Finalizer,
];
const DEEDS: [Deed; 8] =
    [Deed::Panic, Deed::Bomb, Deed::Abort, Deed::Starve, Deed::Exit, Deed::Block, Deed::Reenter, Deed::Terminate];

/// Every cell, right or wrong, in an order that stays.
pub(crate) fn cells() -> Vec<Cell> {
    SEAMS.into_iter().flat_map(|seam| DEEDS.into_iter().map(move |deed| (seam, deed))).collect()
}

pub(crate) fn name((seam, deed): Cell) -> String {
    let lower = |value: &dyn Debug| format!("{value:?}").to_lowercase();
    format!("{}/{}", lower(&seam), lower(&deed))
}

impl Seam {
    /// Whether it lies in the caller's program, where whoever blocks or ends does just that.
    pub(crate) fn is_here(self) -> bool {
        (self as u8) < Seam::DecodeArgument as u8
    }

    /// Whether it runs the caller's own code while the caller waits for it.
    fn is_input(self) -> bool {
        (self as u8) <= Seam::EncodeContext as u8
    }
}

impl Deed {
    fn panics(self) -> bool {
        matches!(self, Deed::Panic | Deed::Bomb)
    }

    /// Whether it ends the process by SIGABRT.
    pub(crate) fn aborts(self) -> bool {
        matches!(self, Deed::Abort | Deed::Starve) || self.panics() && cfg!(panic = "abort")
    }
}

/// What is right: the outcome that the program says, or how it ends. `None`: there is no such cell.
pub(crate) fn expected((seam, deed): Cell) -> Option<&'static str> {
    match deed {
        // Where panics abort, no hook is the last word.
        Deed::Reenter if seam == Seam::Hook && cfg!(panic = "abort") => {}
        Deed::Reenter => return Some("value"),
        // A worker knows nothing of the pool that it is of.
        Deed::Terminate => return seam.is_here().then_some("terminated"),
        _ => {}
    }
    let unwinds = deed.panics() && !deed.aborts();
    Some(match seam {
        seam if seam.is_input() && unwinds => "the caller's panic",
        // On the way out: an error of that task, and no callback is lost.
        Seam::DecodeResult | Seam::DecodeForImap | Seam::DecodeForCallback | Seam::DecodeForFuture if unwinds => {
            "unreadable result of task 0"
        }
        // Nobody else's business.
        Seam::Callback | Seam::CallbackOfMap | Seam::Waker if unwinds => "value",
        Seam::Callback | Seam::CallbackOfMap if deed == Deed::Block => "value",
        seam if seam.is_here() => match deed {
            Deed::Block => return None,
            Deed::Exit => "the program ends with code 3",
            _ => "the program ends by signal 6",
        },
        // The panic was told before the hook had its turn.
        Seam::Hook => match deed {
            Deed::Exit => "panic of task 0 and death with exit code 3",
            Deed::Block => "task 0 took too long",
            _ => "panic of task 0 and death with signal 6 (SIGABRT)",
        },
        Seam::DecodeContext if unwinds => "unreadable context of task 0",
        Seam::DecodeArgument | Seam::DecodeContext | Seam::Function | Seam::DropArgument | Seam::EncodeResult => {
            match deed {
                _ if unwinds => "panic of task 0",
                Deed::Exit => "death of task 0 with exit code 3",
                Deed::Block => "task 0 took too long",
                Deed::Abort | Deed::Starve => "death of task 0 with signal 6 (SIGABRT)",
                _ => "panic of task 0 and death with signal 6 (SIGABRT)",
            }
        }
        // The result was told by then. Nothing limits how long the worker is held.
        Seam::DropResult | Seam::DropContext if deed == Deed::Block => return None,
        Seam::DropResult | Seam::DropContext => "value",
        Seam::Initializer | Seam::State | Seam::LocalState | Seam::ShowError => match deed {
            _ if unwinds => "no pool: it panicked",
            Deed::Block => "no pool: it was late",
            _ => "no pool: its workers end",
        },
        // After all tasks: `join` waits for it, and `terminate` does not.
        Seam::DropState | Seam::Finalizer if deed == Deed::Block => "value, and the end only when terminated",
        Seam::DropState if unwinds => "value, and a state that panicked",
        Seam::DropState => "value, and a state that was cut off",
        Seam::Finalizer if unwinds => "value, and a finalizer that panicked",
        Seam::Finalizer => "value, and a finalizer that was cut off",
        _ => return None,
    })
}
