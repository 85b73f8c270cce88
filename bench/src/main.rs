//! Measures procession beside its peers, CPython and raw limits. `README.md` says how.
#![deny(unsafe_code)]

mod channels;
mod channels_course;
mod channels_iceoryx2;
mod channels_idle;
mod channels_ours;
mod channels_peers;
mod codec;
mod goals;
mod group;
mod lock;
mod machine;
mod manager;
mod measure;
mod memory;
mod options;
mod pool;
mod pool_block;
mod pool_idle;
mod pool_ours;
mod pool_peers;
mod pool_result;
mod process;
mod python;
mod raw;
mod raw_channel;
mod raw_lock;
mod raw_pool;
mod redis;
mod rounds;
mod sealed;
mod table;

use std::error::Error;
use std::process::ExitCode;

use group::Group;
use options::{Options, Request};

/// Every group that can be measured.
const GROUPS: &[Group] = &[
    process::GROUP,
    process::GROUP_2GIB,
    lock::GROUP,
    lock::GROUP_PAIR,
    memory::GROUP,
    codec::GROUP,
    channels::STREAM,
    channels::PAIRS,
    channels::MEBIBYTE,
    channels::LARGEST,
    channels::ROUND_TRIP,
    channels::WAKE,
    channels::IDLE,
    pool::SINGLE,
    pool::CHUNKED,
    pool::APPLY,
    pool_result::GROUP,
    pool::LARGE,
    pool::HEAVY,
    pool::FLAT,
    pool::MEMORY,
    pool::IDLE,
    pool::DEATH,
    manager::SET,
    manager::GET,
    manager::PAIR,
    manager::PIPELINE,
    manager::REMOTE,
    sealed::ROUND_TRIP,
    sealed::STREAM,
];

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
        println!("{}", goals::report(group, &rows));
    }
    Ok(())
}
