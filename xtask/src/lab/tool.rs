//! Programs of the system that the lab calls: `ip`, `nft`, `nsenter` and their like.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::failure::Failure;

/// The pause between two looks at something that no descriptor announces.
const PAUSE: Duration = Duration::from_millis(5);

/// Runs a command to its end and returns what it printed.
///
/// A failure names the command, with what it said on standard error.
pub(super) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        Failure::new(format!("cannot run `{program}`: {error}"))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`{}` failed with {}: {}", line(command), output.status, error.trim())))
}

/// Runs a program with words as its arguments.
pub(super) fn run<A: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = A>) -> Result<String, Failure> {
    output(Command::new(program).args(words))
}

/// The command as one would type it.
pub(super) fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Finds a program in `PATH`, or where Debian keeps those of the administrator.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Waits until `look` finds something; fails with a sentence about `what` after `limit`.
pub(super) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > limit {
            return Err(Failure::new(format!("{what}: not after {} s", limit.as_secs())));
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_the_program_said() {
        assert_eq!(run("echo", ["hello"]).unwrap(), "hello\n");
        let failure = run("sh", ["-c", "echo no room >&2; exit 3"]).unwrap_err().to_string();
        assert!(failure.ends_with("failed with exit status: 3: no room"), "{failure}");
        assert!(run("/nonexistent/program", [""; 0]).unwrap_err().to_string().starts_with("cannot run"));
    }

    #[test]
    fn programs_are_found() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program").is_none());
    }

    #[test]
    fn what_does_not_come_is_named() {
        let failure = wait_for("the moon is full", Duration::ZERO, || None::<()>).unwrap_err();
        assert_eq!(failure.to_string(), "the moon is full: not after 0 s");
        assert_eq!(wait_for("", Duration::ZERO, || Some(7)).unwrap(), 7);
    }
}
