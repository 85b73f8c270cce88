//! Where what workers write to their standard error goes on to this process's own: over a thread that does nothing else.
//!
//! This process's standard error may be a pipe that nobody reads. Who writes to it then waits, and perhaps for ever. The pool must not,
//! so it leaves here what is to be written, and what there is no room for is dropped and counted.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;

/// So many bytes may wait.
const ROOM: usize = 256 << 10;
/// The thread stays for so long after it has written the last of them.
const LINGER: Duration = Duration::from_millis(200);

/// What waits.
struct Waiting {
    /// Whose thread and bytes they are, and no copy's of that process.
    owner: Option<ProcessIdentity>,
    bytes: Vec<u8>,
    /// So many bytes came after those and were dropped.
    dropped: u64,
    /// Whether there is a thread.
    is_served: bool,
    /// Whether it writes what it has taken out of here.
    is_writing: bool,
}

static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { owner: None, bytes: Vec::new(), dropped: 0, is_served: false, is_writing: false });
static CHANGED: Condvar = Condvar::new();

/// Has a piece written soon. Never waits.
pub(crate) fn pass_on(piece: &[u8]) {
    let mut waiting = waiting();
    waiting.take_in(piece);
    if waiting.is_served {
        CHANGED.notify_all();
    } else {
        // Where no thread can be had, the next piece will ask for one again.
        waiting.is_served = thread::Builder::new().name("procession-stderr".to_owned()).spawn(work).is_ok();
    }
}

/// Waits until everything was written, but not for long: if nobody reads, it never will be.
pub(crate) fn settle(patience: Duration) {
    let is_unsettled = |waiting: &mut Waiting| waiting.is_served && (waiting.is_writing || !waiting.is_empty());
    drop(CHANGED.wait_timeout_while(waiting(), patience, is_unsettled));
}

fn work() {
    while let Some((bytes, dropped)) = next() {
        let mut out = io::stderr().lock();
        // Nobody can be told that this process's own standard error takes nothing.
        let _lost = out.write_all(&bytes);
        if dropped > 0 {
            let _lost = writeln!(out, "\n[procession: {dropped} bytes of workers' standard error were dropped here]");
        }
    }
}

/// Waits for something to write, and not for ever.
fn next() -> Option<(Vec<u8>, u64)> {
    let mut waiting = waiting();
    waiting.is_writing = false;
    CHANGED.notify_all();
    let nothing = |waiting: &mut Waiting| waiting.is_empty();
    let waited = CHANGED.wait_timeout_while(waiting, LINGER, nothing);
    let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if waiting.is_empty() {
        waiting.is_served = false;
        return None;
    }
    waiting.is_writing = true;
    Some((std::mem::take(&mut waiting.bytes), std::mem::take(&mut waiting.dropped)))
}

fn waiting() -> MutexGuard<'static, Waiting> {
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    let me = Some(ProcessIdentity::current());
    if waiting.owner != me {
        *waiting = Waiting { owner: me, bytes: Vec::new(), dropped: 0, is_served: false, is_writing: false };
    }
    waiting
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.dropped == 0
    }

    /// Once something was dropped, all is until that was said, so that it is said where it is missing.
    fn take_in(&mut self, piece: &[u8]) {
        if self.dropped > 0 || self.bytes.len() + piece.len() > ROOM {
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
    fn what_there_is_no_room_for_is_counted_and_so_is_what_comes_after_it() {
        let mut waiting = Waiting { owner: None, bytes: Vec::new(), dropped: 0, is_served: true, is_writing: false };
        waiting.take_in(&vec![1; ROOM - 10]);
        waiting.take_in(&[2; 10]);
        waiting.take_in(&[3; 11]);
        assert_eq!((waiting.bytes.len(), waiting.dropped), (ROOM, 11));
        waiting.bytes.clear();
        waiting.take_in(&[4; 5]);
        assert_eq!((waiting.bytes.len(), waiting.dropped, waiting.is_empty()), (0, 16, false));
    }
}
