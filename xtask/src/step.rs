//! One command that xtask runs: where it runs, how it is announced, what its failure says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, io, thread};

use crate::disk;
use crate::failure::Failure;

/// The folder of the root manifest, wherever the command was typed.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that started us, at the root of the workspace.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("$ {}", line(command));
    let status = command.status().map_err(|error| not_started(command, &error))?;
    succeeded(command, status)
}

/// Like [`run`], but kills the command when it has not ended after `limit`. Its output is relayed line by line.
///
/// The guard watches for the end of the output, so a descendant that outlives the command and still
/// holds its standard output counts as a hang too.
pub(crate) fn run_guarded(command: &mut Command, limit: Duration) -> Result<(), Failure> {
    eprintln!("$ {}", line(command));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error))?;
    let Some(mut output) = child.stdout.take() else {
        return Err(Failure::new(format!("`{}` has no standard output to relay", line(command))));
    };
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(io::copy(&mut output, &mut io::stdout())));
    match end.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => {
            // It may have ended by now, and then there is nothing to kill; the failure is the same.
            let _ = child.kill();
            let _ = child.wait();
            Err(hung(command, limit))
        }
        Ok(Err(error)) => Err(Failure::new(format!("cannot relay what `{}` prints: {error}", line(command)))),
        Ok(Ok(_)) | Err(RecvTimeoutError::Disconnected) => {
            let status = child.wait().map_err(|error| not_started(command, &error))?;
            succeeded(command, status)
        }
    }
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let hint = target_of(command).and_then(|target| disk::hint(&target)).map(|hint| format!("; {hint}"));
    Err(Failure::new(format!("`{}` failed with {status}{}", line(command), hint.unwrap_or_default())))
}

/// Where a command writes what it builds, if it is cargo.
fn target_of(command: &Command) -> Option<PathBuf> {
    let is_cargo = Path::new(command.get_program()).file_name()? == "cargo";
    let mut set = command.get_envs().filter(|(name, _)| *name == "CARGO_TARGET_DIR");
    let own = set.next().and_then(|(_, value)| Some(root().join(value?)));
    is_cargo.then(|| own.unwrap_or_else(target))
}

fn hung(command: &Command, limit: Duration) -> Failure {
    Failure::new(format!(
        "`{}`, or a process that it left behind, was still running after {} s",
        line(command),
        limit.as_secs()
    ))
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    Failure::new(format!("cannot run `{}`: {error}", line(command)))
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = [program].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn success_and_failure_are_told_apart() {
        assert!(run(&mut shell("exit 0")).is_ok());
        let failure = run(&mut shell("exit 3")).unwrap_err().to_string();
        assert_eq!(failure, "`sh -c exit 3` failed with exit status: 3");
    }

    #[test]
    fn cargo_writes_to_its_target() {
        let mut command = cargo(["build"]);
        assert!(target_of(&command).is_some());
        command.env("CARGO_TARGET_DIR", "target/model");
        assert_eq!(target_of(&command), Some(root().join("target/model")));
        assert_eq!(target_of(&shell("exit 3")), None);
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = run(&mut Command::new("/nonexistent/program")).unwrap_err().to_string();
        assert!(failure.starts_with("cannot run `program`: "), "{failure}");
    }

    #[test]
    fn the_guard_lets_a_command_end() {
        assert!(run_guarded(&mut shell("exit 0"), Duration::from_secs(60)).is_ok());
        assert!(run_guarded(&mut shell("kill -9 $$"), Duration::from_secs(60)).is_err());
    }

    #[test]
    fn the_guard_kills_what_hangs() {
        let failure = run_guarded(&mut shell("exec tail -f /dev/null"), Duration::ZERO).unwrap_err().to_string();
        assert!(failure.contains("still running after 0 s"), "{failure}");
    }
}
