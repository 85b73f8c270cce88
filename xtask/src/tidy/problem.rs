//! A line that breaks a rule, and what to do about it.

use std::fmt;

/// Printed as `file:line: text`, which editors turn into a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) path: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, text: text.into() }
    }

    /// Whether it is in a file below `folder`, or in the file that is called so.
    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.text)
    }
}
