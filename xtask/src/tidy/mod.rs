//! `cargo xtask tidy`: the rules of the house, each a function from the whole tree to what breaks it.

mod arrows;
mod causes;
mod examples;
mod facade;
mod headers;
mod metadata;
mod problem;
mod published;
mod signatures;
mod size;
mod source;
mod tree;
mod unsafe_;
mod words;

use lexopt::{Arg, Parser};

use self::problem::Problem;
use self::tree::Tree;
use crate::command::Command;
use crate::failure::Failure;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    takes: "[--list | --examples]",
    about: "checks the rules of the house",
    details: Some(
        "\
Without an option it prints each line that breaks one.

  --list       only say what the rules are
  --examples   only list the public items whose documentation has no example
",
    ),
    run,
};

/// A rule: its name in messages, what it demands, and the function that finds what breaks it.
struct Rule {
    name: &'static str,
    demands: &'static str,
    find: fn(&Tree) -> Vec<Problem>,
}

/// Every rule of the house that a program can check. Lints of rustc and clippy check the others.
const RULES: &[Rule] = &[
    Rule {
        name: "arrows",
        demands: "crates depend on each other and on other people's crates as the table in arrows.rs says",
        find: arrows::arrows,
    },
    Rule { name: "postcard", demands: "postcard is in one manifest, core's", find: arrows::postcard },
    Rule {
        name: "metadata",
        demands: "packages inherit the shared metadata and lints, and have a README.md",
        find: metadata::metadata,
    },
    Rule { name: "facade", demands: "the facade holds no code", find: facade::facade },
    Rule {
        name: "unsafe",
        demands: "unsafe code is in core, sync and channels' ring; other crates forbid it",
        find: unsafe_::unsafe_code,
    },
    Rule {
        name: "header",
        demands: "each file opens with a //! line that says what lives there",
        find: headers::headers,
    },
    Rule {
        name: "causes",
        demands: "an error's text and its `source` do not both tell the cause",
        find: causes::causes,
    },
    Rule { name: "file-size", demands: "a file has at most 400 lines without its tests", find: size::files },
    Rule { name: "function-size", demands: "a function has at most 70 lines", find: size::functions },
    Rule {
        name: "signature",
        demands: "no type of nix or postcard is in a public signature",
        find: signatures::signatures,
    },
    Rule {
        name: "example",
        demands: "the documentation of each public item shows code that runs",
        find: examples::examples,
    },
    Rule { name: "unfinished", demands: "no todo!, no unimplemented!, no ignored test", find: words::unfinished },
    Rule { name: "allow", demands: "no allow attribute: expect one, with its reason", find: words::allow },
];

fn run(mut arguments: Parser) -> Result<(), Failure> {
    match arguments.next()? {
        None => check(),
        Some(Arg::Long("list")) => {
            RULES.iter().for_each(|rule| println!("{:<14} {}", rule.name, rule.demands));
            Ok(())
        }
        Some(Arg::Long("examples")) => count_examples(),
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

fn load() -> Result<Tree, Failure> {
    Tree::load(&step::root()).map_err(|error| Failure::new(format!("cannot read the tree: {error}")))
}

/// Prints everything in the tree that breaks a rule.
pub(crate) fn check() -> Result<(), Failure> {
    let tree = load()?;
    let mut broken = tree.unreadable.len();
    tree.unreadable.iter().for_each(|problem| println!("{problem} [syntax]"));
    for rule in RULES {
        let problems = (rule.find)(&tree);
        broken += problems.len();
        problems.iter().for_each(|problem| println!("{problem} [{}]", rule.name));
    }
    match broken {
        0 => Ok(()),
        1 => Err(Failure::new("one line breaks a rule of the house")),
        _ => Err(Failure::new(format!("{broken} lines break rules of the house"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_of_rules_are_unique() {
        let names: HashSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }
}
