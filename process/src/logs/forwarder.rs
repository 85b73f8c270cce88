//! [`Forwarder`]: the child's side, a logger that sends each record to where its parent wants it.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use log::{LevelFilter, Log, Metadata, Record};
use procession_core::codec::Descriptor;
use procession_core::os::mutex::ignore_poison;
use serde::{Deserialize, Serialize};

use super::record::{Entry, RecordFrame};
use crate::process_info;

/// The link for log records that a child gets.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Forwarding {
    /// The end to write to, on its way. All children of a family have copies of the same.
    end: Descriptor,
    /// The level as the number that `log` gives it.
    level: usize,
}

impl Forwarding {
    pub(super) fn new(end: OwnedFd, level: LevelFilter) -> Forwarding {
        Forwarding { end: end.into(), level: level as usize }
    }
}

/// Where the records of this process go, where it is a child that forwards. Locked for writing only before its function runs.
static FORWARDER: RwLock<Option<&'static Forwarder>> = RwLock::new(None);

/// Whether the logger of this process is [`Relay`]. A copy of a child that forwards finds it there, and cannot set it again. Relaxed:
/// both accesses come before the function of this process runs.
static IS_LOGGER: AtomicBool = AtomicBool::new(false);

/// The logger of a child that forwards. `log` takes one for the life of a process, whose copies forward over links of their own.
struct Relay;

/// Sends records, and counts those that find no room.
#[derive(Debug)]
struct Forwarder {
    /// The end to write to. It does not block, for any process that shares it.
    socket: UnixStream,
    level: LevelFilter,
    /// The records that found no room since the last one that did.
    dropped: AtomicU64,
}

/// Makes this process forward its records.
pub(super) fn install(forwarding: Forwarding) {
    let Forwarding { end, level } = forwarding;
    let socket = UnixStream::from(OwnedFd::from(end));
    let level = LevelFilter::iter().find(|filter| *filter as usize == level).unwrap_or(LevelFilter::Off);
    let forwarder: &'static Forwarder = Box::leak(Box::new(Forwarder { socket, level, dropped: AtomicU64::new(0) }));
    *ignore_poison(FORWARDER.write()) = Some(forwarder);
    // A program that has installed a logger before `init` keeps it.
    if IS_LOGGER.load(Ordering::Relaxed) || log::set_logger(&Relay).is_ok() {
        IS_LOGGER.store(true, Ordering::Relaxed);
        log::set_max_level(level);
    }
}

/// Forgets the link without touching it: it belongs to the original of this copy, as the count of its dropped records does.
pub(super) fn forget_inherited() {
    *ignore_poison(FORWARDER.write()) = None;
}

/// Returns where the records go.
fn current() -> Option<&'static Forwarder> {
    *ignore_poison(FORWARDER.read())
}

/// Returns the link for a child of this child: the same.
pub(super) fn for_child() -> io::Result<Option<Forwarding>> {
    let Some(forwarder) = current() else { return Ok(None) };
    let end: OwnedFd = forwarder.socket.try_clone()?.into();
    Ok(Some(Forwarding::new(end, forwarder.level)))
}

/// Returns the number of records that were dropped since the last one that was sent, and resets it.
pub(super) fn take_dropped() -> u64 {
    current().map_or(0, |forwarder| forwarder.dropped.swap(0, Ordering::Relaxed))
}

/// Counts records that a child of this child has dropped.
pub(super) fn count(dropped: u64) {
    if let Some(forwarder) = current() {
        forwarder.dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

impl Forwarder {
    /// Sends a record, with the number of those before it that were dropped.
    fn send(&self, entry: Entry) {
        // Relaxed: a count on its own, which is given back below when it could not be sent.
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let process = process_info::own().name.clone();
        let frame = RecordFrame { process, pid: std::process::id(), dropped, entry }.frame();
        // One `write`, not `write_all`: the socket takes a frame whole or not at all, so that those of siblings never mix.
        let is_sent = frame.is_some_and(|frame| (&self.socket).write(&frame).is_ok());
        if !is_sent {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

impl Log for Relay {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        current().is_some_and(|forwarder| metadata.level() <= forwarder.level)
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(forwarder) = current().filter(|forwarder| record.level() <= forwarder.level) {
            forwarder.send(Entry::of(record));
        }
    }

    fn flush(&self) {}
}
