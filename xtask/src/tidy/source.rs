//! One Rust file, as text, as tokens and as a syntax tree.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;

use super::problem::Problem;

/// A Rust file of the tree.
pub(super) struct Source {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) syntax: syn::File,
    tokens: TokenStream,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Problem> {
        let broken = |error: syn::Error| Problem::new(path, line(error.span()), format!("does not parse: {error}"));
        let syntax = syn::parse_file(text).map_err(broken)?;
        let tokens = text.parse().map_err(|error| broken(syn::Error::from(error)))?;
        Ok(Self { path: path.to_owned(), text: text.to_owned(), syntax, tokens })
    }

    pub(super) fn problem(&self, line: usize, text: impl Into<String>) -> Problem {
        Problem::new(&self.path, line, text)
    }

    /// Whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The problems that `find` sees at the beginning of each run of tokens, the bodies of macros included.
    ///
    /// Comments and the insides of literals are not tokens, so words in them are never seen.
    pub(super) fn scan(&self, find: impl Fn(&[TokenTree]) -> Option<String>) -> Vec<Problem> {
        let mut problems = Vec::new();
        scan(self.tokens.clone(), &mut |rest| {
            problems.extend(find(rest).map(|text| self.problem(line(rest[0].span()), text)));
        });
        problems
    }
}

/// Calls `see` with what follows each token on its level, that token included; `rest` is never empty.
pub(super) fn scan(tokens: TokenStream, see: &mut dyn FnMut(&[TokenTree])) {
    let level: Vec<_> = tokens.into_iter().collect();
    for (at, token) in level.iter().enumerate() {
        see(&level[at..]);
        if let TokenTree::Group(group) = token {
            scan(group.stream(), see);
        }
    }
}

pub(super) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// The line on which a piece of source begins, counted from 1.
pub(super) fn line(span: Span) -> usize {
    span.start().line
}

/// How many lines a piece of syntax covers.
pub(super) fn height(syntax: &impl Spanned) -> usize {
    syntax.span().end().line - syntax.span().start().line + 1
}

/// Whether attributes leave an item out of anything but test builds.
pub(super) fn only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let mut words = Vec::new();
        scan(list.tokens.clone(), &mut |rest| words.push(rest[0].to_string()));
        words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_syntax_is_a_problem_with_its_line() {
        let problem = Source::parse("core/src/a.rs", "fn good() {}\nfn bad( {}\n").err().unwrap();
        assert_eq!((problem.path.as_str(), problem.line), ("core/src/a.rs", 2));
    }

    #[test]
    fn tokens_are_seen_inside_macros_but_not_inside_strings_and_comments() {
        let text = "// word\nconst A: &str = \"word\";\nmacro_rules! m { () => { word } }\n";
        let source = Source::parse("a.rs", text).unwrap();
        let problems = source.scan(|rest| (rest[0].to_string() == "word").then(|| "seen".into()));
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn test_code_is_recognised() {
        let item: syn::ItemMod = syn::parse_str("#[cfg(all(test, unix))] mod tests {}").unwrap();
        assert!(only_for_tests(&item.attrs));
        let item: syn::ItemMod = syn::parse_str("#[cfg(not(test))] mod real {}").unwrap();
        assert!(!only_for_tests(&item.attrs));
        assert!(Source::parse("core/tests/it/main.rs", "").unwrap().is_test());
        assert!(!Source::parse("core/src/latest.rs", "").unwrap().is_test());
    }
}
