//! Where code of the user's runs on a task's way, and what it may do there: each cell has one right outcome, given in [`expected`].
//!
//! Each cell is tried in a program of its own, which must end in time, must say the outcome that is right, and whose pool must do its
//! next job as if nothing had been. Words choose the cells whose names contain one of them.
//!
//! ```text
//! cargo run -p procession-pool --example seams
//! cargo run -p procession-pool --example seams encode/panic
//! ```

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use std::{iter, process, sync::Arc, thread};

use procession_pool::{Pool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A cell that takes longer hangs.
const GUARD: Duration = Duration::from_secs(60);

/// Where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Seam {
    Nowhere,
    Next,
    SizeHint,
    DropInput,
    EncodeArgument,
    DecodeArgument,
    Function,
    DropArgument,
    EncodeResult,
    DropResult,
    DecodeResult,
    DecodeForCallback,
    Callback,
    Waker,
    Initializer,
    State,
    DropContext,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    Panic,
    /// The payload of the panic panics when it is dropped.
    Bomb,
    Abort,
    Exit,
    Block,
}

const SEAMS: [Seam; 16] = [
    Seam::Next,
    Seam::SizeHint,
    Seam::DropInput,
    Seam::EncodeArgument,
    Seam::DecodeArgument,
    Seam::Function,
    Seam::DropArgument,
    Seam::EncodeResult,
    Seam::DropResult,
    Seam::DecodeResult,
    Seam::DecodeForCallback,
    Seam::Callback,
    Seam::Waker,
    Seam::Initializer,
    Seam::State,
    Seam::DropContext,
];
const DEEDS: [Deed; 5] = [Deed::Panic, Deed::Bomb, Deed::Abort, Deed::Exit, Deed::Block];

/// What is right: the outcome that the program says, or how it ends. `None`: there is no such cell.
fn expected(seam: Seam, deed: Deed) -> Option<&'static str> {
    let unwinds = matches!(deed, Deed::Panic | Deed::Bomb) && cfg!(panic = "unwind");
    let aborts = deed == Deed::Abort || matches!(deed, Deed::Panic | Deed::Bomb) && cfg!(panic = "abort");
    Some(match seam {
        Seam::Nowhere => return None,
        // On the way in, on the caller's thread: it is the caller's own.
        Seam::Next | Seam::SizeHint | Seam::DropInput | Seam::EncodeArgument if unwinds => "the caller's panic",
        // In the worker: an error of that task.
        Seam::DecodeArgument | Seam::Function | Seam::DropArgument | Seam::EncodeResult => match deed {
            _ if unwinds => "panic of task 0",
            Deed::Exit => "death of task 0 with exit code 3",
            Deed::Block => "task 0 took too long",
            Deed::Abort => "death of task 0 with signal 6 (SIGABRT)",
            _ => "panic of task 0 and death with signal 6 (SIGABRT)",
        },
        // The result was told by then. Nothing limits how long the worker is held.
        Seam::DropResult | Seam::DropContext if deed == Deed::Block => return None,
        Seam::DropResult | Seam::DropContext => "value",
        // On the way out: an error of that task, and no callback is lost.
        Seam::DecodeResult | Seam::DecodeForCallback if unwinds => "unreadable result of task 0",
        // Nobody else's business.
        Seam::Callback | Seam::Waker if unwinds => "value",
        Seam::Callback if deed == Deed::Block => "value",
        Seam::Initializer | Seam::State => match deed {
            _ if unwinds => "no pool: it panicked",
            Deed::Block => "no pool: it was late",
            _ => "no pool: its workers end",
        },
        // Whoever blocks or ends the program on a thread of the program's own does just that.
        _ if deed == Deed::Block => return None,
        _ if aborts => "the program ends by signal 6",
        _ => "the program ends with code 3",
    })
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload was dropped");
    }
}

/// The deed, where it is the seam's turn.
fn at(here: Seam, (seam, deed): (Seam, Deed)) {
    if here != seam {
        return;
    }
    match deed {
        Deed::Panic => panic!("at {seam:?}"),
        Deed::Bomb => panic_any(Bomb),
        Deed::Abort => process::abort(),
        Deed::Exit => process::exit(3),
        Deed::Block => loop {
            thread::park();
        },
    }
}

type Cell = (Seam, Deed);

/// What is carried in both directions; `is_there` tells whether it has arrived.
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
        if is_result {
            at(Seam::DecodeForCallback, cell);
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

fn task(argument: Carried) -> Carried {
    let cell = argument.cell;
    at(Seam::Function, cell);
    drop(argument);
    Carried { cell, is_there: false, is_result: true }
}

/// A context that acts when a worker lets go of it.
struct Shared(Cell, bool);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shared, D::Error> {
        Cell::deserialize(deserializer).map(|cell| Shared(cell, true))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.1 {
            at(Seam::DropContext, self.0);
        }
    }
}

/// One argument.
struct Input(Cell, bool);

impl Iterator for Input {
    type Item = Carried;

    fn next(&mut self) -> Option<Carried> {
        at(Seam::Next, self.0);
        (!std::mem::replace(&mut self.1, true)).then(|| Carried { cell: self.0, is_there: false, is_result: false })
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

struct Told(Cell, thread::Thread);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.1.unpark();
        at(Seam::Waker, self.0);
    }
}

