//! `cargo xtask steps`: runs the program that stops a process after each instruction of an operation.
//!
//! It is an example, `examples/steps`, with one operation a row. While the process is stopped, no other may be held up; when it goes on, the
//! operation must come to its end.

use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::command::Command;
use crate::failure::Failure;
use crate::number::number;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "steps",
    takes: "[NAME...] [--every N] [--long N]",
    about: "stops a process after each instruction of an operation, and checks that all others go on",
    details: Some(
        "\
Without a name it runs all operations: of queues, locks and managers. The words choose the operations whose names contain one of them.

  --every N   stop only after every Nth instruction; 1 by default, which takes minutes for each operation
  --long N    stop for half a second at every Nth stop; 100 by default
",
    ),
    run,
};

/// How long the program may take before it counts as hung. Each check in it has a guard of its own.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// What a run was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    words: Vec<String>,
    every: u64,
    long: u64,
}

fn run(arguments: Parser) -> Result<(), Failure> {
    stop_at(&parse(arguments)?)
}

fn stop_at(Options { words, every, long }: &Options) -> Result<(), Failure> {
    let which = ["--locked", "--quiet", "--release", "--package", "xtask", "--example", "steps"];
    step::run(step::cargo(["build"]).args(which))?;
    let numbers = ["--every".to_owned(), every.to_string(), "--long".to_owned(), long.to_string()];
    step::run_guarded(step::cargo(["run"]).args(which).arg("--").args(words).args(numbers), LIMIT)
}

fn parse(mut arguments: Parser) -> Result<Options, Failure> {
    let mut options = Options { words: Vec::new(), every: 1, long: 100 };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("every") => options.every = number(&mut arguments, "every")?,
            Arg::Long("long") => options.long = number(&mut arguments, "long")?,
            Arg::Value(word) => options.words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_operations_and_numbers_the_stops() {
        let parsed = |words: &[&str]| parse(Parser::from_args(words)).unwrap();
        assert_eq!(parsed(&[]), Options { words: Vec::new(), every: 1, long: 100 });
        let options = parsed(&["queue", "mutex", "--every", "7", "--long", "5"]);
        assert_eq!((options.words.len(), options.every, options.long), (2, 7, 5));
    }
}
