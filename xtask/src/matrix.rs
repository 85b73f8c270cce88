//! `cargo xtask matrix`: runs the programs that try every cell of a table.
//!
//! Each is an example of one package. It takes words that choose cells, prints which are wrong and how many there are, and exits with
//! a status other than 0 when one is.

use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::command::Command;
use crate::failure::Failure;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "matrix",
    takes: "[NAME [CELL...]] [--abort]",
    about: "runs the programs that try every cell of a table, in release builds",
    details: Some(
        "\
Without a name it runs all of: endings, seams. The words after a name choose the cells whose names contain one of them.

  --abort   in a build in which panics abort
",
    ),
    run,
};

/// A program, and the package whose example it is.
struct Matrix {
    name: &'static str,
    package: &'static str,
}

const MATRICES: &[Matrix] =
    &[Matrix { name: "endings", package: "procession-pool" }, Matrix { name: "seams", package: "procession-pool" }];

/// How long a program may take before it counts as hung. Each guards its cells, so this is for unforeseen hangs.
const LIMIT: Duration = Duration::from_secs(900);

/// The profile of the root manifest in which panics abort.
const ABORT: &str = "abort";

/// What a run was asked for.
struct Options {
    matrices: Vec<&'static Matrix>,
    cells: Vec<String>,
    profile: &'static str,
}

fn run(arguments: Parser) -> Result<(), Failure> {
    let Options { matrices, cells, profile } = parse(arguments)?;
    matrices.into_iter().try_for_each(|matrix| try_cells(matrix, &cells, profile))
}

/// Tries every cell in builds in which panics abort. The tests try them where panics unwind.
pub(crate) fn run_all_aborting() -> Result<(), Failure> {
    MATRICES.iter().try_for_each(|matrix| try_cells(matrix, &[], ABORT))
}

fn try_cells(Matrix { name, package }: &Matrix, cells: &[String], profile: &str) -> Result<(), Failure> {
    let which = ["--locked", "--quiet", "--profile", profile, "--package", package, "--example", name];
    step::run(step::cargo(["build"]).args(which))?;
    step::run_guarded(step::cargo(["run"]).args(which).arg("--").args(cells), LIMIT)
}

fn parse(mut arguments: Parser) -> Result<Options, Failure> {
    let mut options = Options { matrices: Vec::new(), cells: Vec::new(), profile: "release" };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("abort") => options.profile = ABORT,
            Arg::Value(name) if options.matrices.is_empty() => options.matrices.push(matrix(&name.string()?)?),
            Arg::Value(cell) => options.cells.push(cell.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.matrices.is_empty() {
        options.matrices = MATRICES.iter().collect();
    }
    Ok(options)
}

fn matrix(name: &str) -> Result<&'static Matrix, Failure> {
    MATRICES.iter().find(|matrix| matrix.name == name).ok_or_else(|| {
        let known: Vec<_> = MATRICES.iter().map(|matrix| matrix.name).collect();
        Failure::usage(format!("there is no matrix `{name}`; choose from {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        parse(Parser::from_args(words))
    }

    #[test]
    fn a_name_and_words_choose() {
        let options = parsed(&["endings", "--abort", "imap/", "running"]).unwrap();
        assert_eq!(options.matrices[0].package, "procession-pool");
        assert_eq!((options.cells, options.profile), (vec!["imap/".to_owned(), "running".to_owned()], "abort"));
        assert_eq!(parsed(&[]).unwrap().matrices.len(), MATRICES.len());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let failure = parsed(&["ending"]).err().unwrap().to_string();
        assert!(failure.contains("`ending`; choose from endings"), "{failure}");
    }

    #[test]
    fn every_program_is_there_and_named_in_the_help() {
        for Matrix { name, package } in MATRICES {
            let folder = package.trim_start_matches("procession-");
            let places = ["/main.rs", ".rs"].map(|end| step::root().join(format!("{folder}/examples/{name}{end}")));
            assert!(places.iter().any(|place| place.is_file()), "{name}");
            assert!(COMMAND.details.unwrap().contains(name));
        }
    }
}
