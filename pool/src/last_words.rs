//! [`LastWords`]: what a worker writes to its standard error, passed on, and the end of it kept.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::ChildStderr;
use std::sync::Arc;
use std::time::Instant;

use procession_core::os::poll::{Pollable, poll};

use crate::relay;

/// So much of it is kept, in bytes.
const KEPT: usize = 4096;
/// So much is read at once, and passed on at most so often at a time.
const PIECE: usize = 4096;
const PIECES: usize = 16;

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

    fn keep(&mut self, piece: &[u8]) {
        relay::pass_on(piece);
        self.kept.extend(piece);
        let surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..surplus);
    }
}
