//! Log records of children, in the logger of the process that wants them.
//!
//! [`forward`] makes a collector: from then on each child gets the end of a socket, and its own `log` macros write
//! there. A thread of this process passes the records to the logger of this process, with the child's name and number before the
//! text. `tracing` events travel as well where the program turns on `tracing`'s own `log` feature.
//!
//! A record is a short frame that is written whole or not at all, so that children share one socket without a lock, and a child that
//! is killed leaves no half record. A child never waits for its parent to read: records that find
//! no room are counted, and the count is sent as soon as there is room.

mod collector;
mod forwarder;
mod record;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use procession_core::os::mutex;

use log::LevelFilter;

use collector::Collector;
pub(crate) use forwarder::Forwarding;

/// Where the records of this process's children go.
static COLLECTOR: Mutex<Option<Wanted>> = Mutex::new(None);

/// The level down to which children forward their records.
struct Wanted {
    collector: Arc<Collector>,
    /// The level that children are given from now on. Those that run keep theirs.
    level: LevelFilter,
    /// The process that made it: a copy of it has not got the descriptors.
    owner: u32,
}

/// Forwards the log records of children that are started from now on to the logger of this process, down to `level`.
///
/// Each is logged here under its own level, target, file and line, with `[name pid]` before its text. When a process has
/// been joined, its records have been logged. The children of children send theirs here too. With
/// [`LevelFilter::Off`] children that are started from now on forward nothing.
///
/// A child never waits: when records come faster than this process logs them, the child drops them, and a warning here gives
/// the number; see [`dropped`]. A text of more than 16 KiB is cut, with a note of the missing part.
///
/// One thread of this process reads the records, so [`StartMethod::Fork`](crate::StartMethod::Fork), which
/// refuses processes with more than one thread, cannot be used any more. A child whose program installs a logger before
/// [`init`](crate::init) keeps that one.
///
/// # Errors
///
/// The limit on descriptors or threads.
///
/// ```
/// use log::{Level, LevelFilter, Log, Metadata, Record};
/// use procession_process::{Process, logs};
/// use std::sync::Mutex;
///
/// /// Any logger will do: this one keeps what it is given.
/// struct Kept(Mutex<Vec<String>>);
///
/// impl Log for Kept {
///     fn enabled(&self, _: &Metadata) -> bool {
///         true
///     }
///     fn log(&self, record: &Record) {
///         self.0.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
///     }
///     fn flush(&self) {}
/// }
///
/// static KEPT: Kept = Kept(Mutex::new(Vec::new()));
///
/// procession_process::init();
/// log::set_logger(&KEPT)?;
/// log::set_max_level(LevelFilter::Info);
/// logs::forward(LevelFilter::Info)?;
///
/// let child = Process::builder().name("reader").spawn(|n: u32| log::info!("{n} lines read"), 7)?;
/// child.join()?;
/// let expected = format!("{} [reader {}] 7 lines read", Level::Info, child.id());
/// assert_eq!(*KEPT.0.lock().unwrap(), [expected]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "get_logger")]
#[doc(alias = "log_to_stderr")]
pub fn forward(level: LevelFilter) -> io::Result<()> {
    let mut wanted = lock();
    let own = std::process::id();
    let collector = match &*wanted {
        Some(present) if present.owner == own => present.collector.clone(),
        _none_or_another_s => Collector::start()?,
    };
    std::mem::forget(wanted.replace(Wanted { collector, level, owner: own }));
    Ok(())
}

/// Returns the number of records that children have dropped, as far as they have reported it.
///
/// ```
/// assert_eq!(procession_process::logs::dropped(), 0);
/// ```
#[must_use]
pub fn dropped() -> u64 {
    current().map_or(0, |collector| collector.dropped())
}

/// Returns the link for the next child.
pub(crate) fn for_child() -> io::Result<Option<Forwarding>> {
    if let Some(wanted) = &*lock()
        && wanted.owner == std::process::id()
    {
        if wanted.level == LevelFilter::Off {
            return Ok(None);
        }
        let end = wanted.collector.end()?;
        return Ok(Some(Forwarding::new(end, wanted.level)));
    }
    forwarder::for_child()
}

/// Forgets what belongs to the original of this copy.
pub(crate) fn forget_inherited() {
    forwarder::forget_inherited();
}

/// Makes this process a child that forwards its records.
pub(crate) fn begin(forwarding: Forwarding) {
    forwarder::install(forwarding);
}

/// Returns the number of dropped records of this process that were not yet reported, and resets it.
pub(crate) fn take_dropped() -> u64 {
    forwarder::take_dropped()
}

/// The records of a child that has ended, as far as they are not logged.
#[derive(Debug, Default)]
pub(crate) struct LastRecords {
    /// The number that the child has dropped and reported with its end. The first thread that has the records logged takes it.
    dropped: AtomicU64,
    /// Whether all is logged and counted.
    is_logged: AtomicBool,
}

impl LastRecords {
    /// Sets the number of dropped records. Called before the end of the child is known to other threads.
    pub(crate) fn set_dropped(&self, dropped: u64) {
        // Relaxed: the lock under which the end becomes known publishes it.
        self.dropped.store(dropped, Ordering::Relaxed);
    }

    /// Logs the records that have arrived, so that they are there once a child is seen to have ended. Each thread that sees the end
    /// comes here before it returns, so that none overtakes the one that logs.
    pub(crate) fn catch_up(&self, name: &str, pid: u32) {
        // Acquire pairs with the Release below: what was logged and counted by another thread is seen by the caller.
        if self.is_logged.load(Ordering::Acquire) {
            return;
        }
        // Relaxed: a number on its own.
        let take_dropped = || self.dropped.swap(0, Ordering::Relaxed);
        let is_logged = match current() {
            Some(collector) => collector.drain_and_count(name, pid, take_dropped),
            None => {
                forwarder::count(take_dropped());
                true
            }
        };
        // Release pairs with the Acquire above.
        self.is_logged.fetch_or(is_logged, Ordering::Release);
    }
}

/// Returns the collector of this process; not that of an original, which a copy finds here.
fn current() -> Option<Arc<Collector>> {
    let wanted = lock();
    wanted.as_ref().filter(|one| one.owner == std::process::id()).map(|one| one.collector.clone())
}

fn lock() -> std::sync::MutexGuard<'static, Option<Wanted>> {
    mutex::lock(&COLLECTOR)
}
