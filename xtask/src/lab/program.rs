//! [`Program`]: a program that runs in a host, as the tests see it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::host::Host;
use super::proc::Process;
use super::tool;
use crate::failure::Failure;

/// How long a program may take for anything. A guard against hanging.
pub(super) const GUARD: Duration = Duration::from_secs(60);

/// A program in a host. It is killed when it is dropped.
pub(super) struct Program {
    /// As one would type it.
    line: String,
    child: Child,
    input: Option<ChildStdin>,
    /// What it prints on standard output and standard error.
    lines: Receiver<String>,
    /// All lines that were read.
    seen: Vec<String>,
}

impl Program {
    pub(super) fn start<A: AsRef<OsStr>>(host: &Host, words: impl IntoIterator<Item = A>) -> Result<Self, Failure> {
        let mut command = host.command(words)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = format!("in {}: {}", host.name, tool::line(&command));
        let mut child = command.spawn().map_err(|error| Failure::new(format!("{line}: {error}")))?;
        let (sender, lines) = mpsc::channel();
        relay(child.stdout.take(), sender.clone());
        relay(child.stderr.take(), sender);
        Ok(Self { line, input: child.stdin.take(), child, lines, seen: Vec::new() })
    }

    /// Writes a line to its standard input.
    pub(super) fn send(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.input.as_mut().map_or(Ok(()), |input| writeln!(input, "{line}").and_then(|()| input.flush()));
        sent.map_err(|error| self.failure(&format!("does not read: {error}")))
    }

    /// Waits for a line that contains `text`, and returns it.
    pub(super) fn expect(&mut self, text: &str) -> Result<String, Failure> {
        let end = Instant::now() + GUARD;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(self.failure(&format!("did not print `{text}` in time"))),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure(&format!("ended without `{text}`"))),
            }
        }
    }

    /// Closes its standard input and waits for its end.
    pub(super) fn wait(&mut self) -> Result<ExitStatus, Failure> {
        self.input = None;
        let end = Instant::now() + GUARD;
        let status = tool::wait_for(&format!("the end of `{}`", self.line), GUARD, || {
            self.seen.extend(self.lines.try_iter());
            self.child.try_wait().transpose()
        });
        let status = status.map_err(|failure| self.failure(&failure.to_string()))?;
        // The threads that relay end with the last process that has the pipe.
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        status.map_err(|error| self.failure(&error.to_string()))
    }

    /// Waits for its end, which shall be a success, and returns all lines that it has printed.
    pub(super) fn succeed(mut self) -> Result<Vec<String>, Failure> {
        let status = self.wait()?;
        if status.success() {
            Ok(std::mem::take(&mut self.seen))
        } else {
            Err(self.failure(&format!("ended with {status}")))
        }
    }

    /// The process of the program itself.
    pub(super) fn process(&self) -> Result<Process, Failure> {
        // nsenter, the child, waits for it.
        let children = Process::of(self.child.id()).into_iter().flat_map(Process::children);
        children.into_iter().next().ok_or_else(|| self.failure("has ended already"))
    }

    /// A failure with the name of the program and the last lines that it has printed.
    pub(super) fn failure(&self, text: &str) -> Failure {
        let lines = &self.seen[self.seen.len().saturating_sub(20)..];
        Failure::new(format!("`{}` {text}; its last lines:\n    {}", self.line, lines.join("\n    ")))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(process) = self.process() {
            // A test that fails has reported it already; this only tidies up.
            let _ = process.signal("KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line on, until no process has the pipe any more.
fn relay(output: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let Some(output) = output else { return };
    thread::spawn(move || {
        let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).try_for_each(|line| sender.send(line))
    });
}
