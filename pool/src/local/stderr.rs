//! [`StderrTail`]: reads a worker's standard error, and keeps the end of it.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::ChildStderr;
use std::sync::Arc;
use std::time::Instant;

use procession_core::os::poll::{Pollable, poll};

use crate::model::failure_info::last_line;
use crate::model::tuning::{MAX_STDERR_READS, MAX_STDERR_TAIL_BYTES, STDERR_READ_BYTES};

/// One worker's standard error.
#[derive(Debug)]
pub(crate) struct StderrTail {
    stream: Option<ChildStderr>,
    kept: VecDeque<u8>,
}

impl StderrTail {
    pub(crate) fn new(stream: Option<ChildStderr>) -> StderrTail {
        StderrTail { stream, kept: VecDeque::new() }
    }

    /// Returns what is ready when there is something to read.
    pub(crate) fn pollable(&self) -> Option<Pollable<'_>> {
        self.stream.as_ref().map(|stream| Pollable::readable(stream.as_fd()))
    }

    /// Passes what was written to `forward`, which must not wait. Does not wait for more.
    pub(crate) fn read(&mut self, mut forward: impl FnMut(&[u8])) {
        for _ in 0..MAX_STDERR_READS {
            let Some(stream) = &mut self.stream else { return };
            // Before each read, because the stream is a blocking one.
            let is_ready = poll(&[Pollable::readable(stream.as_fd())], Some(Instant::now()));
            if !is_ready.is_ok_and(|ready| ready == [true]) {
                return;
            }
            let mut piece = [0; STDERR_READ_BYTES];
            match stream.read(&mut piece) {
                Ok(count) if count > 0 => {
                    forward(&piece[..count]);
                    self.keep(&piece[..count]);
                }
                _ => self.stream = None,
            }
        }
    }

    /// Returns the end of what was written.
    pub(crate) fn text(&self) -> Arc<str> {
        let (front, back) = self.kept.as_slices();
        let text = [front, back].concat();
        String::from_utf8_lossy(&text).into()
    }

    /// Returns whether the last message is that an allocation has failed.
    pub(crate) fn reports_alloc_failure(&self) -> bool {
        is_alloc_failure(&self.text())
    }

    /// Keeps a piece as the end of the text. Beyond [`MAX_STDERR_TAIL_BYTES`] the oldest bytes go.
    fn keep(&mut self, piece: &[u8]) {
        self.kept.extend(piece);
        let excess = self.kept.len().saturating_sub(MAX_STDERR_TAIL_BYTES);
        self.kept.drain(..excess);
    }
}

/// Returns whether the last message is that of Rust's handler for an allocation that has failed.
fn is_alloc_failure(text: &str) -> bool {
    last_line(text).is_some_and(|line| line.starts_with("memory allocation of ") && line.contains(" bytes failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_on_backtraces_are_not_the_last_message() {
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        let text = format!("opened\nmemory allocation of 2097152000 bytes failed\n{note}\n\n");
        assert_eq!(last_line(&text), Some("memory allocation of 2097152000 bytes failed"));
        assert!(is_alloc_failure(&text) && !is_alloc_failure("opened\n"));
        let backtrace =
            "stack backtrace:\n   0: std::alloc::rust_oom\n             at /rustc/library/std/src/alloc.rs:1:2";
        assert!(is_alloc_failure(&format!("memory allocation of 5 bytes failed\n{backtrace}\n{note}\n")));
        assert_eq!((last_line(note), last_line("")), (Some(note), None));
    }
}
