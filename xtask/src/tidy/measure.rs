//! `cargo xtask tidy --measure`: the figures of each crate that the rules keep in bounds.

use std::fmt;

use super::graph::Graph;
use super::lines::Kind;
use super::rule::{RULES, Rule};
use super::source::Source;
use super::tree::{FOLDERS, Tree};
use super::{orderings, size};
use crate::failure::Failure;

/// Prints the table of all crates, and the exemptions that are left.
pub(super) fn table(tree: &Tree) {
    println!("{HEADER}");
    for folder in FOLDERS {
        println!("{folder:<11}{}", Figures::of(tree, folder));
    }
    println!("\n{LEGEND}\n");
    for rule in RULES.iter().filter(|rule| !rule.exempt.is_empty()) {
        println!("exempt from `{}`: {}", rule.name, exemptions(rule, tree).join(", "));
    }
}

/// Prints the figures of one crate, and each line behind them.
pub(super) fn details(tree: &Tree, folder: &str) -> Result<(), Failure> {
    let Some(folder) = FOLDERS.iter().find(|known| **known == folder) else {
        return Err(Failure::usage(format!("there is no crate `{folder}`; choose from {}", FOLDERS.join(", "))));
    };
    println!("{HEADER}\n{folder:<11}{}\n", Figures::of(tree, folder));
    for circle in Graph::of(tree, folder).circles() {
        println!("circle of {}: {}", circle.len(), circle.join(", "));
    }
    for rule in RULES {
        let problems = (rule.find)(tree).into_iter().filter(|problem| problem.is_in(folder));
        problems.for_each(|problem| println!("{problem} [{}]", rule.name));
    }
    Ok(())
}

/// The crates that may break a rule, each with the number of lines that do.
fn exemptions(rule: &Rule, tree: &Tree) -> Vec<String> {
    let problems = (rule.find)(tree);
    let count = |folder: &str| problems.iter().filter(|problem| problem.is_in(folder)).count();
    rule.exempt.iter().map(|folder| format!("{folder} ({})", count(folder))).collect()
}

const HEADER: &str =
    "crate      files   code  file max  fn med/p90/max  comments  ordered    circles  upwards  root  docs    total";

const LEGEND: &str = "\
files, code: the sources without tests; file max: lines of code in the longest
fn: lines of a function, signature and braces included
comments: lines in each hundred lines of code, documentation and SAFETY left out
ordered: operations stronger than Relaxed that say what they pair with
circles: arrows between files that lie on one; upwards: arrows between rooms that do not lead down
root: imports through lib.rs; docs: documentation in each hundred lines; total: all lines, tests included";

/// What is measured of one crate.
struct Figures {
    files: usize,
    code: usize,
    longest: usize,
    /// The heights of the functions, sorted.
    functions: Vec<usize>,
    comments: usize,
    docs: usize,
    shipped: usize,
    ordered: usize,
    operations: usize,
    circular: usize,
    upwards: usize,
    through_root: usize,
    total: usize,
}

impl Figures {
    fn of(tree: &Tree, folder: &'static str) -> Self {
        let sources: Vec<_> = tree.sources.iter().filter(|source| source.is_of(folder)).collect();
        let lines = || sources.iter().flat_map(|source| source.lines.shipped());
        let operations =
            sources.iter().flat_map(|source| orderings::operations(source).into_iter().map(move |at| (source, at)));
        let reasons: Vec<_> = operations.map(|(source, at)| orderings::has_reason(source, at)).collect();
        let all = tree.sources.iter().filter(|source| source.path.starts_with(&format!("{folder}/")));
        let graph = Graph::of(tree, folder);
        Self {
            files: sources.len(),
            code: sources.iter().map(|source| source.lines.code()).sum(),
            longest: sources.iter().map(|source| source.lines.code()).max().unwrap_or(0),
            functions: heights(&sources),
            comments: lines().filter(|line| line.has_reason()).count(),
            docs: lines().filter(|line| line.kind == Kind::Doc).count(),
            shipped: lines().count(),
            ordered: reasons.iter().filter(|has| **has).count(),
            operations: reasons.len(),
            circular: graph.circular().len(),
            upwards: graph.upwards().len() + graph.homeless().len(),
            through_root: graph.through_root().len(),
            total: all.map(|source| source.lines.all().len()).sum(),
        }
    }
}

/// The heights of all functions but those of tests, sorted.
fn heights(sources: &[&Source]) -> Vec<usize> {
    let functions = sources.iter().flat_map(|source| {
        let shipped = size::functions_of(source).into_iter().filter(|function| !source.lines.is_test(function.line));
        shipped.map(|function| function.height)
    });
    let mut heights: Vec<_> = functions.collect();
    heights.sort_unstable();
    heights
}

/// Returns the value below which `percent` of a hundred values lie.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(0)
}

/// How many of a hundred.
fn share(part: usize, whole: usize) -> f64 {
    let ratio = |number| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    100.0 * ratio(part) / ratio(whole.max(1))
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = [50, 90, 100].map(|percent| percentile(&self.functions, percent).to_string()).join("/");
        let ordered = format!("{}/{}", self.ordered, self.operations);
        let (comments, docs) = (share(self.comments, self.code), share(self.docs, self.shipped));
        write!(out, "{:>5}{:>7}{:>10}{functions:>16}", self.files, self.code, self.longest)?;
        write!(out, "{comments:>10.1}{ordered:>9}{:>11}{:>9}{:>6}", self.circular, self.upwards, self.through_root)?;
        write!(out, "{docs:>5.0}%{:>9}", self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    #[test]
    fn figures_are_counted() {
        let lib = "//! Header.\n\nmod a;\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let a = "//! Header.\n\n/// Doc.\nfn f() {\n    // Why.\n    A.load(Ordering::Acquire);\n}\n";
        let tree = sample([("core/src/lib.rs", lib), ("core/src/a.rs", a), ("core/tests/it/main.rs", "fn t() {}\n")]);
        let figures = Figures::of(&tree, "core");
        assert_eq!((figures.files, figures.code, figures.longest, figures.total), (2, 4, 3, 15));
        assert_eq!((figures.comments, figures.docs, figures.shipped), (1, 3, 10));
        assert_eq!((figures.ordered, figures.operations, figures.functions.as_slice()), (1, 1, &[4][..]));
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let sorted: Vec<_> = (1..=11).collect();
        assert_eq!([50, 90, 100].map(|percent| percentile(&sorted, percent)), [6, 10, 11]);
        assert_eq!(percentile(&[], 50), 0);
    }
}
