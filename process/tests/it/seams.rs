//! Where code of the user's runs on the way of an argument and a result of a process, and what it may do there: each has one right
//! outcome, given in [`expected`], whatever the start method.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::OnceLock;

use procession_process::{Child, StartMethod, active_children};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{FOREVER, alone, quietly};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Seam {
    EncodeArgument,
    DecodeArgument,
    Function,
    DropArgument,
    EncodeResult,
    DropResult,
    DecodeResult,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Deed {
    Panic,
    /// The payload of the panic panics when it is dropped.
    Bomb,
    Abort,
    Exit,
    /// Starts a process of its own, joins it, and asks for the state of its own.
    Reenter,
}

const SEAMS: [Seam; 7] = [
    Seam::EncodeArgument,
    Seam::DecodeArgument,
    Seam::Function,
    Seam::DropArgument,
    Seam::EncodeResult,
    Seam::DropResult,
    Seam::DecodeResult,
];
const ALL: [StartMethod; 3] = [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork];
const DEEDS: [Deed; 5] = [Deed::Panic, Deed::Bomb, Deed::Abort, Deed::Exit, Deed::Reenter];

/// What is right. `None`: it happens on the caller's thread and ends the caller.
fn expected(seam: Seam, deed: Deed) -> Option<&'static str> {
    Some(match (seam, deed) {
        (_, Deed::Reenter) => "value, exit code 0",
        (Seam::EncodeArgument, Deed::Panic | Deed::Bomb) => "the caller's panic",
        (Seam::EncodeArgument | Seam::DecodeResult, Deed::Abort | Deed::Exit) => return None,
        // The value was told by then.
        (Seam::DropResult, Deed::Panic | Deed::Bomb) => "value, exit code 101",
        (Seam::DropResult, Deed::Abort) => "value, exit code -6",
        (Seam::DropResult, Deed::Exit) => "value, exit code 3",
        (Seam::DecodeResult, _) => "unreadable result, exit code 0",
        (_, Deed::Panic | Deed::Bomb) => "panic, exit code 101",
        (_, Deed::Abort) => "death, exit code -6",
        (_, Deed::Exit) => "death, exit code 3",
    })
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload was dropped");
    }
}

/// The process that a cell is about, for those who ask on its thread.
static ITS_CHILD: OnceLock<Child> = OnceLock::new();

/// The deed, where it is the seam's turn.
fn at(here: Seam, (seam, deed, method): Cell) {
    if here != seam {
        return;
    }
    match deed {
        Deed::Panic => panic!("at {seam:?}"),
        Deed::Bomb => panic_any(Bomb),
        Deed::Abort => std::process::abort(),
        Deed::Exit => std::process::exit(3),
        Deed::Reenter => {
            assert_eq!(quietly(ALL[method], |n: u8| n + 1, 1).join_timeout(FOREVER).unwrap(), Some(2));
            let _all = active_children();
            if let Some(child) = ITS_CHILD.get() {
                let _known = (child.exit_status(), child.panic(), child.is_alive());
            }
        }
    }
}

/// The number is that of the start method.
type Cell = (Seam, Deed, usize);

/// What is carried in both directions.
struct Carried {
    cell: Cell,
    is_there: bool,
    is_result: bool,
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
        at(if is_result { Seam::DecodeResult } else { Seam::DecodeArgument }, cell);
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

fn function(argument: Carried) -> Carried {
    let cell = argument.cell;
    at(Seam::Function, cell);
    drop(argument);
    Carried { cell, is_there: false, is_result: true }
}

/// What comes of one cell.
fn play(cell: Cell) -> String {
    let argument = Carried { cell, is_there: false, is_result: false };
    let started = catch_unwind(AssertUnwindSafe(|| quietly(ALL[cell.2], function, argument)));
    let Ok(process) = started.map_err(std::mem::forget) else { return "the caller's panic".to_owned() };
    let _first = ITS_CHILD.set(process.child());
    let outcome = process.join_timeout(FOREVER).map(|value| value.expect("an end").cell);
    let what = match outcome {
        Ok(_) => "value",
        Err(error) if error.is_panic() => "panic",
        Err(error) if error.is_death() => "death",
        Err(error) if error.to_string().contains("its result cannot be read: it panicked") => "unreadable result",
        Err(error) => return error.to_string(),
    };
    format!("{what}, exit code {}", process.exit_code().unwrap())
}

#[test]
fn whatever_code_of_the_users_does_on_the_way_has_one_right_outcome() {
    for (method, name) in ALL.iter().enumerate() {
        for (seam, deed) in SEAMS.into_iter().flat_map(|seam| DEEDS.map(|deed| (seam, deed))) {
            let Some(right) = expected(seam, deed) else { continue };
            // In a process without other threads, so that it can be copied.
            assert_eq!(alone(play, (seam, deed, method)), right, "{seam:?} {deed:?} {name:?}");
        }
    }
}
