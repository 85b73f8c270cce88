//! `cargo xtask tidy`: the rules of the house, each a function from the whole tree to what breaks it.

mod arrows;
mod causes;
mod claims;
mod english;
mod examples;
mod facade;
mod graph;
mod headers;
mod lines;
mod measure;
mod metadata;
mod modules;
mod orderings;
mod paths;
mod problem;
mod published;
mod references;
mod rooms;
mod rule;
mod signatures;
mod size;
mod source;
mod text;
mod tokens;
mod tree;
mod trusted;
mod tuning;
mod unsafe_;
mod vocabulary;
mod words;

use lexopt::{Arg, Parser, ValueExt};

use self::rule::RULES;
use self::tree::Tree;
use crate::command::Command;
use crate::failure::Failure;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    takes: "[--list | --examples | --measure [CRATE]]",
    about: "checks the rules of the house",
    details: Some(
        "\
Without an option it prints each line that breaks one.

  --list              only say what the rules are
  --examples          only list the public items whose documentation has no example
  --measure           only print the figures of each crate that the rules keep in bounds, and the crates that are exempt
  --measure CRATE     the figures of one crate, and every line of it that breaks a rule, exempt or not
",
    ),
    run,
};

fn run(mut arguments: Parser) -> Result<(), Failure> {
    match arguments.next()? {
        None => check(),
        Some(Arg::Long("list")) => {
            RULES.iter().for_each(|rule| println!("{:<14} {}", rule.name, rule.demands));
            Ok(())
        }
        Some(Arg::Long("examples")) => count_examples(),
        Some(Arg::Long("measure")) => measure(&mut arguments),
        Some(other) => Err(other.unexpected().into()),
    }
}

/// Prints what lacks an example in every crate, also in those of which it is not demanded yet.
fn count_examples() -> Result<(), Failure> {
    let tree = load()?;
    let missing = examples::CRATES.iter().map(|folder| (folder, examples::missing(&tree, folder)));
    let missing: Vec<_> = missing.collect();
    missing.iter().flat_map(|(_, problems)| problems).for_each(|problem| println!("{problem}"));
    missing.iter().for_each(|(folder, problems)| println!("{folder:<10}{:>5}", problems.len()));
    Ok(())
}

fn measure(arguments: &mut Parser) -> Result<(), Failure> {
    let tree = load()?;
    match arguments.next()? {
        None => {
            measure::table(&tree);
            Ok(())
        }
        Some(Arg::Value(folder)) => measure::details(&tree, &folder.string()?),
        Some(other) => Err(other.unexpected().into()),
    }
}

fn load() -> Result<Tree, Failure> {
    Tree::load(&step::root()).map_err(|error| Failure::new(format!("cannot read the tree: {error}")))
}

/// Prints everything in the tree that breaks a rule.
pub(crate) fn check() -> Result<(), Failure> {
    let tree = load()?;
    let mut broken = tree.unreadable.len();
    tree.unreadable.iter().for_each(|problem| println!("{problem} [syntax]"));
    for rule in RULES {
        let problems = rule.broken(&tree);
        broken += problems.len();
        problems.iter().for_each(|problem| println!("{problem} [{}]", rule.name));
    }
    match broken {
        0 => Ok(()),
        1 => Err(Failure::new("one line breaks a rule of the house")),
        _ => Err(Failure::new(format!("{broken} lines break rules of the house"))),
    }
}
