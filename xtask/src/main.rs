//! The workspace's own commands: the one check, the house rules, the benchmarks, the chaos programs and the lab.
#![forbid(unsafe_code)]

mod again;
mod bench;
mod chaos;
mod ci;
mod command;
mod disk;
mod failure;
mod lab;
mod links;
mod matrix;
mod model;
mod number;
mod properties;
mod step;
mod steps;
mod tidy;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use command::{Command, asks_for_help};
use failure::Failure;

const COMMANDS: [Command; 10] = [
    ci::COMMAND,
    tidy::COMMAND,
    bench::COMMAND,
    chaos::COMMAND,
    properties::COMMAND,
    model::COMMAND,
    matrix::COMMAND,
    again::COMMAND,
    steps::COMMAND,
    lab::COMMAND,
];

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {failure}", failure.label());
            failure.exit_code()
        }
    }
}

fn run(words: &[OsString]) -> Result<(), Failure> {
    match words {
        [name, rest @ ..] if !asks_for_help(name) => command(&name.to_string_lossy())?.start(rest),
        _ => {
            print!("{}", usage());
            Ok(())
        }
    }
}

fn command(name: &str) -> Result<&'static Command, Failure> {
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let known = COMMANDS.each_ref().map(|command| command.name).join(", ");
        Failure::usage(format!("there is no command `{name}`; choose from {known}"))
    })
}

fn usage() -> String {
    let rows: String = COMMANDS.iter().map(Command::row).collect();
    format!("usage: cargo xtask COMMAND [ARGUMENT...]\n\n{rows}\n`cargo xtask COMMAND --help` says what it takes.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_its_name() {
        assert_eq!(command("tidy").unwrap().name, "tidy");
        let failure = command("tidi").err().unwrap().to_string();
        assert!(failure.contains("`tidi`; choose from ci, tidy, bench"), "{failure}");
    }

    #[test]
    fn all_commands_are_listed() {
        let usage = usage();
        assert!(COMMANDS.iter().all(|command| usage.contains(&format!("  {} ", command.name))), "{usage}");
    }
}
