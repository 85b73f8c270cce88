//! The rule about claims: each test that the guide's page about security names is there.

use std::collections::HashSet;

use super::problem::Problem;
use super::size::functions_of;
use super::tree::{Document, Tree};

const PAGE: &str = "procession/guide/security.md";

pub(super) fn claims(tree: &Tree) -> Vec<Problem> {
    let tests: HashSet<String> = tree.sources.iter().flat_map(functions_of).map(|function| function.name).collect();
    let pages = tree.documents.iter().filter(|document| document.path == PAGE);
    pages.flat_map(|page| missing(tree, page, &tests)).collect()
}

fn missing(tree: &Tree, page: &Document, tests: &HashSet<String>) -> Vec<Problem> {
    let rows = page
        .prose()
        .filter_map(|(number, text)| Some((number, text.strip_prefix("| ")?.split(" | ").nth(1)?.to_owned())));
    let names = rows.flat_map(|(number, row)| quoted_tests(&row).map(|name| (number, name)).collect::<Vec<_>>());
    let is_there = |name: &str| tests.contains(name) || tree.has(&format!("procession/tests/refused/{name}.rs"));
    // Property tests stand inside of a macro, where only their words can be looked for.
    let is_written = |name: &str| tree.sources.iter().any(|source| source.text.contains(&format!("fn {name}(")));
    let lost = names.filter(|(_, name)| !is_there(name) && !is_written(name));
    lost.map(|(number, name)| {
        Problem::new(PAGE, number, format!("no test is called `{name}`: say which one shows the claim"))
    })
    .collect()
}

/// The quoted words of a row that are names of tests.
fn quoted_tests(row: &str) -> impl Iterator<Item = String> + '_ {
    let quotes = row.split('`').skip(1).step_by(2);
    quotes.filter(|quote| quote.matches('_').count() > 1 && !quote.contains(' ')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(page: &str) -> Vec<usize> {
        let files = [
            (PAGE, page),
            ("core/tests/it/a.rs", "#[test]\nfn it_holds_water() {}\nproptest! { fn it_is_so(n in 0..1) {} }\n"),
            ("procession/tests/refused/it_is_not_built.rs", ""),
        ];
        claims(&sample(files)).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn tests_that_are_there_pass() {
        assert_eq!(broken("| claim | `it_holds_water`, `it_is_so` (core); `it_is_not_built` |\n"), []);
        assert_eq!(broken("Some `prose_with_a_name`.\n| claim | `verify_slice` |\n"), []);
    }

    #[test]
    fn tests_that_are_gone_are_named() {
        assert_eq!(broken("# Page\n\n| claim | `it_holds_wine` |\n"), [3]);
    }
}
