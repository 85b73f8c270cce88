//! [`RULES`]: the rules of the house that a program can check.

use super::problem::Problem;
use super::tree::Tree;
use super::{
    arrows, causes, claims, english, examples, facade, graph, headers, metadata, orderings, references, signatures,
    size, trusted, tuning, unsafe_, vocabulary, words,
};

/// A rule: its name in messages, what it demands, and the function that finds what breaks it.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) demands: &'static str,
    pub(super) find: fn(&Tree) -> Vec<Problem>,
    /// The folders of the crates that do not follow it yet.
    pub(super) exempt: &'static [&'static str],
}

impl Rule {
    /// What breaks it, in the crates that follow it.
    pub(super) fn broken(&self, tree: &Tree) -> Vec<Problem> {
        let mut problems = (self.find)(tree);
        problems.retain(|problem| !self.exempt.iter().any(|folder| problem.is_in(folder)));
        problems
    }
}

/// Every rule of the house that a program can check. Lints of rustc and clippy check the others.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "arrows",
        demands: "crates depend on each other and on other people's crates as the table in arrows.rs says",
        find: arrows::arrows,
        exempt: &[],
    },
    Rule { name: "postcard", demands: "postcard is in one manifest, core's", find: arrows::postcard, exempt: &[] },
    Rule {
        name: "metadata",
        demands: "packages inherit the shared metadata and lints, and have a README.md",
        find: metadata::metadata,
        exempt: &[],
    },
    Rule { name: "facade", demands: "the facade holds no code", find: facade::facade, exempt: &[] },
    Rule {
        name: "unsafe",
        demands: "unsafe code is in core, sync and channels' ring; other crates forbid it",
        find: unsafe_::unsafe_code,
        exempt: &[],
    },
    Rule {
        name: "trusted",
        demands: "names of functions are decoded on the control links of core and nowhere else",
        find: trusted::trusted,
        exempt: &[],
    },
    Rule {
        name: "header",
        demands: "each file opens with a //! line that says what lives there",
        find: headers::headers,
        exempt: &[],
    },
    Rule {
        name: "causes",
        demands: "an error's text and its `source` do not both tell the cause",
        find: causes::causes,
        exempt: &[],
    },
    Rule { name: "file-size", demands: "a file has at most 250 lines of code", find: size::files, exempt: &["xtask"] },
    Rule {
        name: "function-size",
        demands: "a function has at most 40 lines",
        find: size::functions,
        exempt: &["pool", "manager"],
    },
    Rule {
        name: "signature",
        demands: "no type of nix or postcard is in a public signature",
        find: signatures::signatures,
        exempt: &[],
    },
    Rule {
        name: "example",
        demands: "the documentation of each public item shows code that runs",
        find: examples::examples,
        exempt: &[],
    },
    Rule {
        name: "unfinished",
        demands: "no todo!, no unimplemented!, no ignored test",
        find: words::unfinished,
        exempt: &[],
    },
    Rule { name: "allow", demands: "no allow attribute: expect one, with its reason", find: words::allow, exempt: &[] },
    Rule {
        name: "circles",
        demands: "no two files know each other, not even by way of others",
        find: graph::circles,
        exempt: &["bench"],
    },
    Rule {
        name: "rooms",
        demands: "arrows between the rooms of a crate lead down, as the table in rooms.rs says",
        find: graph::rooms,
        exempt: &[],
    },
    Rule { name: "root", demands: "nothing is imported through lib.rs", find: graph::through_root, exempt: &[] },
    Rule {
        name: "ordering",
        demands: "an atomic operation stronger than Relaxed says what it pairs with",
        find: orderings::orderings,
        exempt: &["bench"],
    },
    Rule {
        name: "english",
        demands: "sentences name their actors and their numbers: see the words in english.rs",
        find: english::english,
        exempt: &[],
    },
    Rule {
        name: "vocabulary",
        demands: "things have the names that the field gives them: see the words in vocabulary.rs",
        find: vocabulary::vocabulary,
        exempt: &[],
    },
    Rule {
        name: "tuning",
        demands: "constants that one can turn lie in tuning.rs, and say what turning them does",
        find: tuning::tuning,
        exempt: &[],
    },
    Rule {
        name: "reference",
        demands: "links in documents lead to files that are there",
        find: references::references,
        exempt: &[],
    },
    Rule {
        name: "claims",
        demands: "each test that the guide's page about security names is there",
        find: claims::claims,
        exempt: &[],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::tree::FOLDERS;
    use super::*;

    #[test]
    fn names_of_rules_are_unique() {
        let names: HashSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn what_is_exempt_exists() {
        let mut exempt = RULES.iter().flat_map(|rule| rule.exempt);
        assert!(exempt.all(|place| FOLDERS.contains(place) || place.ends_with(".md")));
    }
}
