//! What rules ask of words: whether a text has them, and where a file keeps texts.

use proc_macro2::{TokenStream, TokenTree};

use super::source::Source;
use super::tokens::line;

/// Whether a word or phrase stands in a text, and not as a part of longer words.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(|next| next.is_alphanumeric() || next == '_')
    })
}

/// The string literals of a file with their lines.
pub(super) fn strings(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    collect(source.tokens.clone(), source, &mut found);
    found
}

fn collect(tokens: TokenStream, source: &Source, found: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect(group.stream(), source, found),
            TokenTree::Literal(literal) => {
                let (at, text) = (line(literal.span()), literal.to_string());
                // A documentation comment is a string to the compiler.
                let is_comment = source.lines.get(at).is_some_and(|line| line.is_comment());
                if text.contains('"') && !is_comment {
                    found.push((at, text));
                }
            }
            _ => {}
        }
    }
}

/// The parts of a name, in small letters: both `next_line` and `NextLine` have `next` and `line`.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() && was_small {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| letter != '_') {
            part.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase() || letter.is_numeric();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        assert!(has_word("it is told, and", "told") && has_word("so many", "so many"));
        assert!(!has_word("untold", "told") && !has_word("told_all", "told"));
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(parts("next_line"), ["next", "line"]);
        assert_eq!(parts("NextLine2"), ["next", "line2"]);
        assert_eq!(parts("NEXT_LINE"), ["next", "line"]);
    }

    #[test]
    fn strings_are_found_and_documentation_is_none() {
        let source =
            Source::parse("a.rs", "/// Doc.\n#[error(\"a {0}\")]\nstruct A;\nconst C: char = '\"';\n").unwrap();
        let strings = strings(&source);
        assert_eq!(strings[0], (2, "\"a {0}\"".to_owned()));
    }
}
