//! [`RemoteWorker`]: what the pool knows of a worker on another host.

use std::time::Duration;

use crate::model::failure_info::WorkerInfo;

/// The mirror of one worker, as of the last report.
#[derive(Debug)]
pub(crate) struct RemoteWorker {
    /// The host that it runs on, or is to run on.
    pub(super) host: usize,
    pub(crate) info: WorkerInfo,
    /// The number of tasks that it was ever sent, less the revoked ones.
    pub(super) sent: u64,
    /// The number of those that it has started.
    started: u64,
    /// When it started the last of those.
    pub(crate) running_since: Duration,
    /// The number of revokes that were not answered yet.
    pub(super) revokes: u32,
    /// Bytes of results that were read and not handled.
    pub(crate) inbound: Vec<u8>,
    pub(crate) memory: Option<u64>,
    /// Whether it has reported that it is ready, or that it never will be.
    pub(crate) has_reported: bool,
    /// Whether its finalizer has returned.
    pub(crate) has_finalized: bool,
    /// Whether it was asked to leave.
    pub(crate) is_leaving: bool,
}

impl RemoteWorker {
    pub(super) fn new(host: usize, info: WorkerInfo) -> RemoteWorker {
        RemoteWorker {
            host,
            info,
            sent: 0,
            started: 0,
            running_since: Duration::ZERO,
            revokes: 0,
            inbound: Vec::new(),
            memory: None,
            has_reported: false,
            has_finalized: false,
            is_leaving: false,
        }
    }

    /// Returns the number of tasks that it was sent and is not known to have started.
    pub(crate) fn in_transit(&self) -> u64 {
        self.sent - self.started
    }

    /// Records how many tasks it has started, of all that it was ever sent. Returns `false` if that cannot be.
    pub(crate) fn set_started(&mut self, started: u64, since: Duration) -> bool {
        let is_possible = started >= self.started && started <= self.sent;
        if is_possible {
            (self.started, self.running_since) = (started, since);
        }
        is_possible
    }

    /// Records that tasks were revoked. Returns `false` if it was not sent as many that may be.
    pub(crate) fn set_revoked(&mut self, count: u64) -> bool {
        let is_possible = self.revokes > 0 && count <= self.in_transit();
        if is_possible {
            (self.sent, self.revokes) = (self.sent - count, self.revokes - 1);
        }
        is_possible
    }
}
