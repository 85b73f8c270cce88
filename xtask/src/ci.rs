//! `cargo xtask ci`: the one check, as named and timed sections that stop at the first failure.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt};

use crate::command::Command;
use crate::failure::Failure;
use crate::{bench, chaos, lab, links, matrix, model, step, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    takes: "[SECTION...]",
    about: "runs every check, or only the sections that are named, and stops at the first failure",
    details: Some(
        "\
The sections, in the order in which they run:

  fmt      the code is formatted, here and in bench/
  tidy     the rules of the house
  clippy   no warning, in any target
  build    the workspace without its optional features, examples and tests too
  test     unit, integration and documentation tests
  model    the locks under loom: every order of their steps
  doc      the documentation builds without a warning, and no link in the facade's pages is dead
  chaos    each chaos program for 3 seconds
  abort    the matrices of cells, where panics abort
  hosts    the quick tests of the lab; skipped where this machine cannot have hosts of its own
  bench    the benchmarks compile; skipped where their peers were never downloaded
",
    ),
    run,
};

/// One part of the check.
struct Section {
    name: &'static str,
    run: fn() -> Result<(), Failure>,
}

/// What became of a section.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Passed,
    Failed,
    /// This machine cannot tell.
    Skipped,
}

impl Verdict {
    fn of(outcome: &Result<(), Failure>) -> Self {
        match outcome {
            Ok(()) => Verdict::Passed,
            Err(failure) if failure.is_skip() => Verdict::Skipped,
            Err(_) => Verdict::Failed,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Verdict::Passed => "ok",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        }
    }
}

/// The cheap sections come first, so that most mistakes are reported within seconds.
const SECTIONS: &[Section] = &[
    Section { name: "fmt", run: fmt },
    Section { name: "tidy", run: tidy::check },
    Section { name: "clippy", run: clippy },
    Section { name: "build", run: build },
    Section { name: "test", run: test },
    Section { name: "model", run: model::check },
    Section { name: "doc", run: doc },
    Section { name: "chaos", run: chaos },
    Section { name: "abort", run: matrix::run_all_aborting },
    Section { name: "hosts", run: lab::test },
    Section { name: "bench", run: bench },
];

fn run(arguments: Parser) -> Result<(), Failure> {
    let sections = parse(arguments)?;
    let mut done = Vec::new();
    for section in sections {
        println!("== {}", section.name);
        let start = Instant::now();
        let outcome = (section.run)();
        done.push((section.name, start.elapsed(), Verdict::of(&outcome)));
        match outcome {
            Err(failure) if failure.is_skip() => println!("skipped: {failure}"),
            Err(failure) => {
                print!("{}", summary(&done));
                return Err(Failure::new(format!("section `{}`: {failure}", section.name)));
            }
            Ok(()) => {}
        }
    }
    print!("{}", summary(&done));
    Ok(())
}

fn parse(mut arguments: Parser) -> Result<Vec<&'static Section>, Failure> {
    let mut chosen = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(name) => chosen.push(section(&name.string()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if chosen.is_empty() {
        chosen = SECTIONS.iter().collect();
    }
    Ok(chosen)
}

fn section(name: &str) -> Result<&'static Section, Failure> {
    SECTIONS.iter().find(|section| section.name == name).ok_or_else(|| {
        let known: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
        Failure::usage(format!("there is no section `{name}`; choose from {}", known.join(", ")))
    })
}

fn summary(done: &[(&str, Duration, Verdict)]) -> String {
    let rows = done
        .iter()
        .map(|(name, time, verdict)| format!("{name:<8} {:<7} {:>6.1} s\n", verdict.text(), time.as_secs_f64()));
    let total: Duration = done.iter().map(|(_, time, _)| *time).sum();
    format!("== summary\n{}total {:>18.1} s\n", rows.collect::<String>(), total.as_secs_f64())
}

fn fmt() -> Result<(), Failure> {
    step::run(&mut step::cargo(["fmt", "--all", "--check"]))?;
    step::run(&mut step::cargo(["fmt", "--manifest-path", bench::MANIFEST, "--check"]))
}

