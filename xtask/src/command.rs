//! A command of `cargo xtask`: its name, what it takes, what its help says, and what it does.

use std::ffi::{OsStr, OsString};

use lexopt::Parser;

use crate::failure::Failure;

/// One command. Each lives in a module of its own.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The arguments, as in the first line of its help.
    pub(crate) takes: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// What its help says besides; nothing where the command answers `--help` itself.
    pub(crate) details: Option<&'static str>,
    pub(crate) run: fn(Parser) -> Result<(), Failure>,
}

impl Command {
    /// Runs it with the words that follow its name, or prints its help when they ask for it.
    pub(crate) fn start(&self, words: &[OsString]) -> Result<(), Failure> {
        match self.details {
            Some(details) if words.iter().any(|word| asks_for_help(word)) => {
                print!("{}", self.help(details));
                Ok(())
            }
            _ => (self.run)(Parser::from_args(words)).map_err(|failure| failure.of(self.name)),
        }
    }

    /// Its row in the list of all commands.
    pub(crate) fn row(&self) -> String {
        format!("  {:<12}{}\n", self.name, self.about)
    }

    fn help(&self, details: &str) -> String {
        let Command { name, takes, about, .. } = self;
        let call = format!("cargo xtask {name} {takes}");
        format!("usage: {}\n\nIt {about}.\n\n{details}", call.trim_end())
    }
}

pub(crate) fn asks_for_help(word: &OsStr) -> bool {
    word == "--help" || word == "-h"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(_: Parser) -> Result<(), Failure> {
        Err(Failure::usage("unknown"))
    }

    #[test]
    fn help_is_printed_instead() {
        let told = Command { name: "sort", takes: "[--up]", about: "sorts", details: Some("More.\n"), run: fails };
        assert!(told.start(&["a".into(), "-h".into()]).is_ok());
        assert_eq!(told.help("More.\n"), "usage: cargo xtask sort [--up]\n\nIt sorts.\n\nMore.\n");
        let untold = Command { details: None, ..told };
        assert!(untold.start(&["--help".into()]).is_err());
    }

    #[test]
    fn who_calls_it_wrongly_is_shown_to_its_help() {
        let command = Command { name: "sort", takes: "", about: "", details: None, run: fails };
        let failure = command.start(&[]).unwrap_err();
        assert_eq!(failure.to_string(), "unknown; see `cargo xtask sort --help`");
    }
}
