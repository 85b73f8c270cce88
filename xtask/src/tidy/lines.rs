//! [`Lines`]: what stands on each line of a Rust file.

use proc_macro2::{LineColumn, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::tokens::only_for_tests;

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Code,
    /// Documentation, `///` or `//!`.
    Doc,
    Comment,
    /// A comment that proves an unsafe block. Such comments are counted by a lint of clippy.
    Safety,
}

/// One line of a file.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) kind: Kind,
    /// Whether a comment follows the code.
    pub(super) has_remark: bool,
    /// Whether it belongs to an item that only test builds have.
    pub(super) is_test: bool,
}

/// All lines of a file.
pub(super) struct Lines(Vec<Line>);

impl Lines {
    pub(super) fn of(text: &str, syntax: &syn::File, tokens: &TokenStream) -> Self {
        let texts: Vec<&str> = text.lines().collect();
        let mut lines = Self(texts.iter().map(|text| Line::without_code(text)).collect());
        let mut ends = vec![None; texts.len()];
        lines.mark_code(tokens.clone(), &texts, &mut ends);
        for ((line, text), end) in lines.0.iter_mut().zip(&texts).zip(ends) {
            line.has_remark = end.is_some_and(|end| remark(text, end));
        }
        lines.mark_proofs(&texts);
        lines.visit_file(syntax);
        lines
    }

    /// The line with a number, counted from 1.
    pub(super) fn get(&self, number: usize) -> Option<&Line> {
        self.0.get(number.checked_sub(1)?)
    }

    pub(super) fn all(&self) -> &[Line] {
        &self.0
    }

    /// The lines that are no test code.
    pub(super) fn shipped(&self) -> impl Iterator<Item = &Line> {
        self.0.iter().filter(|line| !line.is_test)
    }

    /// The number of lines of code, tests left out.
    pub(super) fn code(&self) -> usize {
        self.shipped().filter(|line| line.kind == Kind::Code).count()
    }

    pub(super) fn is_test(&self, number: usize) -> bool {
        self.get(number).is_some_and(|line| line.is_test)
    }

    /// Marks the lines of all tokens, and notes in which column the last token of each line ends.
    fn mark_code(&mut self, tokens: TokenStream, texts: &[&str], ends: &mut [Option<usize>]) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    self.mark(group.span_open().start(), group.span_open().end(), texts, ends);
                    self.mark_code(group.stream(), texts, ends);
                    self.mark(group.span_close().start(), group.span_close().end(), texts, ends);
                }
                other => self.mark(other.span().start(), other.span().end(), texts, ends),
            }
        }
    }

    fn mark(&mut self, start: LineColumn, end: LineColumn, texts: &[&str], ends: &mut [Option<usize>]) {
        // A documentation comment is an attribute to the compiler, and all its tokens have the place of the comment.
        if texts.get(start.line - 1).is_none_or(|text| text.trim_start().starts_with("//")) {
            return;
        }
        for line in &mut self.0[start.line - 1..end.line] {
            line.kind = Kind::Code;
        }
        ends[end.line - 1] = ends[end.line - 1].max(Some(end.column));
    }

    /// Marks the whole comment that begins with `SAFETY:`.
    fn mark_proofs(&mut self, texts: &[&str]) {
        let mut is_proof = false;
        for (line, text) in self.0.iter_mut().zip(texts) {
            is_proof = line.kind == Kind::Comment && (is_proof || text.trim_start().starts_with("// SAFETY"));
            if is_proof {
                line.kind = Kind::Safety;
            }
        }
    }

    fn mark_test(&mut self, item: &impl Spanned) {
        let (first, last) = (item.span().start().line, item.span().end().line);
        self.0[first - 1..last].iter_mut().for_each(|line| line.is_test = true);
    }
}

impl Line {
    fn without_code(text: &str) -> Self {
        let text = text.trim_start();
        let kind = match text {
            "" => Kind::Blank,
            _ if text.starts_with("///") || text.starts_with("//!") => Kind::Doc,
            _ => Kind::Comment,
        };
        Self { kind, has_remark: false, is_test: false }
    }

    /// Whether the line holds no code but text for readers.
    pub(super) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Doc | Kind::Comment | Kind::Safety)
    }

    /// Whether a reader finds a comment here that is no proof of unsafe code.
    pub(super) fn has_reason(&self) -> bool {
        self.kind == Kind::Comment || self.has_remark
    }
}

impl<'ast> Visit<'ast> for Lines {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match only_for_tests(attributes(item)) {
            true => self.mark_test(item),
            false => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        match only_for_tests(&item.attrs) {
            true => self.mark_test(item),
            false => visit::visit_impl_item_fn(self, item),
        }
    }
}

/// Whether a comment follows after a column.
fn remark(text: &str, end: usize) -> bool {
    let rest: String = text.chars().skip(end).collect();
    rest.trim_start().starts_with("//")
}

/// The attributes of an item.
fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        Source::parse("a.rs", text).unwrap().lines.all().iter().map(|line| line.kind).collect()
    }

    #[test]
    fn lines_are_told_apart() {
        use Kind::*;
        let text =
            "//! Header.\n\n/// Doc.\n// Why.\nfn f() {\n    // SAFETY: it is,\n    // truly.\n    g(); // so\n}\n";
        assert_eq!(kinds(text), [Doc, Blank, Doc, Comment, Code, Safety, Safety, Code, Code]);
    }

    #[test]
    fn what_looks_like_a_comment_inside_a_string_is_code() {
        use Kind::*;
        assert_eq!(kinds("const A: &str = \"\n// no comment\n\n\";\n"), [Code, Code, Code, Code]);
    }

    #[test]
    fn comments_behind_code_are_seen() {
        let source = Source::parse("a.rs", "fn f() { g(\"//\"); }\nfn h() {} // why\n").unwrap();
        let remarks: Vec<_> = source.lines.all().iter().map(|line| line.has_remark).collect();
        assert_eq!(remarks, [false, true]);
    }

    #[test]
    fn test_code_is_left_out() {
        let text = "fn f() {}\n/// Doc.\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nimpl A {\n    #[cfg(test)]\n    fn h() {}\n}\n";
        let source = Source::parse("a.rs", text).unwrap();
        assert_eq!(source.lines.code(), 3);
        assert!(source.lines.is_test(2) && source.lines.is_test(6) && !source.lines.is_test(7));
    }
}
