//! The rule about memory orderings: an atomic operation that synchronises says with what.

use std::collections::HashSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::problem::Problem;
use super::source::Source;
use super::tokens::{is_word, line, scan};
use super::tree::Tree;

/// The orderings that synchronise. `Relaxed` does not.
const STRONG: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];

/// The number of lines above an operation in which its comment may stand.
const REACH: usize = 3;

pub(super) fn orderings(tree: &Tree) -> Vec<Problem> {
    let sources = tree.sources.iter().filter(|source| source.is_shipped());
    sources.flat_map(without_reason).collect()
}

fn without_reason(source: &Source) -> impl Iterator<Item = Problem> + '_ {
    let text = "say what this ordering pairs with, at most three lines above it or behind it";
    operations(source).into_iter().filter(|at| !has_reason(source, *at)).map(move |at| source.problem(at, text))
}

/// Whether a comment stands on a line, or close above it.
pub(super) fn has_reason(source: &Source, at: usize) -> bool {
    (at.saturating_sub(REACH)..=at).filter_map(|number| source.lines.get(number)).any(|line| line.has_reason())
}

/// The lines of the operations and fences with a strong ordering, tests left out.
///
/// A compare-and-exchange names two orderings and is one operation.
pub(super) fn operations(source: &Source) -> Vec<usize> {
    let imported = imported(source);
    let mut found = Vec::new();
    calls(source.tokens.clone(), &imported, &mut found);
    found.retain(|at| !source.lines.is_test(*at));
    found
}

/// The orderings that a file may call by their bare names.
fn imported(source: &Source) -> HashSet<String> {
    let mut names = HashSet::new();
    scan(source.tokens.clone(), &mut |rest| {
        let [TokenTree::Ident(word), TokenTree::Punct(_), TokenTree::Punct(_), what, ..] = rest else { return };
        match what {
            _ if word != "Ordering" => {}
            TokenTree::Group(group) => names.extend(group.stream().into_iter().map(|token| token.to_string())),
            name => drop(names.insert(name.to_string())),
        }
    });
    names
}

/// Finds the argument lists that hold an ordering.
fn calls(tokens: TokenStream, imported: &HashSet<String>, found: &mut Vec<usize>) {
    for token in tokens {
        if let TokenTree::Group(group) = token {
            let inside: Vec<_> = group.stream().into_iter().collect();
            let is_call = group.delimiter() == Delimiter::Parenthesis;
            if is_call && (0..inside.len()).any(|at| is_strong(&inside, at, imported)) {
                found.push(line(group.span_open()));
            }
            calls(group.stream(), imported, found);
        }
    }
}

/// Whether a token names a strong ordering, as `Ordering::Acquire` or by an imported name.
fn is_strong(tokens: &[TokenTree], at: usize, imported: &HashSet<String>) -> bool {
    let name = STRONG.iter().find(|name| is_word(&tokens[at], name));
    let is_path = at > 0 && matches!(&tokens[at - 1], TokenTree::Punct(mark) if mark.as_char() == ':');
    let is_ordering = match is_path {
        true => at > 2 && is_word(&tokens[at - 3], "Ordering"),
        false => name.is_some_and(|name| imported.contains(*name)),
    };
    name.is_some() && is_ordering
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(text: &str) -> Vec<usize> {
        orderings(&sample([("core/src/a.rs", text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn operations_without_a_reason_are_found() {
        assert_eq!(broken("fn f() {\n    A.load(Ordering::Acquire);\n}\n"), [2]);
        assert_eq!(broken("use std::sync::atomic::Ordering::{self, SeqCst};\nfn f() { fence(SeqCst) }\n"), [2]);
        assert_eq!(broken("use std::sync::atomic::Ordering::SeqCst;\nfn f() { A.store(1, SeqCst) }\n"), [2]);
        assert_eq!(broken("fn f() {\n    A.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);\n}\n"), [2]);
        assert_eq!(broken("fn f() {\n    // SAFETY: it is there.\n    A.load(Ordering::Acquire);\n}\n"), [3]);
    }

    #[test]
    fn a_reason_stands_close_by() {
        assert_eq!(broken("fn f() {\n    // Pairs with g.\n    A.load(Ordering::Acquire);\n}\n"), []);
        assert_eq!(broken("fn f() {\n    A.load(Ordering::Acquire); // pairs with g\n}\n"), []);
        let far = "fn f() {\n    // Pairs with g.\n    a();\n    b();\n    c();\n    A.load(Ordering::Acquire);\n}\n";
        assert_eq!(broken(far), [6]);
    }

    #[test]
    fn relaxed_operations_other_names_and_tests_need_none() {
        assert_eq!(broken("fn f() { A.load(Ordering::Relaxed); g(Kind::Release); g(Release) }"), []);
        assert_eq!(broken("use std::sync::atomic::Ordering::{Acquire, Release};"), []);
        assert_eq!(broken("#[cfg(test)] mod tests { fn f() { A.load(Ordering::Acquire); } }"), []);
    }
}
