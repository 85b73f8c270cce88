//! What an agent reports to its pool.

use std::time::Duration;

use procession_core::os::clock;

use super::serve::Agent;
use crate::local::exit::exit_info;
use crate::model::ids::WorkerId;
use crate::model::tuning::{MAX_QUEUED_STDERR_BYTES, SHORT_TASK};
use crate::wire::host_messages::HostReport;
use crate::wire::messages::Report;

impl Agent {
    /// Passes on what a worker has reported on its control link.
    pub(super) fn poll_control(&mut self, worker: u64) {
        let Some(hosted) = self.workers.get_mut(&worker) else { return };
        hosted.handle.flush_link();
        while let Some(report) = hosted.handle.recv() {
            let report = match report {
                Report::Notify => {
                    self.notified_at = Some(clock::monotonic());
                    continue;
                }
                // They do not leave this host; the item that announces them becomes a failure.
                Report::Descriptors(_) => continue,
                Report::Ready => {
                    hosted.handle.has_reported = true;
                    HostReport::Ready { worker }
                }
                Report::InitFailed(failure) => HostReport::InitFailed { worker, failure },
                Report::Finalized => HostReport::Finalized { worker },
                Report::ExitStepFailed(failure) => HostReport::ExitStepFailed { worker, failure },
            };
            self.outbox.push(report);
        }
        hosted.handle.flush_ring();
        self.poller.update(WorkerId(worker), &hosted.handle);
    }

    /// Reads the rings of all workers. Returns whether there was anything.
    pub(super) fn read_rings(&mut self) -> bool {
        if self.is_clogged() {
            return false;
        }
        let mut read = Vec::new();
        for (id, worker) in &mut self.workers {
            if worker.handle.read() {
                read.push(*id);
            }
        }
        let now = if read.is_empty() { Duration::ZERO } else { clock::monotonic() };
        read.iter().for_each(|id| self.report_results(*id, now));
        !read.is_empty()
    }

    /// Passes on the results that were read from a worker's ring.
    fn report_results(&mut self, id: u64, now: Duration) {
        self.report_started_by(id, now);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (results, duration) = worker.take_results();
        self.outbox.push_bytes(id, results.into());
        if let Some(duration) = duration {
            self.is_short = duration <= SHORT_TASK;
        }
    }

    /// Reports what all workers have started since the last report.
    pub(super) fn report_started(&mut self, now: Duration) {
        let ids: Vec<u64> = self.workers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.report_started_by(id, now));
    }

    /// Reports what one worker has started since the last report.
    pub(super) fn report_started_by(&mut self, id: u64, now: Duration) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let Some(started) = worker.newly_started() {
            let running_for = now.saturating_sub(worker.handle.channel.running_since());
            self.outbox.push(HostReport::Started { worker: id, started, running_for });
        }
    }

    /// Reports that this agent is alive, and the memory of its workers.
    pub(super) fn report_beat(&mut self, number: u64) {
        let memory = self.workers.iter().filter_map(|(id, worker)| Some((*id, worker.handle.resident_memory()?)));
        let (memory, round_trip) = (memory.collect(), self.beats.round_trip);
        self.outbox.push(HostReport::Beat { number, round_trip, memory });
    }

    /// Passes on what a worker has written to its standard error.
    pub(super) fn read_stderr(&mut self, worker: u64) {
        let Agent { workers, outbox, stderr: (queued, dropped), .. } = self;
        let Some(hosted) = workers.get_mut(&worker) else { return };
        hosted.handle.stderr_tail.read(|piece| {
            // Once some were dropped, all are until that was said, so that the note stands where they are missing.
            if *dropped > 0 || *queued + piece.len() > MAX_QUEUED_STDERR_BYTES {
                *dropped += piece.len() as u64;
            } else {
                *queued += piece.len();
                outbox.push(HostReport::Stderr { worker, bytes: piece.to_vec() });
            }
        });
    }

    /// Records that no standard error waits any more, and says how much was dropped.
    pub(super) fn stderr_sent(&mut self) {
        let dropped = std::mem::take(&mut self.stderr).1;
        if dropped > 0 {
            let note = format!("\n[procession: {dropped} bytes of workers' standard error were dropped here]\n");
            self.outbox.push(HostReport::Stderr { worker: 0, bytes: note.into_bytes() });
        }
    }

    /// Reports the end of a worker, after all that it has written.
    pub(super) fn reap(&mut self, id: u64) {
        let Some(status) = self.workers.get(&id).and_then(|worker| worker.handle.child().exit_status()) else { return };
        self.poll_control(id);
        self.read_stderr(id);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        // However much waits: what it had published before it ended is in the ring by now.
        while worker.handle.read() {}
        self.report_results(id, clock::monotonic());
        let Some(mut worker) = self.workers.remove(&id) else { return };
        self.poller.remove(&worker.handle);
        let started = worker.started();
        let exit = Box::new(exit_info(&worker.handle, status, &mut self.oom));
        self.outbox.push_behind(id, HostReport::Exited { worker: id, started, exit });
    }
}
