//! [`Mark`]: how a program finds out that it is an agent.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use procession_core::os::auxv;
use procession_core::start::{self, AGENT, JOIN};

/// The variable with the path of the key file of an agent that joins by itself.
pub(crate) const KEY_FILE: &str = "PROCESSION_KEY_FILE";

/// What the environment says of this process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Its invitation comes on its standard input.
    Invited,
    /// It connects to the address, with the key of a file.
    Joining { address: String, key_file: PathBuf },
}

impl Mark {
    /// Takes the mark out of the environment, so that no program that this one starts takes itself for an agent.
    ///
    /// # Errors
    ///
    /// The process has several threads already, or more rights than its starter, or the mark is not complete.
    pub(crate) fn take() -> io::Result<Option<Mark>> {
        let Some(mark) = Mark::read(|name| std::env::var_os(name))? else { return Ok(None) };
        if auxv::is_privileged() {
            return Err(io::Error::other("a program with more rights than its starter is no agent"));
        }
        for name in [AGENT, JOIN, KEY_FILE] {
            start::set_variable(&name.into(), None)?;
        }
        Ok(Some(mark))
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> io::Result<Option<Mark>> {
        let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
        let Some(address) = variable(JOIN) else { return Ok(variable(AGENT).map(|_| Mark::Invited)) };
        let address = address.into_string().map_err(|_| wrong("PROCESSION_JOIN is not UTF-8"))?;
        let key_file =
            variable(KEY_FILE).ok_or_else(|| wrong("PROCESSION_JOIN is set, and PROCESSION_KEY_FILE is not"))?;
        Ok(Some(Mark::Joining { address, key_file: key_file.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> io::Result<Option<Mark>> {
        Mark::read(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn a_mark_is_read_from_the_environment() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[(AGENT, "1")]).unwrap(), Some(Mark::Invited));
        let joining = Mark::Joining { address: "h:1".to_owned(), key_file: "/k".into() };
        assert_eq!(read(&[(JOIN, "h:1"), (KEY_FILE, "/k")]).unwrap(), Some(joining));
        assert!(read(&[(JOIN, "h:1")]).unwrap_err().to_string().contains("PROCESSION_KEY_FILE is not"));
    }
}
