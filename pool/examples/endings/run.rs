//! Has cells played by programs of their own, and watches them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::table::{Cell, Ending};

/// What takes this long hangs.
pub(crate) const GUARD: Duration = Duration::from_secs(30);
/// What a program is told to play cells, or one of the last kind; their numbers follow.
pub(crate) const PLAY: &str = "--play";
pub(crate) const PLAY_LAST: &str = "--play-last";
/// What the last kind prints before its end.
pub(crate) const READY: &str = "ready";
/// What one that exits exits with.
pub(crate) const EXIT_CODE: i32 = 7;
/// What a panic of `main` exits with.
const PANICKED: i32 = 101;
/// So many are played by one program.
const BATCH: usize = 30;

/// Cells by number, that one program plays.
struct Errand {
    cells: Vec<usize>,
    is_last: bool,
}

/// A program that is watched: its lines, until nobody holds its output any more, which its workers do as well.
struct Player {
    child: Child,
    lines: Receiver<String>,
}

/// Tries cells, and says how that went.
pub(crate) fn all(numbers: &[usize]) -> ExitCode {
    let begin = Instant::now();
    let errands = Mutex::new(errands(numbers));
    let next = || errands.lock().expect("a whole lock").pop();
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(errand) = next() {
            let found = if errand.is_last { last(&errand) } else { batch(&errand) };
            failures.lock().expect("a whole lock").extend(found);
        }
    };
    thread::scope(|scope| {
        let _others: Vec<_> =
            (0..thread::available_parallelism().map_or(2, usize::from)).map(|_| scope.spawn(work)).collect();
    });
    let failures = failures.into_inner().expect("a whole lock");
    failures.iter().for_each(|failure| println!("{failure}"));
    println!("{} cells, {} of them wrong, in {:.1} s", numbers.len(), failures.len(), begin.elapsed().as_secs_f64());
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn errands(numbers: &[usize]) -> Vec<Errand> {
    let all = Cell::all();
    let (last, others): (Vec<usize>, Vec<usize>) = numbers.iter().partition(|number| all[**number].ending.is_last());
    let last = last.into_iter().map(|number| Errand { cells: vec![number], is_last: true });
    let batches = others.chunks(BATCH).map(|cells| Errand { cells: cells.to_vec(), is_last: false });
    last.chain(batches).collect()
}

/// Plays several, each of which prints a line. What hangs is killed, and the rest goes on in another program.
fn batch(errand: &Errand) -> Vec<String> {
    let (mut left, mut failures) = (&errand.cells[..], Vec::new());
    while !left.is_empty() {
        let mut player = Player::start(PLAY, left);
        while let Some((number, rest)) = left.split_first() {
            let line = player.line();
            left = rest;
            match line.as_deref() {
                Ok("ok") => continue,
                Ok(fault) => failures.push(failure(*number, fault)),
                Err(fault) => {
                    failures.push(failure(*number, fault));
                    break;
                }
            }
        }
        if let Err(fault) = player.end(None) {
            failures.push(fault);
        }
    }
    failures
}

fn last(errand: &Errand) -> Vec<String> {
    let number = errand.cells[0];
    let mut player = Player::start(PLAY_LAST, &errand.cells);
    let fault = match player.line().as_deref() {
        Ok(READY) => player.end(Some(Cell::all()[number].ending)).err(),
        Ok(other) => Some(format!("it says {other}")),
        Err(fault) => Some(format!("before the end: {fault}")),
    };
    fault.into_iter().map(|fault| failure(number, &fault)).collect()
}

fn failure(number: usize, fault: &str) -> String {
    format!("{}: {fault}", Cell::all()[number])
}

impl Player {
    fn start(what: &str, cells: &[usize]) -> Player {
        let mut command = Command::new(env::current_exe().expect("this program's path"));
        command.arg(what).args(cells.iter().map(usize::to_string)).stdin(Stdio::null()).stdout(Stdio::piped());
        if what == PLAY_LAST {
            // It may be a panic.
            command.stderr(Stdio::null());
        }
        let mut child = command.spawn().expect("this program, once more");
        let output = child.stdout.take().expect("its output");
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Player { child, lines }
    }

    fn line(&mut self) -> Result<String, String> {
        self.lines.recv_timeout(GUARD).map_err(|why| match why {
            RecvTimeoutError::Timeout => {
                // It may have ended by now.
                let _ended = self.child.kill();
                "it hangs".to_owned()
            }
            RecvTimeoutError::Disconnected => "it has ended too soon".to_owned(),
        })
    }

    /// Waits for the end of the program, and of all that it has started.
    fn end(mut self, ending: Option<Ending>) -> Result<(), String> {
        let said = self.lines.recv_timeout(GUARD);
        if said != Err(RecvTimeoutError::Disconnected) {
            let _ended = self.child.kill();
            return Err(format!("it, or a process that it has left, goes on ({said:?})"));
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if is_right(status, ending) { Ok(()) } else { Err(format!("it has ended with {status}")) }
    }
}

fn is_right(status: ExitStatus, ending: Option<Ending>) -> bool {
    match ending {
        // Where panics abort, it has no code.
        Some(Ending::Panic) => status.code() == if cfg!(panic = "abort") { None } else { Some(PANICKED) },
        Some(Ending::Exit) => status.code() == Some(EXIT_CODE),
        _ => status.success(),
    }
}
