//! Rules about size: a file speaks of one noun, and a function fits on one screen.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::problem::Problem;
use super::source::{Source, height, line, only_for_tests};
use super::tree::Tree;

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 70;

pub(super) fn files(tree: &Tree) -> Vec<Problem> {
    let sources = tree.sources.iter().filter(|source| !source.is_test());
    sources.filter_map(|source| too_long(source, lines_without_tests(source))).collect()
}

pub(super) fn functions(tree: &Tree) -> Vec<Problem> {
    tree.sources.iter().flat_map(long_functions).collect()
}

fn too_long(source: &Source, lines: usize) -> Option<Problem> {
    let text = format!("{lines} lines without tests, {LONGEST_FILE} are allowed: does it speak of two nouns?");
    (lines > LONGEST_FILE).then(|| source.problem(1, text))
}

fn lines_without_tests(source: &Source) -> usize {
    let tests = source.syntax.items.iter().filter(|item| only_for_tests(attributes(item)));
    source.text.lines().count() - tests.map(height).sum::<usize>()
}

/// The attributes of the kinds of items that hold tests.
fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn long_functions(source: &Source) -> Vec<Problem> {
    let mut finder = Finder { source, problems: Vec::new() };
    finder.visit_file(&source.syntax);
    finder.problems
}

/// Looks at every function with a body.
struct Finder<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (first, last) = (line(signature.span()), body.span().end().line);
        let lines = last - first + 1;
        if lines > LONGEST_FUNCTION {
            let name = &signature.ident;
            let text = format!("`{name}` has {lines} lines, {LONGEST_FUNCTION} are allowed: give its parts names");
            self.problems.push(self.source.problem(first, text));
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        item.default.iter().for_each(|body| self.function(&item.sig, body));
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(find: fn(&Tree) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
        find(&sample([(path, text)])).iter().map(|problem| problem.line).collect()
    }

    /// Statements on that many lines.
    fn body(lines: usize) -> String {
        "    g();\n".repeat(lines)
    }

    #[test]
    fn files_may_have_400_lines_and_tests_besides() {
        let good = "// A line.\n".repeat(400) + "#[cfg(test)]\nmod tests {\n    // More.\n}\n";
        assert!(broken(files, "core/src/a.rs", &good).is_empty());
        let bad = "// A line.\n".repeat(401);
        assert_eq!(broken(files, "core/src/a.rs", &bad), [1]);
        assert!(broken(files, "core/tests/it/a.rs", &bad).is_empty());
    }

    #[test]
    fn functions_may_have_70_lines() {
        let good = format!("/// Documented.\nfn f() {{\n{}}}\n", body(68));
        assert!(broken(functions, "core/src/a.rs", &good).is_empty());
        let bad = format!("/// Documented.\nfn f() {{\n{}}}\n", body(69));
        assert_eq!(broken(functions, "core/src/a.rs", &bad), [2]);
    }

    #[test]
    fn methods_and_functions_in_modules_count() {
        let method = format!("impl A {{\nfn f() {{\n{}}}\n}}\n", body(69));
        assert_eq!(broken(functions, "core/src/a.rs", &method), [2]);
        let provided = format!("trait A {{\nfn f() {{\n{}}}\n}}\n", body(69));
        assert_eq!(broken(functions, "core/src/a.rs", &provided), [2]);
        let inner = format!("#[cfg(test)]\nmod tests {{\nfn f() {{\n{}}}\n}}\n", body(69));
        assert_eq!(broken(functions, "core/src/a.rs", &inner), [3]);
    }
}
