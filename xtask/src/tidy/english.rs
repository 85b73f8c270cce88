//! The rule about plain English: words that leave open of whom or of how much a sentence speaks.

use super::problem::Problem;
use super::source::Source;
use super::text::{has_word, strings};
use super::tree::Tree;

/// Words and phrases, each with what to write in its place. Capitals do not matter.
const BANNED: &[(&str, &str)] = &[
    ("somebody", "the actor: the caller, the worker, another process"),
    ("whoever", "the actor: the caller, the worker, the process that"),
    ("nobody", "the actor: no process, no caller, no thread"),
    ("tells", "`reports`, `sends`, `says` or `returns`"),
    ("told", "`reported`, `sent`, `notified` or `given`"),
    ("so many", "a name for the number: `n`, `at most n`"),
    ("so much", "a name for the amount"),
    ("so long", "a name for the time: `timeout`"),
    ("at the longest", "`at most`"),
];

/// Phrases that are banned in strings, which are texts of errors most of the time.
const IN_STRINGS: &[(&str, &str)] = &[("is none", "what was expected, and what came"), ("is told", "the remedy")];

/// The files that list the words themselves.
const TABLES: [&str; 2] = ["xtask/src/tidy/english.rs", "xtask/src/tidy/vocabulary.rs"];

/// Verbs that begin a documentation comment in place of the field's own.
const OPENINGS: &[(&str, &str)] = &[("Answers", "`Returns`"), ("Tells", "`Returns`, `Sends` or `Reports`")];

pub(super) fn english(tree: &Tree) -> Vec<Problem> {
    let sources = tree.sources.iter().filter(|source| source.is_shipped() && !TABLES.contains(&source.path.as_str()));
    let sources = sources.flat_map(in_source);
    // What was written about older versions stays.
    let documents = tree.documents.iter().filter(|document| document.path != "CHANGELOG.md");
    sources.chain(documents.flat_map(|document| in_text(&document.path, document.prose(), BANNED))).collect()
}

/// The comments and strings of a file; test code may be as it likes.
fn in_source(source: &Source) -> Vec<Problem> {
    let lines = source.text.lines().zip(source.lines.all()).zip(1..);
    let comments = lines.filter(|((_, line), _)| !line.is_test && line.is_comment());
    let comments: Vec<_> = comments.map(|((text, _), number)| (number, text.to_owned())).collect();
    let openings =
        comments.iter().filter_map(|(number, text)| opening(text).map(|fault| source.problem(*number, fault)));
    let mut problems: Vec<_> = openings.collect();
    let strings = strings(source).into_iter().filter(|(number, _)| !source.lines.is_test(*number));
    let strings: Vec<_> = strings.collect();
    problems.extend(in_text(&source.path, comments, BANNED));
    problems.extend(in_text(&source.path, strings.clone(), BANNED));
    problems.extend(in_text(&source.path, strings, IN_STRINGS));
    problems
}

/// The faults in lines of text, by a table of banned words.
fn in_text(
    path: &str,
    lines: impl IntoIterator<Item = (usize, String)>,
    banned: &'static [(&str, &str)],
) -> Vec<Problem> {
    let lines = lines.into_iter().map(|(number, text)| (number, without_code(&text).to_lowercase()));
    let faults = lines.flat_map(|(number, text)| {
        let words = banned.iter().filter(move |(word, _)| has_word(&text, word));
        words.map(move |(word, instead)| Problem::new(path, number, format!("in place of \"{word}\" write {instead}")))
    });
    faults.collect()
}

/// The text without what it quotes as code.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

fn opening(comment: &str) -> Option<String> {
    let text = comment.trim_start().strip_prefix("/// ")?;
    let (word, instead) = OPENINGS.iter().find(|(word, _)| text.starts_with(&format!("{word} ")))?;
    Some(format!("in place of \"{word}\" write {instead}"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<usize> {
        english(&sample([(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn comments_documentation_and_strings_are_read() {
        assert_eq!(broken("core/src/a.rs", "/// Answers the length.\nfn f() {}\n"), [1]);
        assert_eq!(broken("core/src/a.rs", "fn f() {\n    // Nobody waits.\n    g(\"is none\");\n}\n"), [2, 3]);
        assert_eq!(broken("core/src/a.rs", "//! Waits so long.\n//! It is told.\n"), [1, 2]);
    }

    #[test]
    fn documents_are_read_but_for_their_code_and_the_history() {
        assert_eq!(broken("README.md", "Whoever comes.\n\n```\nwhoever\n```\n"), [1]);
        assert_eq!(broken("CHANGELOG.md", "Whoever comes.\n"), []);
    }

    #[test]
    fn identifiers_and_tests_are_let_through() {
        assert_eq!(broken("core/src/a.rs", "fn told() { nobody() }\n"), []);
        assert_eq!(broken("core/src/a.rs", "#[cfg(test)]\nmod tests {\n    // Nobody.\n}\n"), []);
        assert_eq!(broken("core/tests/it/a.rs", "// Nobody.\n"), []);
    }
}
