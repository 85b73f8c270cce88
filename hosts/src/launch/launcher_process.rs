//! [`LauncherProcess`]: a running launcher, its streams, and its end.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use procession_core::os::mutex;
use procession_core::os::pidfd::PidFd;
use procession_core::os::poll::{Pollable, poll};
use procession_core::os::signal::SIGTERM;

use crate::launch::stderr_tail::StderrTail;
use crate::link::cancel::Cancel;
use crate::link::line;
use crate::tuning::{LAST_WORDS_TIMEOUT, LAUNCHER_EXIT_TIMEOUT};

/// Bytes of a line from a host, at most. A larger number lets a greeting fill memory; a smaller one refuses long ones.
const MAX_LINE_BYTES: usize = 64 << 10;

/// A running launcher. Dropped, it gets a moment to end by itself, and is killed then.
#[derive(Debug)]
pub(crate) struct LauncherProcess {
    program: String,
    /// `None` only while it is dropped.
    child: Option<Child>,
    /// Sockets and no pipes, so that no write to a launcher that hangs lasts longer than its deadline.
    stdin: UnixStream,
    stdout: UnixStream,
    stderr: StderrTail,
    cancel: Cancel,
}

impl LauncherProcess {
    /// Starts a command line.
    ///
    /// # Errors
    ///
    /// The program is missing or cannot be started, as a text.
    pub(crate) fn start(words: &[String], cancel: &Cancel) -> Result<LauncherProcess, String> {
        let (program, arguments) = words.split_first().ok_or("the command line of the launcher is empty")?;
        LauncherProcess::start_with(program, arguments, cancel.clone()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("cannot start `{program}`: it is not in PATH; install it"),
            _ => format!("cannot start `{program}`: {error}"),
        })
    }

    fn start_with(program: &str, arguments: &[String], cancel: Cancel) -> io::Result<LauncherProcess> {
        let (stdin, its_stdin) = UnixStream::pair()?;
        let (stdout, its_stdout) = UnixStream::pair()?;
        stdin.set_nonblocking(true)?;
        stdout.set_nonblocking(true)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(OwnedFd::from(its_stdin))
            .stdout(OwnedFd::from(its_stdout))
            .stderr(Stdio::piped());
        // In a group of its own: Ctrl-C interrupts the program, which decides what that means for its pool.
        let mut child = command.process_group(0).spawn()?;
        // It holds duplicates of the other ends, and would keep the streams from ending.
        drop(command);
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("it has no standard error"));
        let stderr = stderr.and_then(StderrTail::start).inspect_err(|_| {
            let _gone = child.kill().and_then(|()| child.wait());
        })?;
        Ok(LauncherProcess { program: program.to_owned(), child: Some(child), stdin, stdout, stderr, cancel })
    }

    /// Reads a line from the host.
    ///
    /// # Errors
    ///
    /// The launcher has ended, or the deadline has passed; both as texts that say why.
    pub(crate) fn read_line(&mut self, deadline: Instant) -> Result<String, String> {
        match line::read(self.timed(&self.stdout, deadline), MAX_LINE_BYTES) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(self.exit_text()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Writes all of the bytes that `from` yields to the host.
    ///
    /// # Errors
    ///
    /// As [`read_line`](LauncherProcess::read_line).
    pub(crate) fn write(&mut self, mut from: impl Read, deadline: Instant) -> Result<(), String> {
        let written = io::copy(&mut from, &mut self.timed(&self.stdin, deadline));
        written.map(drop).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.exit_text(),
            _ => self.failure(&error),
        })
    }

    /// Ready when a line may have come, or the launcher has ended.
    pub(crate) fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.stdout.as_fd())
    }

    /// Returns duplicates of the host's output and input: the streams of a link.
    pub(crate) fn streams(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.stdout.try_clone()?.into(), self.stdin.try_clone()?.into()))
    }

    pub(crate) fn stderr(&self) -> &StderrTail {
        &self.stderr
    }

    fn timed<'launch>(&'launch self, socket: &'launch UnixStream, deadline: Instant) -> Timed<'launch> {
        Timed { socket, cancel: &self.cancel, deadline }
    }

    fn failure(&self, error: &io::Error) -> String {
        let what = match error.kind() {
            io::ErrorKind::TimedOut => {
                format!("`{}` has not started the agent in time", self.program)
            }
            _ => format!("cannot speak with `{}`: {error}", self.program),
        };
        what + &self.last_words(Duration::ZERO)
    }

    /// Says how the launcher has ended, in its own words where it has any.
    pub(crate) fn exit_text(&mut self) -> String {
        let words = self.last_words(LAST_WORDS_TIMEOUT);
        let status = self.child.as_mut().and_then(|child| ended_within(child, LAST_WORDS_TIMEOUT));
        match status {
            Some(status) => format!("`{}` has ended ({status}){words}", self.program),
            None => format!("`{}` has closed its output{words}", self.program),
        }
    }

    fn last_words(&self, timeout: Duration) -> String {
        let words = self.stderr.last_words(timeout);
        if words.is_empty() { String::new() } else { format!(", and wrote: {words}") }
    }
}

impl Drop for LauncherProcess {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        // The end of its streams, also where a link held duplicates, ends an agent that reads them.
        let _closed = (self.stdin.shutdown(Shutdown::Both), self.stdout.shutdown(Shutdown::Both));
        // Its owner is the pool's own thread, which must not wait.
        let builder = thread::Builder::new().name("procession-launcher".to_owned());
        // Shared, so that it is not lost where there can be no thread.
        let child = Arc::new(Mutex::new(child));
        let theirs = child.clone();
        if builder.spawn(move || end(&mut mutex::lock(&theirs))).is_err() {
            end(&mut mutex::lock(&child));
        }
    }
}

/// Waits for a launcher to end, and kills it in the end.
fn end(child: &mut Child) {
    if ended_within(child, LAUNCHER_EXIT_TIMEOUT).is_some() {
        return;
    }
    // Before SIGKILL, so that it can end what it has started on the host.
    let _gone = PidFd::open(child.id()).and_then(|pidfd| pidfd.signal(SIGTERM));
    if ended_within(child, LAUNCHER_EXIT_TIMEOUT).is_none() {
        let _gone = child.kill().and_then(|()| child.wait());
    }
}

/// Returns how a launcher has ended, for which it waits at most `timeout`.
fn ended_within(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    // The number is this child's own until `try_wait` has reaped it.
    let pidfd = PidFd::open(child.id()).ok()?;
    poll(&[Pollable::readable(pidfd.as_fd())], Instant::now().checked_add(timeout)).ok()?;
    child.try_wait().ok().flatten()
}

/// A socket whose reads and writes end at a deadline, and when the pool ends.
struct Timed<'launch> {
    socket: &'launch UnixStream,
    cancel: &'launch Cancel,
    deadline: Instant,
}

impl Timed<'_> {
    /// Tries a call until it does not have to wait.
    fn retried(
        &self,
        ready: Pollable<'_>,
        mut call: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match call(self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.cancel.poll(&[ready], Some(self.deadline))?;
                }
                other => return other,
            }
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.retried(Pollable::readable(self.socket.as_fd()), |mut socket| socket.read(space))
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ready = Pollable::readable(self.socket.as_fd()).writable_too(true);
        self.retried(ready, |mut socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
