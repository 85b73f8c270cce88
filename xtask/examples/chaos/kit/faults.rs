//! What must not happen, counted in all processes of a run.

use std::sync::atomic::{AtomicU64, Ordering};

use procession_sync::Shared;
use serde::{Deserialize, Serialize};

use super::Failure;

/// Only the first ones are described.
const DESCRIBED: u64 = 20;

/// A count that all processes of a run add to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Faults(Shared<AtomicU64>);

impl Faults {
    pub(crate) fn new() -> Result<Faults, Failure> {
        Ok(Faults(Shared::new(AtomicU64::new(0))?))
    }

    pub(crate) fn add(&self, what: &str) {
        if self.0.fetch_add(1, Ordering::SeqCst) < DESCRIBED {
            eprintln!("fault in process {}: {what}", std::process::id());
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// An error unless there was none.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.count() {
            0 => Ok(()),
            count => Err(format!("{count} faults, described above").into()),
        }
    }
}
