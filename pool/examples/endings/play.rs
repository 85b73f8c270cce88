//! Plays cells in this process.

use std::mem;
use std::process::{ExitCode, exit};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use procession_pool::Pool;
use procession_process::active_children;

use crate::expected::{Expected, Outcome, expected, is_handed_over, is_kept};
use crate::handle::{Calls, Handle};
use crate::run::{EXIT_CODE, GUARD, READY};
use crate::scene::{Scene, block};
use crate::table::{Cell, Ending, Hand, State};

/// A limit that is too short, so that it is seen to be kept.
const TOO_SHORT: Duration = Duration::from_millis(2);

/// What came out of a cell.
#[derive(Debug, Default)]
struct Seen {
    answers: Vec<Outcome>,
    calls: Vec<Outcome>,
    ran: u32,
    /// What went wrong on the way.
    faults: Vec<String>,
}

/// Plays cells whose ends are not the end of the program, and prints a line for each.
pub(crate) fn all(cells: &[Cell]) -> ExitCode {
    for cell in cells {
        println!("{}", verdict(&expected(cell), &play(cell)));
    }
    ExitCode::SUCCESS
}

/// Plays one to the end of this program. Whoever started it sees how that goes.
pub(crate) fn last(cell: Cell) -> ExitCode {
    let scene = Scene::new(cell.state);
    // What is in the stack of `main` is dropped by a panic, if panics unwind, and by nothing else.
    let local = scene.pool();
    if cell.ending == Ending::Panic {
        let (_kept, _calls, _) = set(&cell, &scene, &local);
        println!("{READY}");
        panic!("as expected");
    }
    let kept = set(&cell, &scene, Box::leak(Box::new(local)));
    println!("{READY}");
    match cell.ending {
        Ending::Exit => exit(EXIT_CODE),
        _ => {
            mem::forget(kept);
            ExitCode::SUCCESS
        }
    }
}

/// Brings the pool into the state of the cell, and the handle into the hands. The answers are those that will not come again.
fn set<'pool>(cell: &Cell, scene: &Scene, pool: &'pool Pool) -> (Option<Handle<'pool>>, Calls, Vec<Outcome>) {
    if cell.state == State::Queued || !is_handed_over(cell) && cell.state != State::Idle {
        drop(pool.apply_async(block, 0));
        assert!(scene.has_begun.wait_timeout(GUARD), "the other job's task has not begun");
    }
    let (mut handle, calls) = Handle::begin(cell.how, pool);
    let mut answers = Vec::new();
    if cell.how.is_lazy() && is_handed_over(cell) {
        answers.extend(handle.ask());
    }
    match cell.state {
        _ if !is_handed_over(cell) => {}
        State::Idle => until(|| pool.stats().done == u64::from(cell.how.tasks())),
        State::Queued => {}
        State::Running | State::Dying => {
            assert!(scene.has_begun.wait_timeout(GUARD), "the task has not begun");
        }
    }
    let kept = match cell.hand {
        Hand::Asked => {
            answers.extend(handle.ask());
            Some(handle)
        }
        Hand::Held => Some(handle),
        Hand::Dropped => None,
        Hand::Forgotten => {
            mem::forget(handle);
            None
        }
        Hand::Cancelled => handle.cancel(),
    };
    (kept, calls, answers)
}

fn play(cell: &Cell) -> Seen {
    let scene = Scene::new(cell.state);
    let pool = scene.pool();
    let mut seen = Seen::default();
    let (kept, calls, answers) = set(cell, &scene, &pool);
    let kept = kept.filter(|_| is_kept(cell));
    if kept.is_some() {
        seen.answers.extend(answers);
    }
    if cell.ending == Ending::Drop {
        // An iterator borrows it.
        let kept = kept.and_then(Handle::free);
        drop(pool);
        ask(kept, &mut seen);
    } else {
        end(cell, &scene, &pool, &mut seen);
        ask(kept, &mut seen);
    }
    hear(cell, &calls, &mut seen);
    seen.ran = scene.ran.load(Ordering::SeqCst);
    seen
}

/// Asks for all that is to come, of which results that are not iterators tell the same each time.
fn ask(mut kept: Option<Handle<'_>>, seen: &mut Seen) {
    let left: Vec<String> = active_children().iter().map(|child| child.name().to_owned()).collect();
    if !left.is_empty() {
        seen.faults.push(format!("it left {left:?}"));
    }
    let Some(handle) = &mut kept else { return };
    seen.answers.extend(handle.outcomes());
    let again = kept.and_then(Handle::free).map(|mut handle| handle.outcomes());
    if again.is_some_and(|again| again != seen.answers) {
        seen.faults.push("asked again it says something else".to_owned());
    }
}

/// The ending itself, but for a drop.
fn end(cell: &Cell, scene: &Scene, pool: &Pool, seen: &mut Seen) {
    match cell.ending {
        Ending::Join => thread::scope(|scope| {
            pool.close();
            // Somewhere in the middle of the join.
            scope.spawn(|| scene.gate.set());
            pool.join();
        }),
        Ending::JoinTimeout => {
            let has_ended = pool.join_timeout(TOO_SHORT);
            if has_ended && runs_on(cell) {
                seen.faults.push("it ended while a task ran".to_owned());
            }
            scene.gate.set();
            if !pool.join_timeout(GUARD) {
                seen.faults.push("it did not end in time".to_owned());
            }
        }
        Ending::Terminate => {
            pool.terminate();
            pool.join();
        }
        Ending::Drop | Ending::Main | Ending::Panic | Ending::Exit => {}
    }
}

/// Whether a task that is not let go keeps a pool from its end.
fn runs_on(cell: &Cell) -> bool {
    match cell.state {
        State::Idle => false,
        // It runs a task of another job.
        State::Queued => true,
        State::Running => cell.hand != Hand::Cancelled && !(cell.how.is_lazy() && cell.hand == Hand::Dropped),
        State::Dying => !is_handed_over(cell),
    }
}

/// Listens to the callback; and that it is not called more often.
fn hear(cell: &Cell, calls: &Calls, seen: &mut Seen) {
    for _ in 0..expected(cell).calls {
        match calls.recv_timeout(GUARD) {
            Ok(outcome) => seen.calls.push(outcome),
            Err(_) => seen.faults.push("the callback was not called".to_owned()),
        }
    }
    // It was moved into its only call, so the channel is closed by then.
    seen.calls.extend(calls.iter());
}

fn verdict(expected: &Expected, seen: &Seen) -> String {
    let is_right = |outcome: &Outcome| expected.outcomes.contains(outcome);
    let is_good = seen.faults.is_empty()
        && seen.answers.len() == expected.answers as usize
        && seen.calls.len() == expected.calls as usize
        && seen.answers.iter().chain(&seen.calls).all(is_right)
        && expected.ran.contains(&seen.ran);
    if is_good { "ok".to_owned() } else { format!("{seen:?} instead of {expected:?}") }
}

fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}
