//! Writes workers' standard error to this process's own, on a thread that does nothing else.
//!
//! This process's standard error may be a pipe without a reader, where a write waits for ever. The pool must not wait, so it leaves
//! the bytes here. Those for which there is no space are dropped and counted.

use std::io::{self, Write};
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex;

use crate::model::tuning::{MAX_BUFFERED_STDERR, THREAD_IDLE_TIMEOUT};

/// The bytes that wait.
struct Buffer {
    /// The process of the thread and the bytes. A copy of that process (`fork`) has no such thread.
    owner: Option<ProcessIdentity>,
    bytes: Vec<u8>,
    /// The number of bytes that came after those and were dropped.
    dropped: u64,
    has_thread: bool,
    /// Whether the thread writes what it has taken.
    is_writing: bool,
}

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer::new(None));
static CHANGED: Condvar = Condvar::new();

/// Has bytes written soon. Never waits.
pub(super) fn forward(piece: &[u8]) {
    let mut buffer = lock();
    buffer.push(piece);
    if buffer.has_thread {
        CHANGED.notify_all();
    } else {
        // If there can be no thread, the next piece tries again.
        buffer.has_thread = thread::Builder::new().name("procession-stderr".to_owned()).spawn(run).is_ok();
    }
}

/// Waits until everything was written, up to `timeout`.
pub(crate) fn flush(timeout: Duration) {
    let is_written = |buffer: &mut Buffer| !buffer.has_thread || !buffer.is_writing && buffer.is_empty();
    drop(mutex::wait_until(&CHANGED, lock(), Some(Instant::now() + timeout), is_written));
}

/// Writes what waits, until nothing has come for [`THREAD_IDLE_TIMEOUT`]: the main function of the thread.
fn run() {
    while let Some((bytes, dropped)) = next() {
        // The buffer's lock is not held here: this write may wait for ever, and `forward` must not.
        let mut out = io::stderr().lock();
        // There is no one to report a failed write to standard error to.
        let _lost = out.write_all(&bytes);
        if dropped > 0 {
            let _lost = writeln!(out, "\n[procession: {dropped} bytes of workers' standard error were dropped here]");
        }
    }
}

/// Waits for bytes to write. `None` after some time without any.
fn next() -> Option<(Vec<u8>, u64)> {
    let mut buffer = lock();
    buffer.is_writing = false;
    CHANGED.notify_all();
    let deadline = Some(Instant::now() + THREAD_IDLE_TIMEOUT);
    let (mut buffer, has_bytes) = mutex::wait_until(&CHANGED, buffer, deadline, |buffer| !buffer.is_empty());
    if !has_bytes {
        // Under the lock, so that the next piece either finds this thread waiting or starts another one.
        buffer.has_thread = false;
        return None;
    }
    buffer.is_writing = true;
    Some((mem::take(&mut buffer.bytes), mem::take(&mut buffer.dropped)))
}

/// Returns the buffer of this process. A copy of a process begins with an empty one and without a thread.
fn lock() -> MutexGuard<'static, Buffer> {
    let mut buffer = mutex::lock(&BUFFER);
    let me = Some(ProcessIdentity::current());
    if buffer.owner != me {
        *buffer = Buffer::new(me);
    }
    buffer
}

impl Buffer {
    const fn new(owner: Option<ProcessIdentity>) -> Buffer {
        Buffer { owner, bytes: Vec::new(), dropped: 0, has_thread: false, is_writing: false }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.dropped == 0
    }

    /// Adds bytes. Once some were dropped, all are until that was written, so that the note stands where they are missing.
    fn push(&mut self, piece: &[u8]) {
        if self.dropped > 0 || self.bytes.len() + piece.len() > MAX_BUFFERED_STDERR {
            self.dropped += piece.len() as u64;
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_without_space_are_counted_and_so_are_those_behind_them() {
        let mut buffer = Buffer::new(None);
        buffer.push(&vec![1; MAX_BUFFERED_STDERR - 10]);
        buffer.push(&[2; 10]);
        buffer.push(&[3; 11]);
        assert_eq!((buffer.bytes.len(), buffer.dropped), (MAX_BUFFERED_STDERR, 11));
        buffer.bytes.clear();
        buffer.push(&[4; 5]);
        assert_eq!((buffer.bytes.len(), buffer.dropped, buffer.is_empty()), (0, 16, false));
    }
}
