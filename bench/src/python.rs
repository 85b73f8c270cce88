//! CPython: `$PYTHON`, or else the `python3` of the machine, running the scripts in `bench/python`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::group::{Failure, Figure};

/// Runs a script, which prints its figure as the last line, in the form that we use too.
///
/// # Errors
///
/// When the script failed. A machine without CPython is no error: the figure says so.
pub fn run(script: &str, arguments: &[&str]) -> Result<Figure, Failure> {
    if version().is_none() {
        return Ok(Figure::Skipped("this machine has no python3".into()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let output = Command::new(interpreter()).arg(path).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{script} failed with {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(serde_json::from_str(text.lines().last().unwrap_or_default())?)
}

/// The version of CPython, when there is one.
pub fn version() -> Option<String> {
    let output = Command::new(interpreter()).arg("--version").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then(|| format!("C{text}"))
}

fn interpreter() -> OsString {
    env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}
