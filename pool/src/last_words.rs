//! [`LastWords`]: what a worker writes to its standard error, passed on, and the end of it kept.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::ChildStderr;
use std::sync::Arc;
use std::time::Instant;

use procession_core::os::poll::{Pollable, poll};

use crate::relay;

/// So much of it is kept, in bytes: a long backtrace and what was said before it.
const KEPT: usize = 32 << 10;
/// So much is read at once, and passed on at most so often at a time.
const PIECE: usize = 4096;
const PIECES: usize = 16;

/// The last line that tells something of a death. What the standard library says of backtraces does not.
pub(crate) fn last_line(text: &str) -> Option<&str> {
    let is_of_backtrace = |line: &str| line.starts_with(' ') || line.starts_with("stack backtrace:");
    let says_something = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ") && !is_of_backtrace(line);
    text.lines().rfind(says_something).or_else(|| text.lines().next_back())
}

/// Whether the last words are those of a program whose allocation has failed.
pub(crate) fn tells_of_no_memory(text: &str) -> bool {
    last_line(text).is_some_and(|line| line.starts_with("memory allocation of ") && line.contains(" bytes failed"))
}

/// One worker's standard error.
#[derive(Debug)]
pub(crate) struct LastWords {
    stream: Option<ChildStderr>,
    kept: VecDeque<u8>,
}

impl LastWords {
    pub(crate) fn new(stream: Option<ChildStderr>) -> LastWords {
        LastWords { stream, kept: VecDeque::new() }
    }

    /// Ready when there is something to read.
    pub(crate) fn pollable(&self) -> Option<Pollable<'_>> {
        self.stream.as_ref().map(|stream| Pollable::readable(stream.as_fd()))
    }

    /// Passes on what was written, without waiting for more, nor for whoever reads it. Answers whether there may ever be more.
    pub(crate) fn pass_on(&mut self) -> bool {
        for _ in 0..PIECES {
            let Some(stream) = &mut self.stream else { return false };
            let is_ready = poll(&[Pollable::readable(stream.as_fd())], Some(Instant::now()));
            if !is_ready.is_ok_and(|ready| ready == [true]) {
                return true;
            }
            let mut piece = [0; PIECE];
            match stream.read(&mut piece) {
                Ok(count) if count > 0 => self.keep(&piece[..count]),
                _ => {
                    self.stream = None;
                    return false;
                }
            }
        }
        true
    }

    /// The end of what was written, from the beginning of a line on where there is one.
    pub(crate) fn text(&self) -> Arc<str> {
        let (front, back) = self.kept.as_slices();
        let text = [front, back].concat();
        String::from_utf8_lossy(&text).into()
    }

    /// Whether the program said at last that an allocation had failed.
    pub(crate) fn tell_of_no_memory(&self) -> bool {
        tells_of_no_memory(&self.text())
    }

    fn keep(&mut self, piece: &[u8]) {
        relay::pass_on(piece);
        self.kept.extend(piece);
        let surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_backtraces_is_no_last_word() {
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        let text = format!("opened\nmemory allocation of 2097152000 bytes failed\n{note}\n\n");
        assert_eq!(last_line(&text), Some("memory allocation of 2097152000 bytes failed"));
        assert!(tells_of_no_memory(&text) && !tells_of_no_memory("opened\n"));
        let backtrace =
            "stack backtrace:\n   0: std::alloc::rust_oom\n             at /rustc/library/std/src/alloc.rs:1:2";
        assert!(tells_of_no_memory(&format!("memory allocation of 5 bytes failed\n{backtrace}\n{note}\n")));
        assert_eq!((last_line(note), last_line("")), (Some(note), None));
    }
}
