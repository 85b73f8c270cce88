//! One Rust file, as text, as tokens and as a syntax tree.

use proc_macro2::{TokenStream, TokenTree};

use super::lines::Lines;
use super::problem::Problem;
use super::tokens::{line, scan};

/// A Rust file of the tree.
pub(super) struct Source {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) syntax: syn::File,
    pub(super) tokens: TokenStream,
    pub(super) lines: Lines,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Problem> {
        let broken = |error: syn::Error| Problem::new(path, line(error.span()), format!("does not parse: {error}"));
        let syntax = syn::parse_file(text).map_err(broken)?;
        let tokens: TokenStream = text.parse().map_err(|error| broken(syn::Error::from(error)))?;
        let lines = Lines::of(text, &syntax, &tokens);
        Ok(Self { path: path.to_owned(), text: text.to_owned(), syntax, tokens, lines })
    }

    pub(super) fn problem(&self, line: usize, text: impl Into<String>) -> Problem {
        Problem::new(&self.path, line, text)
    }

    /// Whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// Whether the file is part of a crate, and not a test, an example or a benchmark of one.
    pub(super) fn is_shipped(&self) -> bool {
        self.path.contains("/src/") && !self.is_test()
    }

    /// Whether the file is part of the crate in `folder`.
    pub(super) fn is_of(&self, folder: &str) -> bool {
        self.is_shipped() && self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/src/"))
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
    fn test_files_are_recognised() {
        assert!(Source::parse("core/tests/it/main.rs", "").unwrap().is_test());
        assert!(!Source::parse("core/src/latest.rs", "").unwrap().is_test());
    }
}
