//! The workspace's own commands: the one check, the house rules, the benchmarks and the chaos programs.
#![forbid(unsafe_code)]

mod bench;
mod chaos;
mod ci;
mod failure;
mod model;
mod properties;
mod step;
mod tidy;

use std::process::ExitCode;

use failure::Failure;
use lexopt::{Arg, Parser};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci [SECTION...]                     run every check, or only the named ones; stops at the first failure
  tidy [--list | --examples]          check the house rules, list them, or list public items without an example
  bench [GROUP...] [--quick] [--pin]  measure against peers, CPython and raw limits (see bench/README.md)
  chaos [COMPONENT...] [--seconds N | --kills N] [--seed S]
                                      run the programs that kill processes at random
  properties [--cases N]              run every property test with so many cases each
  model                               try every order of steps of the locks (loom)
";

fn main() -> ExitCode {
    match run(Parser::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let command = match arguments.next()? {
        Some(Arg::Value(name)) => name.to_string_lossy().into_owned(),
        Some(Arg::Long("help") | Arg::Short('h')) | None => {
            print!("{USAGE}");
            return Ok(());
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "ci" => ci::run(arguments),
        "tidy" => tidy::run(arguments),
        "bench" => bench::run(arguments),
        "chaos" => chaos::run(arguments),
        "model" => model::run(arguments),
        "properties" => properties::run(arguments),
        unknown => Err(Failure::new(format!("there is no command `{unknown}`\n\n{USAGE}"))),
    }
}
