//! The rule about headers: a reader learns from the first line what lives in a file.

use super::problem::Problem;
use super::source::Source;
use super::tree::Tree;

pub(super) fn headers(tree: &Tree) -> Vec<Problem> {
    let bare = tree.sources.iter().filter(|source| !has_header(source));
    bare.map(|source| source.problem(1, "open the file with a //! line that says what lives there")).collect()
}

fn has_header(source: &Source) -> bool {
    let first = source.text.lines().next().and_then(|line| line.strip_prefix("//! "));
    first.is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(text: &str) -> usize {
        headers(&sample([("core/src/a.rs", text)])).len()
    }

    #[test]
    fn a_header_passes() {
        assert_eq!(broken("//! Waits for descriptors.\n\nuse std::io;\n"), 0);
    }

    #[test]
    fn a_missing_or_empty_header_is_found() {
        assert_eq!(broken(""), 1);
        assert_eq!(broken("use std::io;\n"), 1);
        assert_eq!(broken("//!\n//! Too late.\n"), 1);
        assert_eq!(broken("// Not a header.\n"), 1);
    }
}
