//! Measures procession beside its peers, CPython and raw limits. `README.md` says how.
#![deny(unsafe_code)]

mod group;
mod lock;
mod machine;
mod measure;
mod options;
mod process;
mod python;
mod raw;
mod raw_lock;
mod rounds;
mod table;

use std::error::Error;
use std::process::ExitCode;

use group::Group;
use options::{Options, Request};

/// Every group that can be measured.
const GROUPS: &[Group] = &[process::GROUP, process::GROUP_2GIB, lock::GROUP, lock::GROUP_PAIR];

fn main() -> ExitCode {
    // Before the libraries look whether this is one of their children: a bare re-execution does not pay for them.
    if let Some(code) = process::command_child() {
        return code;
    }
    procession::init();
    procspawn::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    match options::parse(lexopt::Parser::from_env(), GROUPS)? {
        Request::Help => print!("{}", options::usage(GROUPS)),
        Request::One(group, system, options) => measure_here(group, &system, options)?,
        Request::Groups(groups, options) => measure_all(&groups, options)?,
    }
    Ok(())
}

/// Measures one system in this process and prints the figure as one line of JSON.
fn measure_here(group: &Group, name: &str, options: Options) -> Result<(), Box<dyn Error>> {
    if options.pin {
        machine::pin_to_one_core()?;
    }
    let figure = (group.system(name)?.measure)(options)?;
    println!("{}", serde_json::to_string(&figure)?);
    Ok(())
}

fn measure_all(groups: &[&Group], options: Options) -> Result<(), Box<dyn Error>> {
    println!("{}", machine::facts());
    for group in groups {
        let rows = rounds::run(group, options)?;
        println!("{}", table::render(group, options, &rows));
    }
    Ok(())
}
