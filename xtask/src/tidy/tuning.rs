//! The rule about constants that one can turn: they lie together, and say what turning them does.

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};

use super::examples::CRATES;
use super::problem::Problem;
use super::source::Source;
use super::text::has_word;
use super::tokens::{documentation, is_word, line};
use super::tree::Tree;

/// Words of which the documentation of a constant has one: what a larger value does.
const LARGER: &[&str] = &["larger", "longer", "more", "higher", "greater"];

/// And what a smaller value does.
const SMALLER: &[&str] = &["smaller", "shorter", "fewer", "less", "lower"];

pub(super) fn tuning(tree: &Tree) -> Vec<Problem> {
    let sources = CRATES.iter().flat_map(|folder| tree.sources.iter().filter(|source| source.is_of(folder)));
    sources.flat_map(|source| if is_home(source) { undocumented(source) } else { durations(source) }).collect()
}

/// Whether the file is the one of its crate for such constants.
fn is_home(source: &Source) -> bool {
    source.path.ends_with("/src/tuning.rs") || source.path.ends_with("/tuning.rs")
}

/// Durations outside of the file for them.
fn durations(source: &Source) -> Vec<Problem> {
    let found = source.scan(|rest| match rest {
        [word, TokenTree::Ident(name), TokenTree::Punct(_), ty, ..]
            if is_word(word, "const") && is_word(ty, "Duration") =>
        {
            Some(format!("move `{name}` to the crate's tuning.rs, with what a larger and a smaller value does"))
        }
        _ => None,
    });
    found.into_iter().filter(|problem| !source.lines.is_test(problem.line)).collect()
}

/// Constants and fields whose documentation does not say what turning them does.
fn undocumented(source: &Source) -> Vec<Problem> {
    let mut finder = Finder { source, problems: Vec::new() };
    finder.visit_file(&source.syntax);
    finder.problems
}

struct Finder<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn demand(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        let (text, at) = (documentation(attributes).to_lowercase(), line(name.span()));
        let says = |words: &[&str]| words.iter().any(|word| has_word(&text, word));
        let says_both = says(LARGER) && says(SMALLER);
        if !self.source.lines.is_test(at) && !says_both {
            let text = format!("say of `{name}` what a larger value does and what a smaller one does");
            self.problems.push(self.source.problem(at, text));
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.demand(&item.ident, &item.attrs);
        visit::visit_item_const(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        field.ident.iter().for_each(|name| self.demand(name, &field.attrs));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<usize> {
        tuning(&sample([(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn durations_lie_together() {
        let text = "const NAP: Duration = Duration::from_millis(1);\nconst N: usize = 1;\n";
        assert_eq!(broken("pool/src/a.rs", text), [1]);
        assert_eq!(broken("pool/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}}}\n")), []);
        assert_eq!(broken("pool/tests/it/a.rs", text), []);
    }

    #[test]
    fn both_directions_are_described() {
        let good = "/// Waits. A larger value costs time, a smaller one wakes more.\nconst A: u8 = 1;\n";
        assert_eq!(broken("pool/src/tuning.rs", good), []);
        assert_eq!(broken("pool/src/tuning.rs", "/// Waits. A larger value costs time.\nconst A: u8 = 1;\n"), [2]);
        assert_eq!(broken("pool/src/tuning.rs", "struct Tuning {\n    a: u8,\n}\n"), [2]);
    }
}
