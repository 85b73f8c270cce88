//! [`Cell`]: one case of how a pool ends.

use std::fmt;

/// The call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    ApplyAsync,
    MapAsync,
    Imap,
    ImapUnordered,
    /// `apply_async` with `on_done`.
    Callback,
    /// `apply_async`, polled as a future.
    Future,
}

/// What becomes of the handle of its results before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// It was asked, without waiting, and is kept.
    Asked,
    /// It is kept, and nobody has ever asked.
    Held,
    Dropped,
    /// As by `mem::forget`.
    Forgotten,
    /// It was cancelled, and is kept. An iterator is cancelled by dropping it.
    Cancelled,
}

/// The end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `close`, then `join`.
    Join,
    /// `join_timeout` with a limit that is too short, then with one that is not.
    JoinTimeout,
    Terminate,
    Drop,
    /// `main` returns; the pool is in a static.
    Main,
    /// `main` panics; the pool is in a local variable.
    Panic,
    /// `process::exit`.
    Exit,
}

/// What the pool's one worker does when the end comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has done all that it was sent.
    Idle,
    /// It runs the first task, which goes on until it is let go, which it is after `close`, and never after the other endings.
    Running,
    /// It runs such a task of another job, and those of this one wait.
    Queued,
    /// It is about to be killed by the task that it runs.
    Dying,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) how: How,
    pub(crate) hand: Hand,
    pub(crate) ending: Ending,
    pub(crate) state: State,
}

impl How {
    const ALL: [How; 6] = [How::ApplyAsync, How::MapAsync, How::Imap, How::ImapUnordered, How::Callback, How::Future];

    pub(crate) fn is_lazy(self) -> bool {
        matches!(self, How::Imap | How::ImapUnordered)
    }

    /// How many tasks the call makes.
    pub(crate) fn tasks(self) -> u32 {
        if self.is_lazy() || self == How::MapAsync { 3 } else { 1 }
    }
}

impl Hand {
    const ALL: [Hand; 5] = [Hand::Asked, Hand::Held, Hand::Dropped, Hand::Forgotten, Hand::Cancelled];
}

impl Ending {
    const ALL: [Ending; 7] =
        [Ending::Join, Ending::JoinTimeout, Ending::Terminate, Ending::Drop, Ending::Main, Ending::Panic, Ending::Exit];

    /// Whether it is the end of the program.
    pub(crate) fn is_last(self) -> bool {
        matches!(self, Ending::Main | Ending::Panic | Ending::Exit)
    }

    /// Whether it waits for tasks.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Ending::Join | Ending::JoinTimeout)
    }
}

impl State {
    const ALL: [State; 4] = [State::Idle, State::Running, State::Queued, State::Dying];
}

impl Cell {
    pub(crate) fn all() -> Vec<Cell> {
        let mut all = Vec::new();
        for how in How::ALL {
            for hand in Hand::ALL {
                for ending in Ending::ALL {
                    all.extend(State::ALL.map(|state| Cell { how, hand, ending, state }));
                }
            }
        }
        all
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell { how, hand, ending, state } = self;
        write!(f, "{}", format!("{how:?}/{hand:?}/{ending:?}/{state:?}").to_lowercase())
    }
}