/// Tries one cell, and says what came of it.
fn play(cell: Cell) -> String {
    let builder = Pool::builder().workers(2).initializer(|cell| at(Seam::Initializer, cell), cell);
    let builder = builder.state(|cell| at(Seam::State, cell), cell).start_timeout(Duration::from_secs(3));
    let pool = match builder.build() {
        Ok(pool) => pool,
        Err(error) if error.panic().is_some() => return "no pool: it panicked".to_owned(),
        Err(error) if error.to_string().contains("was not ready within") => return "no pool: it was late".to_owned(),
        Err(_) => return "no pool: its workers end".to_owned(),
    };
    let limit = if cell.1 == Deed::Block { Duration::from_secs(1) } else { Duration::MAX };
    let job = || pool.job(task).timeout(limit);
    let argument = || Carried { cell, is_there: false, is_result: false };
    let outcome = catch_unwind(AssertUnwindSafe(|| match cell.0 {
        Seam::DecodeForCallback | Seam::Callback => {
            let (tell, told) = mpsc::channel();
            job().apply_async(argument()).on_done(move |result| {
                tell.send(result.map(drop)).expect("somebody listens");
                at(Seam::Callback, cell);
            });
            let outcome = told.recv_timeout(GUARD).expect("the callback");
            // What it does after that may end the program, which is waited for.
            let aborts = matches!(cell.1, Deed::Panic | Deed::Bomb) && cfg!(panic = "abort");
            if cell.0 == Seam::Callback && (aborts || matches!(cell.1, Deed::Abort | Deed::Exit)) {
                thread::sleep(GUARD);
            }
            outcome
        }
        Seam::Waker => {
            let mut result = pool.apply_async(
                |cell: Cell| thread::sleep(Duration::from_millis(20 * u64::from(cell.0 == Seam::Waker))),
                cell,
            );
            let waker = Waker::from(Arc::new(Told(cell, thread::current())));
            loop {
                match std::pin::Pin::new(&mut result).poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(outcome) => break outcome,
                    Poll::Pending => thread::park(),
                }
            }
        }
        Seam::DropContext => pool.map_with(&Shared(cell, false), |_: &Shared, (): ()| (), [(), ()]).map(drop),
        _ => job().map(Input(cell, false)).map(drop),
    }));
    // Whatever it was, nobody else is hurt.
    let next = pool.map(|n: u64| n + 1, 0..100);
    assert!(next.is_ok_and(|values| values.into_iter().eq(1..101)), "the next job is not as it should be");
    match outcome {
        Ok(Ok(())) => "value".to_owned(),
        Ok(Err(error)) => told(&error),
        Err(payload) => {
            // To drop it is another deed.
            std::mem::forget(payload);
            "the caller's panic".to_owned()
        }
    }
}

fn told(error: &TaskError) -> String {
    let index = error.index();
    match (error.panic(), error.exit_status()) {
        (Some(_), Some(status)) => format!("panic of task {index} and death with {}", brief(&status)),
        (Some(_), None) => format!("panic of task {index}"),
        (None, Some(status)) => format!("death of task {index} with {}", brief(&status)),
        _ if error.is_timeout() => format!("task {index} took too long"),
        _ if error.is_transport() => format!("unreadable result of task {index}"),
        _ => error.to_string(),
    }
}

/// Without what differs from machine to machine.
fn brief(status: &impl ToString) -> String {
    status.to_string().split(',').next().unwrap_or_default().to_owned()
}

/// Tries a cell in a program of its own.
fn run(number: usize) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command.args(["play", &number.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if begin.elapsed() > 2 * GUARD => {
                let _gone = child.kill();
                return Err("it hangs".to_owned());
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut said = String::new();
    let mut out = child.stdout.take().ok_or("no output")?;
    std::io::Read::read_to_string(&mut out, &mut said).map_err(|error| error.to_string())?;
    match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(0), _) => Ok(said.trim_end().to_owned()),
        (Some(code), _) => Ok(format!("the program ends with code {code}")),
        (None, signal) => Ok(format!("the program ends by signal {}", signal.unwrap_or_default())),
    }
}

fn cells() -> Vec<Cell> {
    SEAMS.into_iter().flat_map(|seam| DEEDS.into_iter().map(move |deed| (seam, deed))).collect()
}

fn name((seam, deed): Cell) -> String {
    let lower = |value: &dyn Debug| format!("{value:?}").to_lowercase();
    format!("{}/{}", lower(&seam), lower(&deed))
}

fn main() -> ExitCode {
    procession_process::init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let all = cells();
    if let [play_word, number] = &words[..]
        && play_word == "play"
        && let Some(cell) = number.parse::<usize>().ok().and_then(|number| all.get(number))
    {
        println!("{}", play(*cell));
        return ExitCode::SUCCESS;
    }
    let (mut tried, mut wrong) = (0, 0);
    for (number, cell) in iter::zip(0.., all) {
        let Some(right) = expected(cell.0, cell.1) else { continue };
        if !words.is_empty() && !words.iter().any(|word| name(cell).contains(word.as_str())) {
            continue;
        }
        tried += 1;
        let found = run(number).unwrap_or_else(|error| error);
        if found != right {
            wrong += 1;
            println!("{}: `{found}` instead of `{right}`", name(cell));
        }
    }
    println!("{tried} cells, {wrong} of them wrong");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
