//! `cargo xtask again`: the test suites many times over, to find what fails once in a hundred.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, process};

use lexopt::{Arg, Parser, ValueExt};

use crate::command::Command;
use crate::failure::Failure;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "again",
    takes: "N [[-p] PACKAGE...] [--load] [--nextest]",
    about: "runs all tests N times, or those of some packages, and stops at the first failure",
    details: Some(
        "\
After each round it counts the processes that the tests have left behind. One that is still there after 30 s is a failure.

  --load      while a thread for each processor does nothing but count
  --nextest   by `cargo nextest run`: each test in a process of its own, without the tests in documentation
",
    ),
    run,
};

/// How long processes that are about to end may take after a round, and the pause between two looks at them.
const LEFTOVERS: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// What a run was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: u32,
    packages: Vec<String>,
    with_load: bool,
    by_nextest: bool,
}

fn run(arguments: Parser) -> Result<(), Failure> {
    let options = parse(arguments)?;
    let _load = options.with_load.then(Load::start);
    // What has to be compiled is compiled before the first round is timed.
    step::run(suites(&options).arg("--no-run"))?;
    for round in 1..=options.rounds {
        let start = Instant::now();
        suite_round(&options)
            .map_err(|failure| Failure::new(format!("round {round} of {}: {failure}", options.rounds)))?;
        println!("round {round} of {}: ok, {:.1} s", options.rounds, start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn parse(mut arguments: Parser) -> Result<Options, Failure> {
    let mut options = Options { rounds: 0, packages: Vec::new(), with_load: false, by_nextest: false };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("load") => options.with_load = true,
            Arg::Long("nextest") => options.by_nextest = true,
            Arg::Value(number) if options.rounds == 0 => options.rounds = number.parse()?,
            Arg::Value(package) => options.packages.push(package.string()?),
            // As cargo itself takes them.
            Arg::Short('p') | Arg::Long("package") => options.packages.push(arguments.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    match options.rounds {
        0 => Err(Failure::usage("say how many rounds there shall be: a number of 1 or more")),
        _ => Ok(options),
    }
}

/// The command that runs the suites once.
fn suites(options: &Options) -> Process {
    let mut cargo = step::cargo(if options.by_nextest { ["nextest", "run"].as_slice() } else { &["test"] });
    cargo.args(["--locked", "--all-features"]);
    for package in &options.packages {
        cargo.args(["--package", package]);
    }
    if options.packages.is_empty() {
        cargo.arg("--workspace");
    }
    cargo
}

/// Runs the suites once. What they print is shown only if one fails.
fn suite_round(options: &Options) -> Result<(), Failure> {
    let mut command = suites(options);
    let output = command.output().map_err(|error| Failure::new(format!("cannot run cargo: {error}")))?;
    if !output.status.success() {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Failure::new(format!("the tests failed with {}", output.status)));
    }
    let start = Instant::now();
    loop {
        let left = leftovers(&running(), &step::target(), process::id());
        if left.is_empty() {
            return Ok(());
        }
        if start.elapsed() > LEFTOVERS {
            return Err(Failure::new(format!("{} processes are left over: {}", left.len(), left.join(", "))));
        }
        thread::sleep(PAUSE);
    }
}

/// The processes of this machine whose programs can be read, by their numbers.
fn running() -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process that has ended by now has no program any more.
    numbers.filter_map(|id| Some((id, fs::read_link(format!("/proc/{id}/exe")).ok()?))).collect()
}

/// The processes other than `own` that run a program that cargo has built.
fn leftovers(running: &[(u32, PathBuf)], target: &Path, own: u32) -> Vec<String> {
    let left = running.iter().filter(|(id, program)| *id != own && program.starts_with(target));
    left.map(|(id, program)| format!("{id} ({})", program.display())).collect()
}

/// Threads that keep every processor busy until it is dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let count = thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..count).map(|_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let mut number = 0_u64;
                // Relaxed: nothing else is read after it.
                while !is_over.load(Ordering::Relaxed) {
                    number = black_box(number.wrapping_add(1));
                }
            })
        });
        Self { threads: threads.collect(), is_over }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that only counts does not panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        parse(Parser::from_args(words))
    }

    #[test]
    fn rounds_and_packages_are_read() {
        assert_eq!(parsed(&["20", "-p", "procession-pool"]).unwrap().packages, ["procession-pool"]);
        let options = parsed(&["20", "procession-pool", "--load", "--nextest"]).unwrap();
        let packages = vec!["procession-pool".to_owned()];
        assert_eq!(options, Options { rounds: 20, packages, with_load: true, by_nextest: true });
        for wrong in [&[][..], &["0"], &["often"], &["3", "--loud"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_suites_are_those_of_the_packages() {
        let words = |options: &[&str]| {
            let command = suites(&parsed(options).unwrap());
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(&["1"]), "test --locked --all-features --workspace");
        assert_eq!(words(&["1", "a", "--nextest"]), "nextest run --locked --all-features --package a");
    }

    #[test]
    fn leftovers_are_programs_that_cargo_has_built() {
        let running =
            [(1, "/sbin/init".into()), (2, "/t/debug/deps/it-1 (deleted)".into()), (3, "/t/debug/xtask".into())];
        assert_eq!(leftovers(&running, Path::new("/t"), 3), ["2 (/t/debug/deps/it-1 (deleted))"]);
    }

    #[test]
    fn the_load_ends_when_it_is_dropped() {
        let load = Load::start();
        let is_over = Arc::clone(&load.is_over);
        drop(load);
        assert!(is_over.load(Ordering::Relaxed));
        assert_eq!(Arc::strong_count(&is_over), 1);
    }
}
