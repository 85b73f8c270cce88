//! Rules about size: a file speaks of one noun, and a function fits on one screen.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::problem::Problem;
use super::source::Source;
use super::tokens::line;
use super::tree::Tree;

/// Lines of code. Documentation and tests may be as long as they need.
const LONGEST_FILE: usize = 250;

/// All lines from the signature to the closing brace.
const LONGEST_FUNCTION: usize = 40;

/// A function with a body.
pub(super) struct Function {
    pub(super) name: String,
    /// The line of its signature.
    pub(super) line: usize,
    pub(super) height: usize,
}

pub(super) fn files(tree: &Tree) -> Vec<Problem> {
    let sources = tree.sources.iter().filter(|source| !source.is_test());
    sources.filter_map(|source| too_long(source, source.lines.code())).collect()
}

pub(super) fn functions(tree: &Tree) -> Vec<Problem> {
    tree.sources.iter().flat_map(long_functions).collect()
}

fn too_long(source: &Source, lines: usize) -> Option<Problem> {
    let text = format!("{lines} lines of code, {LONGEST_FILE} are allowed: does it speak of two nouns?");
    (lines > LONGEST_FILE).then(|| source.problem(1, text))
}

fn long_functions(source: &Source) -> Vec<Problem> {
    let long = functions_of(source).into_iter().filter(|function| function.height > LONGEST_FUNCTION);
    let text = |Function { name, height, .. }: &Function| {
        format!("`{name}` has {height} lines, {LONGEST_FUNCTION} are allowed: give its parts names")
    };
    long.map(|function| source.problem(function.line, text(&function))).collect()
}

/// Every function of a file, tests included.
pub(super) fn functions_of(source: &Source) -> Vec<Function> {
    let mut finder = Finder { functions: Vec::new() };
    finder.visit_file(&source.syntax);
    finder.functions
}

/// Looks at every function with a body.
struct Finder {
    functions: Vec<Function>,
}

impl Finder {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (first, last) = (line(signature.span()), body.span().end().line);
        let name = signature.ident.to_string();
        self.functions.push(Function { name, line: first, height: last - first + 1 });
    }
}

impl<'ast> Visit<'ast> for Finder {
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
    fn files_may_have_250_lines_of_code_and_documentation_and_tests_besides() {
        let code = "const A: u8 = 0;\n";
        let good = "/// A line.\n\n".repeat(300) + &code.repeat(250) + "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\n";
        assert!(broken(files, "core/src/a.rs", &good).is_empty());
        let bad = code.repeat(251);
        assert_eq!(broken(files, "core/src/a.rs", &bad), [1]);
        assert!(broken(files, "core/tests/it/a.rs", &bad).is_empty());
    }

    #[test]
    fn functions_may_have_40_lines() {
        let good = format!("/// Documented.\nfn f() {{\n{}}}\n", body(38));
        assert!(broken(functions, "core/src/a.rs", &good).is_empty());
        let bad = format!("/// Documented.\nfn f() {{\n{}}}\n", body(39));
        assert_eq!(broken(functions, "core/src/a.rs", &bad), [2]);
    }

    #[test]
    fn methods_and_functions_in_modules_count() {
        let method = format!("impl A {{\nfn f() {{\n{}}}\n}}\n", body(39));
        assert_eq!(broken(functions, "core/src/a.rs", &method), [2]);
        let provided = format!("trait A {{\nfn f() {{\n{}}}\n}}\n", body(39));
        assert_eq!(broken(functions, "core/src/a.rs", &provided), [2]);
        let inner = format!("#[cfg(test)]\nmod tests {{\nfn f() {{\n{}}}\n}}\n", body(39));
        assert_eq!(broken(functions, "core/src/a.rs", &inner), [3]);
    }
}
