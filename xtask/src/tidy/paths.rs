//! The paths that a file names, in its imports as well as in its code, the bodies of macros included.

use std::collections::HashSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::source::Source;
use super::tokens::{is_word, line};

/// A path that leads to something of the same crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The segments from the root of the crate.
    pub(super) segments: Vec<String>,
    /// The name that it gets here, if it is imported.
    pub(super) alias: Option<String>,
    pub(super) line: usize,
}

/// Finds the paths in a file that holds the module `module`, tests left out.
///
/// A path begins with `crate`, `self` or `super`, or with a module that the file declares.
pub(super) fn paths(source: &Source, module: &[String], children: &HashSet<String>) -> Vec<Path> {
    let mut finder = Finder { source, children, found: Vec::new() };
    finder.level(source.tokens.clone(), module, false);
    finder.found
}

struct Finder<'a> {
    source: &'a Source,
    children: &'a HashSet<String>,
    found: Vec<Path>,
}

impl Finder<'_> {
    /// Goes through the tokens of one level, in which `self` means `module`.
    fn level(&mut self, tokens: TokenStream, module: &[String], in_use: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let (mut at, mut in_use) = (0, in_use);
        while let Some(token) = tokens.get(at) {
            let is_inside_path = at > 1 && is_separator(&tokens[at - 2..]) || at > 0 && is_mark(&tokens[at - 1], '$');
            match token {
                TokenTree::Ident(word) if word == "use" => in_use = true,
                TokenTree::Punct(mark) if mark.as_char() == ';' => in_use = false,
                TokenTree::Ident(_) if !is_inside_path => {
                    if let Some(start) = self.start(&tokens[at..], module) {
                        at += self.path(&tokens[at..], start, in_use);
                        continue;
                    }
                }
                TokenTree::Group(group) => {
                    let inner = inline_module(&tokens[..at]).map(|name| [module, &[name]].concat());
                    self.level(group.stream(), inner.as_deref().unwrap_or(module), false);
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Where a path starts that begins with the first token: the segments that its first word stands for.
    fn start(&self, tokens: &[TokenTree], module: &[String]) -> Option<Vec<String>> {
        if !is_separator(&tokens[1..]) || self.source.lines.is_test(line(tokens[0].span())) {
            return None;
        }
        match tokens[0].to_string().as_str() {
            "crate" => Some(Vec::new()),
            "self" => Some(module.to_vec()),
            "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
            child if self.children.contains(child) => Some([module, &[child.to_owned()]].concat()),
            _ => None,
        }
    }

    /// Notes the path that begins with the first token, and returns the number of its tokens.
    fn path(&mut self, tokens: &[TokenTree], mut segments: Vec<String>, in_use: bool) -> usize {
        let mut at = 1;
        while is_separator(&tokens[at..]) {
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(word)) if word == "super" => drop(segments.pop()),
                Some(TokenTree::Ident(word)) if word == "self" => {}
                Some(TokenTree::Ident(word)) => segments.push(word.to_string()),
                Some(TokenTree::Punct(mark)) if mark.as_char() == '*' => segments.push("*".to_owned()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.branches(group.stream(), &segments, in_use);
                    return at + 3;
                }
                _ => break,
            }
            at += 3;
        }
        let renamed = match &tokens[at..] {
            [word, name, ..] if in_use && is_word(word, "as") => Some(name.to_string()),
            _ => segments.last().cloned().filter(|_| in_use),
        };
        self.found.push(Path { segments, alias: renamed, line: line(tokens[0].span()) });
        at
    }

    /// The branches of `prefix::{…}`.
    fn branches(&mut self, tokens: TokenStream, prefix: &[String], in_use: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for branch in tokens.split(|token| is_mark(token, ',')).filter(|branch| !branch.is_empty()) {
            let first = branch[0].to_string();
            let own = (first != "self").then_some(first);
            self.path(branch, prefix.iter().cloned().chain(own).collect(), in_use);
        }
    }
}

/// The name of the inline module whose braces follow.
fn inline_module(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., word, TokenTree::Ident(name)] if is_word(word, "mod") => Some(name.to_string()),
        _ => None,
    }
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_mark(first, ':') && is_mark(second, ':'))
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let source = Source::parse("core/src/a/b.rs", text).unwrap();
        let children = HashSet::from(["child".to_owned()]);
        let found = paths(&source, &["a".to_owned(), "b".to_owned()], &children);
        found.iter().map(|path| path.segments.join("/")).collect()
    }

    #[test]
    fn imports_are_taken_apart() {
        assert_eq!(found("use crate::x::{Y, z::{self, W as V}, *};"), ["x/Y", "x/z", "x/z/W", "x/*"]);
        assert_eq!(found("use super::x; use self::y::Z; pub use child::C;"), ["a/x", "a/b/y/Z", "a/b/child/C"]);
        assert_eq!(found("use super::super::x::Y;"), ["x/Y"]);
    }

    #[test]
    fn paths_in_code_and_macros_count() {
        assert_eq!(
            found("fn f(a: crate::x::A<crate::B>) { child::g(super::h()) }"),
            ["x/A", "B", "a/b/child/g", "a/h"]
        );
        assert_eq!(found("macro_rules! m { () => { crate::x::y() } }"), ["x/y"]);
    }

    #[test]
    fn other_crates_exported_macros_comments_and_tests_do_not_count() {
        assert_eq!(found("use std::child::C; // crate::x\nmacro_rules! m { () => { $crate::x::y() } }"), [""; 0]);
        assert_eq!(found("#[cfg(test)] mod tests { use crate::x::Y; }"), [""; 0]);
    }

    #[test]
    fn an_inline_module_has_a_self_of_its_own() {
        assert_eq!(found("mod inner { use super::x; use self::y::Z; }"), ["a/b/x", "a/b/inner/y/Z"]);
    }

    #[test]
    fn imported_names_are_known() {
        let source = Source::parse("core/src/a.rs", "use crate::x::{Y, z::W as V}; fn f() { crate::x::y() }").unwrap();
        let found = paths(&source, &["a".to_owned()], &HashSet::new());
        let names: Vec<_> = found.iter().map(|path| path.alias.as_deref()).collect();
        assert_eq!(names, [Some("Y"), Some("V"), None]);
    }
}
