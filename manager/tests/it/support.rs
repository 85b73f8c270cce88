//! What several tests need.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use procession_manager::{Manager, Stats};

/// Longer than anything takes: a test that waits so long hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A file for which a method in the manager waits.
pub(crate) struct Gate(PathBuf);

impl Gate {
    pub(crate) fn new(name: &str) -> Gate {
        Gate(std::env::temp_dir().join(format!("procession-manager-{name}-{}", std::process::id())))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.clone()
    }

    pub(crate) fn open(&self) {
        std::fs::write(&self.0, "go on").unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _never_opened = std::fs::remove_file(&self.0);
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a manager holds so much and no more.
pub(crate) fn until_held(manager: &Manager, objects: u64, references: u64) {
    let wanted = |stats: &Stats| (stats.objects, stats.references) == (objects, references);
    until("references are left", || wanted(&manager.stats().unwrap()));
}

/// How many cases a property test with real processes runs, unless that is set.
pub(crate) fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}

/// Lets some microseconds pass without giving the processor away.
pub(crate) fn spin(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}