fn clippy() -> Result<(), Failure> {
    let arguments = ["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    step::run(&mut step::cargo(arguments))
}

/// Without the optional features, which the other sections turn on.
fn build() -> Result<(), Failure> {
    step::run(&mut step::cargo(["build", "--locked", "--workspace", "--all-targets"]))
}

/// Unit, integration and documentation tests.
fn test() -> Result<(), Failure> {
    step::run(&mut step::cargo(["test", "--locked", "--workspace", "--all-features"]))
}

/// The pages that the facade has at least: those of all its crates.
const PAGES: usize = 190;

fn doc() -> Result<(), Failure> {
    facade_pages()?;
    let mut cargo = step::cargo(["doc", "--locked", "--workspace", "--no-deps", "--all-features"]);
    step::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

/// What `cargo doc -p procession` shows a newcomer, before the pages of other crates lie beside it: links must not need those.
fn facade_pages() -> Result<(), Failure> {
    let pages = step::target().join("doc");
    if pages.exists() {
        fs::remove_dir_all(&pages)
            .map_err(|error| Failure::new(format!("cannot remove {}: {error}", pages.display())))?;
    }
    let mut cargo = step::cargo(["doc", "--locked", "--no-deps", "-p", "procession"]);
    step::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))?;
    links::check(&pages, PAGES)
}

/// Long enough to see every kind of death, short enough for each change.
fn chaos() -> Result<(), Failure> {
    chaos::run_all(3)
}

/// Checks that the benchmarks still compile, where their peers were downloaded before.
///
/// A fresh clone has not got them, and the check must not depend on packages that the library does not use.
fn bench() -> Result<(), Failure> {
    let manifest = ["--locked", "--offline", "--manifest-path", bench::MANIFEST];
    let mut probe = step::cargo(["tree", "--quiet"]);
    let probe = probe.args(manifest).stdout(Stdio::null()).output();
    let probe = probe.map_err(|error| Failure::new(format!("cannot run cargo tree: {error}")))?;
    if probe.status.success() {
        let mut clippy = step::cargo(["clippy", "--all-targets"]);
        return step::run(clippy.args(manifest).args(["--", "-D", "warnings"]));
    }
    if String::from_utf8_lossy(&probe.stderr).contains("--locked") {
        let fix = format!("cargo update --workspace --manifest-path {}", bench::MANIFEST);
        return Err(Failure::new(format!("bench/Cargo.lock is out of date; run `{fix}`")));
    }
    Err(Failure::skipped("the peers are not here yet; `cargo xtask bench` downloads them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_every_section_runs_in_order() {
        let chosen = parse(Parser::from_args::<[&str; 0]>([])).unwrap();
        let names: Vec<_> = chosen.iter().map(|section| section.name).collect();
        assert_eq!(
            names,
            ["fmt", "tidy", "clippy", "build", "test", "model", "doc", "chaos", "abort", "hosts", "bench"]
        );
        let details = COMMAND.details.unwrap().lines().filter_map(|line| line.strip_prefix("  "));
        assert!(details.map(|line| line.split(' ').next().unwrap()).eq(names));
    }

    #[test]
    fn sections_can_be_chosen() {
        let chosen = parse(Parser::from_args(["doc", "fmt"])).unwrap();
        assert_eq!(chosen.iter().map(|section| section.name).collect::<Vec<_>>(), ["doc", "fmt"]);
    }

    #[test]
    fn an_unknown_section_is_answered_with_the_known_ones() {
        let failure = parse(Parser::from_args(["lint"])).err().unwrap().to_string();
        assert!(failure.contains("`lint`") && failure.contains("clippy"), "{failure}");
    }

    #[test]
    fn the_summary_names_what_failed() {
        let done = [
            ("fmt", Duration::from_millis(1500), Verdict::Passed),
            ("hosts", Duration::from_secs(1), Verdict::of(&Err(Failure::skipped("no namespaces")))),
            ("test", Duration::from_secs(2), Verdict::of(&Err(Failure::new("1 test failed")))),
        ];
        let text = summary(&done);
        assert!(text.contains("fmt      ok         1.5 s"), "{text}");
        assert!(text.contains("test     FAILED     2.0 s"), "{text}");
        assert!(text.contains("hosts    skipped    1.0 s"), "{text}");
        assert!(text.contains("4.5 s"), "{text}");
    }
}
