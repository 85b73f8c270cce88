//! [`StderrTail`]: what a launcher and its agent write to their standard error. The end of it goes into errors.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that are kept for an error. A larger number makes errors long; a smaller one loses the cause above a long trace.
const KEPT_BYTES: usize = 2 << 10;
/// Bytes of a line, at most: a longer one is passed on in pieces. Larger lines fill memory; smaller ones are cut.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// Bytes of the stack of a reading thread. It calls little; a larger stack costs address space for each host.
const STACK_BYTES: usize = 128 << 10;

/// The end of a stream that a thread of its own reads.
#[derive(Clone, Debug)]
pub(crate) struct StderrTail(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<u8>,
    has_ended: bool,
    /// The host's name, before each line that is passed on to this program's standard error.
    forwarded_as: Option<String>,
}

impl StderrTail {
    /// Reads a stream to its end. Nothing in it is lost or waited for by its writers.
    pub(crate) fn start(stream: impl Read + Send + 'static) -> io::Result<StderrTail> {
        let tail = StderrTail(Arc::default());
        let reader = tail.clone();
        let builder = thread::Builder::new().name("procession-stderr".to_owned()).stack_size(STACK_BYTES);
        builder.spawn(move || reader.read_all(BufReader::new(stream)))?;
        Ok(tail)
    }

    /// Passes lines on to this program's standard error from now on: the agent has started, so they are of its tasks.
    pub(crate) fn forward_as(&self, host: &str) {
        self.state().forwarded_as = Some(host.to_owned());
    }

    /// Returns the end of the stream, for which it waits at most `timeout`.
    pub(crate) fn last_words(&self, timeout: Duration) -> String {
        let (_, ended) = &*self.0;
        let waited = ended.wait_timeout_while(self.state(), timeout, |state| !state.has_ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = state.kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    fn read_all(&self, mut stream: impl BufRead) {
        let mut line = Vec::new();
        loop {
            line.clear();
            // A stream that cannot be read has ended.
            let Ok(1..) = (&mut stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line) else { break };
            self.keep(&line);
        }
        self.state().has_ended = true;
        self.0.1.notify_all();
    }

    fn keep(&self, line: &[u8]) {
        let mut state = self.state();
        state.kept.extend(line);
        let excess = state.kept.len().saturating_sub(KEPT_BYTES);
        state.kept.drain(..excess);
        let Some(host) = state.forwarded_as.clone() else { return };
        // Not under the lock: the program's standard error may be a pipe that is read slowly.
        drop(state);
        let text = format!("{host}: {}\n", String::from_utf8_lossy(line).trim_end_matches('\n'));
        // A program without a standard error loses them, as its own.
        let _unwritable = io::stderr().write_all(text.as_bytes());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(30);

    #[test]
    fn the_end_of_a_stream_is_kept() {
        let text = format!("{}\nthe cause\n", "x".repeat(KEPT_BYTES));
        let tail = StderrTail::start(io::Cursor::new(text)).unwrap();
        let words = tail.last_words(GUARD);
        assert!(words.ends_with("x\nthe cause") && words.len() <= KEPT_BYTES);
    }

    #[test]
    fn a_stream_that_stays_open_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        let tail = StderrTail::start(reader).unwrap();
        writer.write_all(b"so far\n").unwrap();
        while tail.last_words(Duration::from_millis(1)) != "so far" {}
        drop(writer);
        assert_eq!(tail.last_words(GUARD), "so far");
    }
}
