//! The rule about causes: the text of an error either contains that of its source, or `source` returns it, never both.
//!
//! A printer of error chains would print the same words twice.

use super::problem::Problem;
use super::source::Source;
use super::tree::Tree;

pub(super) fn causes(tree: &Tree) -> Vec<Problem> {
    tree.sources.iter().flat_map(told_twice).collect()
}

/// Variants whose `#[error("…{0}…")]` names what is marked as their source.
fn told_twice(source: &Source) -> impl Iterator<Item = Problem> + '_ {
    let lines: Vec<&str> = source.text.lines().collect();
    let texts = (0..lines.len()).filter(|at| tells_a_field(lines[*at]));
    let twice: Vec<usize> = texts.filter(|at| has_a_source(&lines[at + 1..])).collect();
    twice.into_iter().map(|at| {
        let advice =
            "the text contains its source, and `source()` returns it: leave the mark away, or the text, or be `transparent`";
        source.problem(at + 1, advice)
    })
}

/// Whether the line is a text with the words of an unnamed field, or of one called `source`.
fn tells_a_field(line: &str) -> bool {
    line.trim_start().starts_with("#[error(")
        && ["{0}", "{1}", "{source}", "(.0)", "(source)"].iter().any(|field| line.contains(field))
}

/// Whether the variant below has a mark, or a field that is a source by its name.
fn has_a_source(below: &[&str]) -> bool {
    let own = below.iter().take_while(|line| !line.contains("#[error(") && !line.starts_with('}'));
    own.take(12)
        .any(|line| line.contains("#[source]") || line.contains("#[from]") || line.trim_start().starts_with("source:"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(text: &str) -> usize {
        causes(&sample([("core/src/a.rs", text)])).len()
    }

    #[test]
    fn a_cause_told_once_passes() {
        assert_eq!(broken("enum E {\n    #[error(transparent)]\n    Io(#[from] io::Error),\n}\n"), 0);
        assert_eq!(broken("enum E {\n    #[error(\"no file\")]\n    Io(#[source] io::Error),\n}\n"), 0);
        assert_eq!(
            broken(
                "enum E {\n    #[error(\"no file: {0}\")]\n    Io(io::Error),\n    #[error(\"x\")]\n    B(#[from] X),\n}\n"
            ),
            0
        );
    }

    #[test]
    fn a_cause_told_twice_is_found() {
        assert_eq!(broken("enum E {\n    #[error(\"no file: {0}\")]\n    Io(#[from] io::Error),\n}\n"), 1);
        assert_eq!(
            broken("enum E {\n    #[error(\"no: {source}\")]\n    Io {\n        source: io::Error,\n    },\n}\n"),
            1
        );
    }
}
