//! Starts workers, and handles those that become ready, fail, or are late.
//!
//! The first worker shows whether workers can start at all: when its preparation fails or takes too long, the pool is broken at
//! once. Later on the same is an accident until it has happened to many in a row.

use std::time::Duration;

use super::Scheduler;
use super::event::Action;
use super::worker::WorkerPhase;
use crate::model::ids::WorkerId;

impl Scheduler {
    /// Records that a worker is ready. The next tick sends it tasks, unless it was asked to leave meanwhile.
    pub(super) fn ready(&mut self, id: WorkerId, now: Duration) {
        if !self.workers.set_ready(id, now) {
            return self.kill(id);
        }
        let exit_by = self.exit_by(now);
        if let Some(WorkerPhase::Leaving { until }) = self.workers.get_mut(id).map(|worker| &mut worker.phase) {
            // It was asked to leave before it was ready, and has as much time as the others from now on.
            *until = exit_by.max(*until);
        }
    }

    /// Records that a worker could not prepare itself. Its process ends by itself after that.
    pub(super) fn init_failed(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        // It has reported that it is ready, so one of the two reports is false.
        if worker.is_serving() {
            return self.kill(id);
        }
        // It counts as a failed start when it has ended. The failure of the very first worker is taken as permanent.
        if !self.workers.has_been_ready {
            self.break_down();
        }
    }

    /// Starts the workers that are missing, unless starts are delayed because others ended without having run a task.
    pub(super) fn start_missing(&mut self, now: Duration) {
        if self.workers.next_start <= now {
            let missing = self.workers.missing(self.queued);
            if missing > 0 {
                self.workers.count_starts(missing);
            }
            // All at once: they prepare themselves side by side.
            for _ in 0..missing {
                let worker = self.workers.spawn(now);
                self.actions.push_back(Action::Start { worker });
            }
        }
    }

    /// Kills a worker that has not become ready in time. That of the very first worker is taken as permanent.
    pub(super) fn kill_late(&mut self, id: WorkerId, now: Duration) {
        if self.workers.get(id).is_none_or(|worker| worker.phase != WorkerPhase::Starting) {
            // The pool has broken meanwhile.
            return;
        }
        self.actions.push_back(Action::KillLate { worker: id });
        self.workers.fail_start(id, now);
        if !self.workers.has_been_ready || self.workers.cannot_start() {
            self.break_down();
        }
    }
}
