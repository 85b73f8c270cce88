//! Rules about words that have no place in the tree: stubs, ignored tests, silenced lints.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::problem::Problem;
use super::source::Source;
use super::tokens::{is_word, scan};
use super::tree::Tree;

pub(super) fn unfinished(tree: &Tree) -> Vec<Problem> {
    tree.sources
        .iter()
        .flat_map(|source| {
            let mut problems = source.scan(|rest| stub(rest).or_else(|| ignored_test(rest)));
            problems.extend(ignored_examples(source));
            problems
        })
        .collect()
}

pub(super) fn allow(tree: &Tree) -> Vec<Problem> {
    let text = "write `#[expect(LINT, reason = \"…\")]`: it says why, and it complains when it is no longer needed";
    let silenced = |rest: &[TokenTree]| attribute(rest).is_some_and(|inside| calls(inside, "allow"));
    tree.sources.iter().flat_map(|source| source.scan(|rest| silenced(rest).then(|| text.into()))).collect()
}

fn stub(rest: &[TokenTree]) -> Option<String> {
    let [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(_), ..] = rest else {
        return None;
    };
    let is_stub = (name == "todo" || name == "unimplemented") && mark.as_char() == '!';
    is_stub.then(|| format!("`{name}!` promises what is not there: write it, or leave out what needs it"))
}

fn ignored_test(rest: &[TokenTree]) -> Option<String> {
    let inside: Vec<_> = attribute(rest)?.into_iter().collect();
    let conditional = is_word(inside.first()?, "cfg_attr");
    let ignored = if conditional { has_word(&inside, "ignore") } else { is_word(&inside[0], "ignore") };
    ignored.then(|| "a test that never runs guards nothing: make it run, or delete it".into())
}

/// Code in documentation that is never compiled.
fn ignored_examples(source: &Source) -> Vec<Problem> {
    let lines = source.text.lines().zip(1..).filter(|(line, _)| {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        comment
            .and_then(|text| text.trim_start().strip_prefix("```"))
            .is_some_and(|words| words.split(',').any(|word| word.trim() == "ignore"))
    });
    let text = "an example that is never compiled goes stale: make it run, or mark it `no_run` or `text`";
    lines.map(|(_, line)| source.problem(line, text)).collect()
}

/// What stands between the brackets, when the tokens begin with an attribute.
fn attribute(rest: &[TokenTree]) -> Option<TokenStream> {
    let [TokenTree::Punct(hash), rest @ ..] = rest else {
        return None;
    };
    let rest = match rest {
        [TokenTree::Punct(mark), rest @ ..] if mark.as_char() == '!' => rest,
        _ => rest,
    };
    let [TokenTree::Group(group), ..] = rest else {
        return None;
    };
    (hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket).then(|| group.stream())
}

/// Whether `word(…)` stands anywhere inside.
fn calls(tokens: TokenStream, word: &str) -> bool {
    let mut found = false;
    scan(tokens, &mut |rest| found |= is_word(&rest[0], word) && matches!(rest.get(1), Some(TokenTree::Group(_))));
    found
}

fn has_word(tokens: &[TokenTree], word: &str) -> bool {
    let mut found = false;
    scan(tokens.iter().cloned().collect(), &mut |rest| found |= is_word(&rest[0], word));
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(find: fn(&Tree) -> Vec<Problem>, text: &str) -> usize {
        find(&sample([("core/src/a.rs", text)])).len()
    }

    #[test]
    fn stubs_are_found() {
        assert_eq!(broken(unfinished, "fn f() { todo!() }"), 1);
        assert_eq!(broken(unfinished, "fn f() { std::unimplemented!(\"later\") }"), 1);
        assert_eq!(broken(unfinished, "macro_rules! m { () => { todo!() } }"), 1);
    }

    #[test]
    fn ignored_tests_and_examples_are_found() {
        assert_eq!(broken(unfinished, "#[test] #[ignore] fn f() {}"), 1);
        assert_eq!(broken(unfinished, "#[test] #[ignore = \"slow\"] fn f() {}"), 1);
        assert_eq!(broken(unfinished, "#[test] #[cfg_attr(unix, ignore)] fn f() {}"), 1);
        assert_eq!(broken(unfinished, "/// ```ignore\n/// f();\n/// ```\nfn f() {}"), 1);
        assert_eq!(broken(unfinished, "//! ```rust,ignore\n//! f();\n//! ```\n"), 1);
    }

    #[test]
    fn finished_code_passes() {
        assert_eq!(
            broken(unfinished, "/// ```no_run\n/// f();\n/// ```\nfn ignore(todo: u8) -> bool { !todo != 1 }"),
            0
        );
        assert_eq!(broken(unfinished, "const A: &str = \"todo!()\"; #[serde(ignore)] struct B;"), 0);
    }

    #[test]
    fn silenced_lints_are_found() {
        assert_eq!(broken(allow, "#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(broken(allow, "#![allow(dead_code)]"), 1);
        assert_eq!(broken(allow, "#[cfg_attr(test, allow(dead_code))] fn f() {}"), 1);
        assert_eq!(broken(allow, "#[expect(dead_code, reason = \"read by a debugger\")] fn f() { allow(1) }"), 0);
    }
}
