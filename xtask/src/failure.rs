//! Why a command failed, in words for the person who ran it.

use std::fmt;
use std::process::ExitCode;

/// One sentence that says what went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// Whether it was called wrongly, so that nothing was done.
    is_usage: bool,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_usage: false }
    }

    /// For a command line that cannot be understood.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_usage: true }
    }

    /// Shows who called a command wrongly to its help.
    pub(crate) fn of(mut self, command: &str) -> Self {
        if self.is_usage {
            self.text += &format!("; see `cargo xtask {command} --help`");
        }
        self
    }

    /// 1 when something did not pass, 2 when nothing was tried.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error.to_string())
    }
}
