//! What is carried to the workers and back, and acts on the way.

use std::sync::{Arc, mpsc};
use std::task::Wake;
use std::thread::Thread;
use std::{fmt, mem};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::deed::{at, in_a_hook};
use crate::table::{Cell, Seam};

/// What is carried in both directions; `is_there` tells whether it has arrived.
pub(crate) struct Carried {
    cell: Cell,
    is_there: bool,
    is_result: bool,
}

pub(crate) fn argument(cell: Cell) -> Carried {
    Carried { cell, is_there: false, is_result: false }
}

impl Serialize for Carried {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        at(if self.is_result { Seam::EncodeResult } else { Seam::EncodeArgument }, self.cell);
        (self.cell, self.is_result).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Carried {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Carried, D::Error> {
        let (cell, is_result) = <(Cell, bool)>::deserialize(deserializer)?;
        if is_result {
            let all = [Seam::DecodeResult, Seam::DecodeForImap, Seam::DecodeForCallback, Seam::DecodeForFuture];
            all.into_iter().for_each(|seam| at(seam, cell));
        } else {
            at(Seam::DecodeArgument, cell);
        }
        Ok(Carried { cell, is_there: true, is_result })
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        match (self.is_result, self.is_there) {
            (false, true) => at(Seam::DropArgument, self.cell),
            (true, false) => at(Seam::DropResult, self.cell),
            _ => {}
        }
    }
}

/// The task.
pub(crate) fn task(argument: Carried) -> Carried {
    let cell = argument.cell;
    in_a_hook(cell);
    at(Seam::Function, cell);
    drop(argument);
    Carried { cell, is_there: false, is_result: true }
}

/// A context that acts on its way, and when a worker lets go of it.
pub(crate) struct Shared(pub(crate) Cell, bool);

impl Shared {
    pub(crate) fn here(cell: Cell) -> Shared {
        Shared(cell, false)
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        at(Seam::EncodeContext, self.0);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shared, D::Error> {
        let cell = Cell::deserialize(deserializer)?;
        at(Seam::DecodeContext, cell);
        Ok(Shared(cell, true))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.1 {
            at(Seam::DropContext, self.0);
        }
    }
}

/// A worker's state that acts when the worker lets go of it.
pub(crate) struct Kept(pub(crate) Cell);

impl Drop for Kept {
    fn drop(&mut self) {
        at(Seam::DropState, self.0);
    }
}

/// The error of a state that could not be made.
pub(crate) struct Shown(pub(crate) Cell);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        at(Seam::ShowError, self.0);
        f.write_str("nothing to keep")
    }
}

/// One argument.
pub(crate) struct Input(pub(crate) Cell, pub(crate) bool);

impl Iterator for Input {
    type Item = Carried;

    fn next(&mut self) -> Option<Carried> {
        let all = [Seam::Next, Seam::NextOfImap, Seam::NextOfUnordered, Seam::NextOfAsync];
        all.into_iter().for_each(|seam| at(seam, self.0));
        (!mem::replace(&mut self.1, true)).then(|| argument(self.0))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        at(Seam::SizeHint, self.0);
        (0, None)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        at(Seam::DropInput, self.0);
    }
}

/// A waker that acts, for a thread that waits. When the last clone is gone, its deed is over.
pub(crate) struct Waking(
    pub(crate) Cell,
    pub(crate) Thread,
    #[expect(dead_code, reason = "its drop shows that the deed is over")] pub(crate) Option<mpsc::Sender<()>>,
);

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.1.unpark();
        at(Seam::Waker, self.0);
    }
}
