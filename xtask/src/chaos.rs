//! `cargo xtask chaos`: runs the programs that kill processes at random and check what must hold all the same.
//!
//! They are modules of one example, `examples/chaos`. It takes the name of one, `--seconds N` or `--kills N`, and `--seed N`,
//! prints a report, and exits with a status other than 0 when an invariant was broken.

use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lexopt::{Arg, Parser, ValueExt};

use crate::command::Command;
use crate::failure::Failure;
use crate::number::number;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "chaos",
    takes: "[COMPONENT...] [--seconds N | --kills N] [--seed N]",
    about: "runs programs that kill processes at random and check what must hold all the same",
    details: Some(
        "\
Without a name it runs all of: channels, manager, pool, process, sync.

  --seconds N   how long each goes on; 20 by default
  --kills N     go on until N processes were killed instead
  --seed N      where the random choices begin; a failure says which seed repeats it
",
    ),
    run,
};

/// What has a program: a component's folder, and what one types to choose it.
const COMPONENTS: [&str; 5] = ["channels", "manager", "pool", "process", "sync"];

/// What a run was asked for.
#[derive(Debug)]
struct Options {
    components: Vec<&'static str>,
    length: Length,
    seed: u64,
}

/// When a program has done enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Seconds(u64),
    /// After this number of kills, however long they take.
    Kills(u64),
}

impl Length {
    /// As arguments of a program.
    fn arguments(self) -> [String; 2] {
        match self {
            Length::Seconds(count) => ["--seconds".into(), count.to_string()],
            Length::Kills(count) => ["--kills".into(), count.to_string()],
        }
    }

    /// How long a program may take before it counts as hung.
    fn limit(self) -> Duration {
        match self {
            Length::Seconds(count) => Duration::from_secs(count) + GRACE,
            Length::Kills(count) => Duration::from_millis(count.saturating_mul(100)) + GRACE,
        }
    }
}

/// How much longer than it should a program may take before it counts as hung.
const GRACE: Duration = Duration::from_secs(120);

fn run(arguments: Parser) -> Result<(), Failure> {
    torment_all(&parse(arguments, now())?)
}

/// Runs every component for `seconds` seconds, from a fresh seed.
pub(crate) fn run_all(seconds: u64) -> Result<(), Failure> {
    torment_all(&Options { components: COMPONENTS.into(), length: Length::Seconds(seconds), seed: now() })
}

fn torment_all(options: &Options) -> Result<(), Failure> {
    let which = ["--locked", "--quiet", "--release", "--package", "xtask", "--example", "chaos"];
    step::run(step::cargo(["build"]).args(which))?;
    options.components.iter().try_for_each(|component| {
        let mut program = step::cargo(["run"]);
        torment(program.args(which).arg("--"), component, options)
    })
}

fn torment(
    program: &mut process::Command,
    component: &str,
    &Options { length, seed, .. }: &Options,
) -> Result<(), Failure> {
    program.arg(component).args(length.arguments()).args(["--seed", &seed.to_string()]);
    step::run_guarded(program, length.limit()).map_err(|failure| {
        let again = format!("cargo xtask chaos {component} {} --seed {seed}", length.arguments().join(" "));
        Failure::new(format!("chaos in {component}: {failure}; run it again with `{again}`"))
    })
}

fn parse(mut arguments: Parser, seed: u64) -> Result<Options, Failure> {
    let mut options = Options { components: Vec::new(), length: Length::Seconds(20), seed };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("seconds") => options.length = Length::Seconds(number(&mut arguments, "seconds")?),
            Arg::Long("kills") => options.length = Length::Kills(number(&mut arguments, "kills")?),
            Arg::Long("seed") => options.seed = number(&mut arguments, "seed")?,
            Arg::Value(name) => options.components.push(component(&name.string()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.components.is_empty() {
        options.components = COMPONENTS.into();
    }
    Ok(options)
}

fn component(name: &str) -> Result<&'static str, Failure> {
    COMPONENTS.into_iter().find(|component| *component == name).ok_or_else(|| {
        Failure::usage(format!("no chaos program torments `{name}`; choose from {}", COMPONENTS.join(", ")))
    })
}

/// A seed that differs from run to run; every report repeats it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() ^ u64::from(since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        parse(Parser::from_args(words), 7)
    }

    #[test]
    fn without_arguments_everything_runs() {
        let options = parsed(&[]).unwrap();
        assert_eq!(options.components, COMPONENTS);
        assert_eq!((options.length, options.seed), (Length::Seconds(20), 7));
    }

    #[test]
    fn arguments_choose() {
        let options = parsed(&["process", "--seed", "5", "--seconds", "3"]).unwrap();
        assert_eq!(options.components, ["process"]);
        assert_eq!((options.length, options.seed), (Length::Seconds(3), 5));
        assert_eq!(parsed(&["pool", "--kills", "9"]).unwrap().length.arguments(), ["--kills", "9"]);
    }

    #[test]
    fn an_unknown_component_is_answered_with_the_known_ones() {
        let failure = parsed(&["cat"]).unwrap_err().to_string();
        assert!(failure.contains("`cat`") && failure.contains("pool, process"), "{failure}");
    }

    #[test]
    fn every_program_has_a_name() {
        let entries = fs::read_dir(step::root().join("xtask/examples/chaos")).unwrap();
        let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let mut names: Vec<_> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names.retain(|name| name != "main");
        assert_eq!(names, COMPONENTS);
        assert!(COMMAND.details.unwrap().contains(&COMPONENTS.join(", ")));
    }
}
