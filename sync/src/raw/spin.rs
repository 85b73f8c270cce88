//! Spinning before sleeping: worth it when the holder runs on another core, pointless when there is none.

use std::sync::OnceLock;
use std::thread;

use super::shim;

/// A short series of growing pauses.
#[derive(Debug)]
pub(crate) struct Spin {
    left: u32,
    pauses: u32,
}

impl Spin {
    /// No pause at all where this process may use one core only.
    pub(crate) fn new() -> Spin {
        Spin { left: if has_company() { ROUNDS } else { 0 }, pauses: 1 }
    }

    /// Pauses once; `false` when it is time to sleep.
    pub(crate) fn again(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        for _ in 0..self.pauses {
            shim::spin_loop();
        }
        self.pauses = (self.pauses * 2).min(LONGEST);
        true
    }
}

const ROUNDS: u32 = 6;
const LONGEST: u32 = 16;

/// Whether there is more than one core for this process, as far as its affinity and quota tell.
fn has_company() -> bool {
    static CORES: OnceLock<usize> = OnceLock::new();
    !cfg!(loom) && *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)) > 1
}
