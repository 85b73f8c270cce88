//! The dispatcher handles the ends of workers, and ends the pool.
//!
//! A worker that has ended is handled in this order: its reports and results are read, its handle is removed, its unstarted
//! tasks go back, and only then is the task that it was running charged with the end. So no result that was published is lost.

use std::io;

use procession_core::os::signal::SIGKILL;
use procession_process::ExitStatus;

use super::Dispatcher;
use super::stderr_forwarder;
use crate::local::exit::exit_info;
use crate::local::worker_handle::WorkerHandle;
use crate::model::failure_info::{FailureKind, WorkerInfo};
use crate::model::ids::WorkerId;
use crate::model::init_failure::{Cause, InitFailure, Step};
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::model::trace;
use crate::scheduler::event::Event;

/// How far a worker had come when it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerLife {
    pub(super) has_reported: bool,
    pub(super) has_finalized: bool,
    pub(super) is_leaving: bool,
}

impl WorkerLife {
    fn of(handle: &WorkerHandle) -> WorkerLife {
        let WorkerHandle { has_reported, has_finalized, .. } = *handle;
        WorkerLife { has_reported, has_finalized, is_leaving: handle.is_leaving() }
    }
}

impl Dispatcher {
    /// Removes a worker that has ended, after all that it has written was read.
    pub(super) fn reap(&mut self, id: WorkerId) {
        let Some(status) = self.workers.get(id).and_then(|handle| handle.child().exit_status()) else { return };
        // What it had published before it ended is in the ring by now.
        self.poll_control(id);
        self.workers.read_all();
        self.ingest(id);
        let Some(handle) = self.workers.remove(id) else { return };
        let (info, life) = (handle.info().clone(), WorkerLife::of(&handle));
        self.check_end(&info, life, status);
        let exit = exit_info(&handle, status, &mut self.workers.oom);
        self.workers.set_exited(id, info, FailureKind::Died(Box::new(exit)));
        // First what it had not started: what is left then was running, and may have killed it.
        self.driver.emit(Event::Unstarted { worker: id, count: handle.channel.unstarted() });
        self.driver.emit(Event::Exited { worker: id });
        self.execute_all();
    }

    /// Records that a finalizer, or the drop of a state, has failed. It is also written to standard error, because few programs ask for such errors.
    pub(super) fn exit_step_failed(&mut self, worker: String, failure: InitFailure) {
        let error: PoolError = PoolErrorKind::Finalizer { worker, failure }.into();
        stderr_forwarder::forward(format!("procession: {error}\n").as_bytes());
        self.status.add_finalizer_error(error);
    }

    /// Records what the end of a worker says beyond its tasks.
    pub(super) fn check_end(&mut self, info: &WorkerInfo, life: WorkerLife, status: ExitStatus) {
        self.check_exit_steps(info, life, status);
        trace::worker_ended(&info.name, info.pid, &status, life.is_leaving);
        if !life.has_reported {
            let (worker, end) = (info.name.to_string(), status.to_string());
            self.workers.failure = Some(PoolErrorKind::ExitedEarly { worker, end }.into());
        }
    }

    /// Records that the end of a worker has cut its finalizer off, or the drop of its state, if it did.
    fn check_exit_steps(&mut self, info: &WorkerInfo, life: WorkerLife, status: ExitStatus) {
        let (finalizes, drops_state) = self.workers.exit_steps();
        let (step, has_step) = if life.has_finalized || !finalizes {
            // The pool itself kills workers without waiting for destructors, and reports no such kill.
            (Step::DropState, drops_state && status.signal() != Some(SIGKILL))
        } else {
            (Step::Finalizer, true)
        };
        if has_step && life.has_reported && life.is_leaving && !status.success() {
            let text = format!("its worker ended with {status} before it had come to its end");
            let failure = step.failed(Cause::NotRun(text));
            self.exit_step_failed(info.name.to_string(), failure);
        }
    }

    /// Ends the pool with an error of the kernel, which every task reports.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.status.set_broken(PoolErrorKind::System("wait for its workers", error).into());
        self.end();
    }

    /// Ends the pool: no worker is left, and no caller waits.
    pub(super) fn end(&mut self) {
        self.driver.emit(Event::Terminate);
        self.execute_all();
        self.deliver();
        // The callers have their outcomes by now. They do not wait until the kernel has let go of the workers.
        self.driver.has_ended = true;
        for handle in self.workers.kill_all() {
            if let Some(status) = handle.child().exit_status() {
                self.check_exit_steps(handle.info(), WorkerLife::of(&handle), status);
            }
        }
        // Last, so that a thread which has joined the pool finds the errors of all finalizers.
        self.status.set_ended();
    }
}
