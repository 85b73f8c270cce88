//! Has each cell played by a program of its own, and watches it.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use crate::table::{Cell, expected, name};

/// What takes this long hangs.
pub(crate) const GUARD: Duration = Duration::from_secs(60);
/// What a program is told to play a cell, whose number follows.
pub(crate) const PLAY: &str = "--play";

/// Tries the cells whose names contain one of the words, or all, and says which are wrong.
pub(crate) fn all(cells: &[Cell], words: &[String]) -> ExitCode {
    let is_chosen = |cell: Cell| words.is_empty() || words.iter().any(|word| name(cell).contains(word.as_str()));
    let chosen = cells.iter().enumerate().filter(|(_, cell)| is_chosen(**cell));
    let errands: Vec<(usize, Cell, &str)> =
        chosen.filter_map(|(number, cell)| Some((number, *cell, expected(*cell)?))).collect();
    let (left, wrong) = (Mutex::new(errands.iter()), Mutex::new(0));
    let next = || left.lock().expect("a whole lock").next();
    let work = || {
        while let Some((number, cell, right)) = next() {
            let found = run(*number).unwrap_or_else(|error| error);
            if found != *right {
                *wrong.lock().expect("a whole lock") += 1;
                println!("{}: `{found}` instead of `{right}`", name(*cell));
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let _others: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
    });
    let wrong = wrong.into_inner().expect("a whole lock");
    println!("{} cells, {wrong} of them wrong", errands.len());
    ExitCode::from(u8::from(wrong > 0))
}

/// Tries a cell. The program's output ends when it has ended, and all that it has started.
fn run(number: usize) -> Result<String, String> {
    let mut command = Command::new(env::current_exe().map_err(|error| error.to_string())?);
    command.args([PLAY, &number.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut said = String::new();
        let read = output.read_to_string(&mut said);
        // Nobody listens any more where the program hung.
        let _heard = tell.send(read.map(|_| said));
    });
    let Ok(said) = told.recv_timeout(2 * GUARD) else {
        let has_ended = child.try_wait().is_ok_and(|status| status.is_some());
        let _gone = child.kill();
        let _reaped = child.wait();
        return Err(if has_ended { "a process that it has left goes on" } else { "it hangs" }.to_owned());
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(outcome(status, said.map_err(|error| error.to_string())?.trim_end()))
}

fn outcome(status: ExitStatus, said: &str) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => said.to_owned(),
        (Some(code), _) => format!("the program ends with code {code}"),
        (None, signal) => format!("the program ends by signal {}", signal.unwrap_or_default()),
    }
}
