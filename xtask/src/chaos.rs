//! `cargo xtask chaos`: runs the programs that kill processes at random and check what must hold all the same.
//!
//! A chaos program is the example `chaos_NAME` of the crate in the folder NAME. It takes `--seconds N --seed S`, prints
//! a report, and exits with a status other than 0 when an invariant was broken.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lexopt::{Arg, Parser, ValueExt};

use crate::failure::Failure;
use crate::step;

/// A crate with a chaos program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    /// The crate's folder, and what one types to choose it.
    name: String,
}

/// What a run was asked for.
#[derive(Debug)]
struct Options {
    components: Vec<Component>,
    length: Length,
    seed: u64,
}

/// When a program has done enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Seconds(u64),
    /// After so many kills, however long they take. Not every program counts them.
    Kills(u64),
}

impl Length {
    /// As a program is told.
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

pub(crate) fn run(arguments: Parser) -> Result<(), Failure> {
    let options = parse(arguments, &components(&step::root())?, now())?;
    torment_all(&options)
}

/// Every component, for so many seconds each, from a fresh seed.
pub(crate) fn run_all(seconds: u64) -> Result<(), Failure> {
    let components = components(&step::root())?;
    torment_all(&Options { components, length: Length::Seconds(seconds), seed: now() })
}

fn torment_all(options: &Options) -> Result<(), Failure> {
    options.components.iter().try_for_each(|component| torment(component, options))
}

fn torment(component: &Component, options: &Options) -> Result<(), Failure> {
    let Options { length, seed, .. } = options;
    let (package, example) = (component.package(), component.example());
    let which = ["--locked", "--quiet", "--release", "--package", &package, "--example", &example];
    step::run(step::cargo(["build"]).args(which))?;
    let mut program = step::cargo(["run"]);
    program.args(which).arg("--");
    program.args(length.arguments()).args(["--seed", &seed.to_string()]);
    step::run_guarded(&mut program, length.limit()).map_err(|failure| {
        let Component { name } = component;
        let again = format!("cargo xtask chaos {name} {} --seed {seed}", length.arguments().join(" "));
        Failure::new(format!("chaos in {name}: {failure}; run it again with `{again}`"))
    })
}

impl Component {
    fn package(&self) -> String {
        format!("procession-{}", self.name)
    }

    fn example(&self) -> String {
        format!("chaos_{}", self.name)
    }
}

/// The components of the workspace at `root`, in the order of their names.
fn components(root: &Path) -> Result<Vec<Component>, Failure> {
    let unreadable = |error| Failure::new(format!("cannot read {}: {error}", root.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        let component = Component { name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned() };
        if folder.join("examples").join(component.example()).with_extension("rs").is_file() {
            found.push(component);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(format!("{} has no chaos program, like pool/examples/chaos_pool.rs", root.display())));
    }
    Ok(found)
}

fn parse(mut arguments: Parser, known: &[Component], seed: u64) -> Result<Options, Failure> {
    let mut options = Options { components: Vec::new(), length: Length::Seconds(20), seed };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("seconds") => options.length = Length::Seconds(arguments.value()?.parse()?),
            Arg::Long("kills") => options.length = Length::Kills(arguments.value()?.parse()?),
            Arg::Long("seed") => options.seed = arguments.value()?.parse()?,
            Arg::Value(name) => options.components.push(component(&name.string()?, known)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.components.is_empty() {
        options.components = known.to_vec();
    }
    Ok(options)
}

fn component(name: &str, known: &[Component]) -> Result<Component, Failure> {
    known.iter().find(|component| component.name == name).cloned().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|component| component.name.as_str()).collect();
        Failure::new(format!("no chaos program torments `{name}`; choose from {}", names.join(", ")))
    })
}

/// A seed that differs from run to run; every report repeats it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() ^ u64::from(since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    fn known() -> [Component; 2] {
        ["pool", "process"].map(|name| Component { name: name.into() })
    }

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        parse(Parser::from_args(words), &known(), 7)
    }

    #[test]
    fn without_arguments_everything_runs() {
        let options = parsed(&[]).unwrap();
        assert_eq!(options.components, known());
        assert_eq!((options.length, options.seed), (Length::Seconds(20), 7));
    }

    #[test]
    fn arguments_choose() {
        let options = parsed(&["process", "--seed", "5", "--seconds", "3"]).unwrap();
        assert_eq!(options.components, known()[1..]);
        assert_eq!((options.length, options.seed), (Length::Seconds(3), 5));
        assert_eq!(parsed(&["pool", "--kills", "9"]).unwrap().length.arguments(), ["--kills", "9"]);
    }

    #[test]
    fn an_unknown_component_is_answered_with_the_known_ones() {
        let failure = parsed(&["cat"]).unwrap_err().to_string();
        assert!(failure.contains("`cat`") && failure.contains("pool, process"), "{failure}");
    }

    #[test]
    fn programs_are_found_by_their_names() {
        let root = env::temp_dir().join(format!("xtask-chaos-{}", process::id()));
        for path in ["pool/examples/chaos_pool.rs", "process/examples/chaos_process.rs", "sync/examples/other.rs"] {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let found = components(&root);
        let none = components(&root.join("pool"));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.unwrap(), known());
        assert!(none.unwrap_err().to_string().ends_with("has no chaos program, like pool/examples/chaos_pool.rs"));
    }
}
