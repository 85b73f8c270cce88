//! Why a command failed, in words for the person who ran it.

use std::fmt;
use std::process::ExitCode;

/// One sentence that says what went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something did not pass.
    Failed,
    /// It was called wrongly, so that nothing was done.
    Usage,
    /// This machine lacks what it takes, so that nothing is known.
    Skipped,
    /// A program that was run for the caller ended with this status.
    Status(u8),
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Kind::Failed }
    }

    /// For a command line that cannot be understood.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Kind::Usage }
    }

    /// For a check that this machine cannot make, with the reason.
    pub(crate) fn skipped(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Kind::Skipped }
    }

    /// For a program of the caller that ended with a status of its own.
    pub(crate) fn status(text: impl Into<String>, status: u8) -> Self {
        Self { text: text.into(), kind: Kind::Status(status) }
    }

    /// Shows who called a command wrongly to its help.
    pub(crate) fn of(mut self, command: &str) -> Self {
        if self.kind == Kind::Usage {
            self.text += &format!("; see `cargo xtask {command} --help`");
        }
        self
    }

    pub(crate) fn is_skip(&self) -> bool {
        self.kind == Kind::Skipped
    }

    /// The word before the text.
    pub(crate) fn label(&self) -> &'static str {
        if self.is_skip() { "skipped" } else { "error" }
    }

    /// 1 when something did not pass, 2 when nothing was tried, 77 (as for automake's tests) when it could not be tried here.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Skipped => 77,
            Kind::Status(status) => status,
        })
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
