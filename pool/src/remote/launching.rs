//! [`Launches`]: the launches of agents that are under way, each on a thread of its own.

use std::mem;
use std::sync::{Arc, Mutex};
use std::thread;

use procession_core::os::mutex;

use super::launcher::{HostLauncher, LaunchedAgent};
use crate::local::poller::Poller;
use crate::model::catch::catch;
use crate::model::tuning::MAX_LAUNCHES;

/// The launches of a pool.
#[derive(Debug)]
pub(super) struct Launches {
    poller: Arc<Poller>,
    /// The number of those that were begun and not taken.
    count: usize,
    finished: Arc<Mutex<Vec<Launch>>>,
}

/// A launch that has ended.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) host: usize,
    /// Given back for the next launch.
    pub(super) launcher: Option<Box<dyn HostLauncher>>,
    pub(super) outcome: Result<LaunchedAgent, String>,
}

impl Launches {
    pub(super) fn new(poller: Arc<Poller>) -> Launches {
        Launches { poller, count: 0, finished: Arc::default() }
    }

    /// Returns whether another one may begin.
    pub(super) fn has_space(&self) -> bool {
        self.count < MAX_LAUNCHES
    }

    /// Begins a launch. The pool's own thread is woken when it has ended.
    pub(super) fn begin(&mut self, host: usize, launcher: Box<dyn HostLauncher>) {
        self.count += 1;
        // Shared with the thread, so that the launcher is not lost where there can be no thread.
        let launcher = Arc::new(Mutex::new(Some(launcher)));
        let (taken, finished, poller) = (launcher.clone(), self.finished.clone(), self.poller.clone());
        let run = move || {
            let Some(mut launcher) = mutex::lock(&taken).take() else { return };
            // The launcher is code of another crate, and the count of launches must not be lost by its panic.
            let outcome = catch(|| launcher.launch()).unwrap_or_else(Err);
            mutex::lock(&finished).push(Launch { host, launcher: Some(launcher), outcome });
            poller.wake();
        };
        if let Err(error) = thread::Builder::new().name(format!("procession-host-{host}")).spawn(run) {
            let outcome = Err(format!("cannot start a thread for its launch: {error}"));
            mutex::lock(&self.finished).push(Launch { host, launcher: mutex::lock(&launcher).take(), outcome });
            self.poller.wake();
        }
    }

    /// Returns the launches that have ended since the last call.
    pub(super) fn take(&mut self) -> Vec<Launch> {
        let finished = mem::take(&mut *mutex::lock(&self.finished));
        self.count -= finished.len();
        finished
    }
}
