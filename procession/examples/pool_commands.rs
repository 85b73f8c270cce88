//! Commands of the shell, three at a time, with log lines that say who ran what, when and for how long.
//!
//! The pool of the tutorials that runs `ls`, `df -h` and `du -h`, or the commands that you name.
//!
//! ```text
//! cargo run --release --example pool_commands -- [COMMAND...]
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use procession::Pool;
use serde::{Deserialize, Serialize};

/// What a worker answers.
#[derive(Serialize, Deserialize)]
struct Outcome {
    command: String,
    pid: u32,
    /// Since the beginning of the program.
    began: Duration,
    took: Duration,
    /// In words, if it failed.
    failure: Option<String>,
    output: Vec<u8>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    procession::init();
    let mut commands: Vec<String> = std::env::args().skip(1).collect();
    if commands.is_empty() {
        commands = ["ls", "df -h", "du -h"].map(String::from).to_vec();
    }
    let beginning = SystemTime::now();
    let pool = Pool::new(3)?;
    let mut failures = 0;
    for outcome in pool.imap_unordered(run, commands.into_iter().map(|command| (command, beginning))) {
        // An error here is the worker's end, not the command's.
        let outcome = outcome?;
        outcome.print()?;
        failures += u32::from(outcome.failure.is_some());
    }
    println!("{failures} failed, {:.3} s", beginning.elapsed()?.as_secs_f64());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The task: runs in a worker.
fn run((command, beginning): (String, SystemTime)) -> Outcome {
    let began = beginning.elapsed().unwrap_or_default();
    let result = Command::new("sh").args(["-c", &command]).output();
    let took = beginning.elapsed().unwrap_or_default().saturating_sub(began);
    let (failure, output) = match result {
        Ok(output) if output.status.success() => (None, output.stdout),
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            (Some(format!("{}: {}", output.status, complaint.trim())), output.stdout)
        }
        Err(error) => (Some(error.to_string()), Vec::new()),
    };
    Outcome { command, pid: std::process::id(), began, took, failure, output }
}

impl Outcome {
    fn print(&self) -> io::Result<()> {
        let Outcome { command, pid, began, took, failure, output } = self;
        let (began, took) = (began.as_secs_f64(), took.as_secs_f64());
        let mut out = io::stdout().lock();
        write!(out, "[process {pid}] `{command}` began at {began:.3} s, took {took:.3} s, ")?;
        match failure {
            None => writeln!(out, "succeeded")?,
            Some(failure) => writeln!(out, "FAILED: {failure}")?,
        }
        out.write_all(output)
    }
}
