//! [`Forwarder`]: the child's side, a logger that sends each record to where its parent wants it.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{LevelFilter, Log, Metadata, Record};

use super::Forwarding;
use super::record::{Entry, Travelling};
use crate::identity;

static FORWARDER: OnceLock<Forwarder> = OnceLock::new();

/// Sends records, and counts those that find no room.
#[derive(Debug)]
struct Forwarder {
    socket: UnixStream,
    level: LevelFilter,
    dropped: AtomicU64,
}

/// Makes this process forward its records.
pub(super) fn install(forwarding: Forwarding) {
    let Forwarding { end, level } = forwarding;
    let socket = UnixStream::from(OwnedFd::from(end));
    let level = LevelFilter::iter().find(|filter| *filter as usize == level).unwrap_or(LevelFilter::Off);
    let forwarder = FORWARDER.get_or_init(|| Forwarder { socket, level, dropped: AtomicU64::new(0) });
    // A program that has installed a logger before `init` keeps it.
    if log::set_logger(forwarder).is_ok() {
        log::set_max_level(level);
    }
}

/// What a child of this child is handed: the same.
pub(super) fn for_child() -> io::Result<Option<Forwarding>> {
    let Some(forwarder) = FORWARDER.get() else { return Ok(None) };
    let end: OwnedFd = forwarder.socket.try_clone()?.into();
    Ok(Some(Forwarding { end: end.into(), level: forwarder.level as usize }))
}

/// How many records were dropped since the last one that went out.
pub(super) fn untold() -> u64 {
    FORWARDER.get().map_or(0, |forwarder| forwarder.dropped.swap(0, Ordering::Relaxed))
}

/// Counts records that a child of this child has dropped.
pub(super) fn count(dropped: u64) {
    if let Some(forwarder) = FORWARDER.get() {
        forwarder.dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

impl Forwarder {
    /// Sends a record, and with it how many before it were dropped.
    fn send(&self, entry: Entry) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let process = identity::own().name.clone();
        let frame = Travelling { process, pid: std::process::id(), dropped, entry }.frame();
        let is_sent = frame.is_some_and(|frame| (&self.socket).write(&frame).is_ok());
        if !is_sent {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

impl Log for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.send(Entry::of(record));
        }
    }

    fn flush(&self) {}
}
