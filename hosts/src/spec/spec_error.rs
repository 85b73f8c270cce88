//! [`SpecError`]: a list of hosts that cannot be read.

/// The error of a text that should name hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read `{text}` as {expected}: {why}")]
pub(crate) struct SpecError {
    text: String,
    expected: &'static str,
    why: String,
}

/// Characters of a text that an error shows.
const SHOWN_CHARS: usize = 80;

impl SpecError {
    pub(crate) fn new(text: &str, expected: &'static str, why: impl Into<String>) -> SpecError {
        let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        SpecError { text: shown, expected, why: why.into() }
    }
}
