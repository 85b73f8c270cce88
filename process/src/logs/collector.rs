//! [`Collector`]: the parent's side, which logs what its children send.
//!
//! There is one for this process, with one thread that sleeps until records arrive. A caller that has joined a child reads as
//! well, so that the records of the child are logged before its `join` returns. All children write to copies of one socket.

use std::cell::Cell;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use log::{Level, Record};
use procession_core::os::descriptors::above_standard;
use procession_core::os::mutex;
use procession_core::os::poll::{Pollable, poll};

use super::record::{self, Entry, RecordFrame};

/// The bytes of one read. Less means more system calls for many records; more is memory that lies idle.
const PIECE: usize = 64 * 1024;

thread_local! {
    /// Whether this thread is logging records that have arrived: a logger may itself join a process.
    static DRAINING: Cell<bool> = const { Cell::new(false) };
}

/// The proof that this thread logs what has arrived, until it is dropped.
struct Draining;

impl Draining {
    /// Returns `None` when this thread does so already, further out.
    fn begin() -> Option<Draining> {
        (!DRAINING.replace(true)).then_some(Draining)
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        DRAINING.set(false);
    }
}

/// Reads the records of children and logs them.
#[derive(Debug)]
pub(super) struct Collector {
    /// The end to read from, with what was read. Locked while records are logged, so that they keep their order.
    incoming: Mutex<Incoming>,
    /// A second handle, so that waiting does not keep others from reading.
    watched: OwnedFd,
    /// The end that children get copies of.
    outgoing: OwnedFd,
    /// The records that children have dropped, as far as they have reported it.
    dropped: AtomicU64,
}

/// The stream of frames of all children.
#[derive(Debug)]
struct Incoming {
    socket: UnixStream,
    /// What was read and not yet taken off: less than one frame between two drains.
    arrived: Vec<u8>,
    /// Whether something arrived that is no frame: then the start of the next one is not known, and no more are logged.
    garbled: bool,
}

impl Collector {
    /// Makes a collector, and the thread that waits for records.
    pub(super) fn start() -> io::Result<Arc<Collector>> {
        let (socket, outgoing) = UnixStream::pair()?;
        // Where the program has closed a standard stream, its number must not become that of a socket.
        let socket = UnixStream::from(above_standard(socket.into())?);
        let outgoing = UnixStream::from(above_standard(outgoing.into())?);
        socket.set_nonblocking(true)?;
        // A child that finds no room drops its record instead of waiting.
        outgoing.set_nonblocking(true)?;
        let watched = socket.as_fd().try_clone_to_owned()?;
        let incoming = Mutex::new(Incoming { socket, arrived: Vec::new(), garbled: false });
        let dropped = AtomicU64::new(0);
        let collector = Arc::new(Collector { incoming, watched, outgoing: outgoing.into(), dropped });
        let reader = collector.clone();
        thread::Builder::new().name("procession-logs".to_owned()).spawn(move || reader.watch())?;
        Ok(collector)
    }

    /// Returns a copy of the end that a child writes to.
    pub(super) fn end(&self) -> io::Result<OwnedFd> {
        self.outgoing.try_clone()
    }

    /// Returns the number of records that children have reported as dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Logs everything that has arrived, then counts the records that a child has dropped. Returns whether all of it is logged: not
    /// inside of a logger, whose caller goes on with it.
    pub(super) fn drain_and_count(&self, process: &str, pid: u32, take_dropped: impl Fn() -> u64) -> bool {
        // Refused where this thread holds `incoming` already: a logger that joins a process would wait for itself.
        let Some(_draining) = Draining::begin() else {
            self.count(process, pid, take_dropped());
            return false;
        };
        // Held while the records are logged: a joiner then waits for those that another thread has read but not logged yet.
        let mut incoming = mutex::lock(&self.incoming);
        self.log_arrived(&mut incoming);
        self.count(process, pid, take_dropped());
        true
    }

    /// Logs everything that has arrived.
    fn log_arrived(&self, incoming: &mut Incoming) {
        while incoming.read() {
            while let Some(travelling) = incoming.next() {
                self.log(&travelling);
            }
        }
    }

    /// Logs records as they arrive, in a thread that lives as long as the process.
    fn watch(&self) {
        // The socket has no end while this process lives, because it holds both sides.
        while poll(&[Pollable::readable(self.watched.as_fd())], None).is_ok() {
            let _draining = Draining::begin();
            let mut incoming = mutex::lock(&self.incoming);
            self.log_arrived(&mut incoming);
            // The start of the next record is lost for good, and each further one would wake this thread for nothing.
            if incoming.garbled {
                return;
            }
        }
    }

    /// Counts records that a child has dropped.
    fn count(&self, process: &str, pid: u32, dropped: u64) {
        if dropped > 0 {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
            warn(&format!("[{process} {pid}] {dropped} log records were dropped, because they came too fast"));
        }
    }

    /// Logs one record, behind the name and the number of its process.
    fn log(&self, travelling: &RecordFrame) {
        let RecordFrame { process, pid, dropped, entry } = travelling;
        self.count(process, *pid, *dropped);
        relay(entry, format_args!("[{process} {pid}] {}", entry.text));
    }
}

impl Incoming {
    /// Reads a piece. Returns whether there was one.
    fn read(&mut self) -> bool {
        // What comes after garbled bytes stays in the socket: its senders find no room, and count what they drop.
        if self.garbled {
            return false;
        }
        let begin = self.arrived.len();
        self.arrived.resize(begin + PIECE, 0);
        let read = self.socket.read(&mut self.arrived[begin..]).unwrap_or(0);
        self.arrived.truncate(begin + read);
        read > 0
    }

    /// Takes off the next frame; `None` when none is complete. A stream that is garbled is given up with one warning.
    fn next(&mut self) -> Option<RecordFrame> {
        record::take(&mut self.arrived).unwrap_or_else(|reason| {
            self.garbled = true;
            self.arrived.clear();
            warn(&format!("log records of children are not forwarded any more: {reason}"));
            None
        })
    }
}

/// Logs a child's record as if it had been made here.
fn relay(entry: &Entry, text: std::fmt::Arguments<'_>) {
    let level = entry.level();
    // The macros of `log` compare it before they call a logger, so that loggers need not.
    if level > log::max_level() {
        return;
    }
    let mut record = Record::builder();
    record.level(level).target(&entry.target).args(text);
    record.module_path(entry.module.as_deref()).file(entry.file.as_deref()).line(entry.line);
    let record = record.build();
    if log::logger().enabled(record.metadata()) {
        log::logger().log(&record);
    }
}

/// Logs a warning of this library, under the target `procession`.
fn warn(text: &str) {
    log::log!(target: "procession", Level::Warn, "{text}");
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_comes_after_a_garbled_stream_is_not_kept() {
        let collector = Collector::start().unwrap();
        let mut end = UnixStream::from(collector.end().unwrap());
        end.write_all(&[0xff; 100]).unwrap();
        for _ in 0..10 {
            collector.drain_and_count("test", 1, || 0);
            end.write_all(&[0xff; 1000]).unwrap();
        }
        let incoming = mutex::lock(&collector.incoming);
        assert!(incoming.garbled);
        assert_eq!(incoming.arrived.len(), 0);
    }
}
