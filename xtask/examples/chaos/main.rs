//! Programs that kill processes at random moments, and check what must hold all the same: one for each component.
//!
//! `cargo xtask chaos` builds this and runs them in turn. All are run alike: what a program takes beside the processes that it
//! starts, it must give back. Every random choice comes from the seed, so that a run can be had again.
#![forbid(unsafe_code)]

mod channels;
mod kit;
mod manager;
mod pool;
mod process;
mod sync;

use std::process::ExitCode;

use kit::{Belongings, Course, Failure, start};
use lexopt::Parser;

/// A component, and the program that torments it: it prints a report, and fails when something did not hold.
type Program = (&'static str, fn(&Course) -> Result<(), Failure>);

const PROGRAMS: [Program; 5] = [
    ("channels", channels::torment),
    ("manager", manager::torment),
    ("pool", pool::torment),
    ("process", process::torment),
    ("sync", sync::torment),
];

fn main() -> ExitCode {
    procession_process::init();
    let (component, course) = match Course::parse(Parser::from_env()) {
        Ok(parsed) => parsed,
        Err(failure) => {
            eprintln!("chaos: {failure}; usage: chaos COMPONENT [--seconds N] [--kills N] [--seed N]");
            return ExitCode::from(2);
        }
    };
    let Some((name, torment)) = PROGRAMS.into_iter().find(|(name, _)| *name == component) else {
        eprintln!("chaos: no program torments `{component}`; choose from {:?}", PROGRAMS.map(|(name, _)| name));
        return ExitCode::from(2);
    };
    match run(torment, &course) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("chaos in {name}: {failure} (seed {})", course.seed());
            ExitCode::FAILURE
        }
    }
}

fn run(torment: fn(&Course) -> Result<(), Failure>, course: &Course) -> Result<(), Failure> {
    // The lifeline of the first daemon stays, so it is there before anything is counted.
    start(|()| (), ())?.join()?;
    procession_process::stop_server();
    let before = Belongings::count()?;
    torment(course)?;
    procession_process::stop_server();
    before.compare()
}
