//! The dispatcher handles what the agents of other hosts report, and the loss of hosts.

use std::time::Duration;

use super::Dispatcher;
use super::exits::WorkerLife;
use super::stderr_forwarder;
use crate::model::failure_info::{ExitInfo, FailureKind};
use crate::model::ids::WorkerId;
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::model::trace;
use crate::remote::host_lives::LostHost;
use crate::remote::remote_worker::RemoteWorker;
use crate::scheduler::event::Event;
use crate::wire::host_messages::{HostFrame, HostReport, take};

impl Dispatcher {
    /// Handles all that was read from the links of hosts, then launches and losses.
    pub(super) fn ingest_hosts(&mut self) {
        while let Some((host, HostFrame { messages, bytes })) = self.workers.remote.next_frame() {
            let mut bytes = bytes.as_slice();
            for report in messages {
                if self.handle_host_report(host, report, &mut bytes).is_none() {
                    self.workers.remote.set_garbled(host);
                    break;
                }
            }
        }
        for lost in self.workers.take_lost_hosts(self.driver.now) {
            self.lose_host(&lost);
        }
    }

    /// Handles one report of an agent. `None` if no agent of ours sends it.
    fn handle_host_report(&mut self, host: usize, report: HostReport, bytes: &mut &[u8]) -> Option<()> {
        let now = self.driver.now;
        match report {
            HostReport::Welcome { processors } => self.welcome(host, processors),
            HostReport::Beat { number, memory, .. } => self.workers.remote.set_beat(host, number, memory, now),
            HostReport::Spawned { worker, pid } => {
                let info = &mut self.workers.remote.worker_on(host, worker)?.info;
                info.pid = pid;
                trace::worker_started(&info.name, pid);
            }
            HostReport::StartFailed { worker, error } => {
                self.workers.remote.worker_on(host, worker)?;
                self.remote_start_failed(WorkerId(worker), error);
            }
            HostReport::Bytes { stream, len } => {
                let results = take(bytes, len)?;
                self.workers.remote.worker_on(host, stream)?.inbound.extend_from_slice(results);
                self.ingest(WorkerId(stream));
            }
            HostReport::Started { worker, started, running_for } => {
                let since = now.saturating_sub(running_for);
                return self.workers.remote.worker_on(host, worker)?.set_started(started, since).then_some(());
            }
            HostReport::Revoked { worker, count } => return self.remote_revoked(host, worker, count),
            HostReport::Exited { worker, started, exit } => {
                let is_possible = self.workers.remote.worker_on(host, worker)?.set_started(started, Duration::ZERO);
                let ended = self.workers.remote.remove(WorkerId(worker)).filter(|_| is_possible)?;
                self.remote_worker_exited(WorkerId(worker), ended, exit);
            }
            HostReport::Stderr { bytes, .. } => stderr_forwarder::forward(&bytes),
            HostReport::Ready { worker }
            | HostReport::InitFailed { worker, .. }
            | HostReport::Finalized { worker }
            | HostReport::ExitStepFailed { worker, .. } => {
                self.workers.remote.worker_on(host, worker)?;
                self.handle_step(WorkerId(worker), report);
            }
        }
        Some(())
    }

    /// Handles what a worker reports of itself: the same that one on this host does.
    fn handle_step(&mut self, worker: WorkerId, report: HostReport) {
        match report {
            HostReport::Ready { .. } => {
                self.workers.remote.set_useful(worker);
                self.worker_ready(worker);
            }
            HostReport::InitFailed { failure, .. } => self.worker_init_failed(worker, failure),
            HostReport::ExitStepFailed { failure, .. } => self.worker_exit_step_failed(worker, failure),
            // The only other one that leads here is `Finalized`.
            _ => self.workers.set_finalized(worker),
        }
    }

    /// Handles the failure of a start on another host.
    fn remote_start_failed(&mut self, worker: WorkerId, error: PoolError) {
        self.workers.failure = Some(error);
        self.workers.remote.remove(worker);
        self.driver.emit(Event::StartFailed { worker });
    }

    /// Handles the answer to a revoke. `None` if it cannot be one.
    fn remote_revoked(&mut self, host: usize, number: u64, count: u64) -> Option<()> {
        let worker = self.workers.remote.worker_on(host, number)?;
        let is_possible = worker.set_revoked(count);
        let unstarted = worker.in_transit();
        is_possible.then(|| self.driver.emit(Event::Revoked { worker: WorkerId(number), count, unstarted }))
    }

    /// Records how many processors a host has. A pool whose number of workers was left out then has more of them.
    fn welcome(&mut self, host: usize, processors: u64) {
        let more = self.workers.remote.set_welcome(host, processors);
        if more > 0 && self.workers.grows_with_hosts {
            let workers = self.status.add_workers(more);
            self.driver.emit(Event::Resize { workers });
        }
    }

    /// Handles the end of a worker, after all that it has written has come.
    fn remote_worker_exited(&mut self, id: WorkerId, worker: RemoteWorker, exit: Box<ExitInfo>) {
        let unstarted = worker.in_transit();
        let RemoteWorker { info, has_reported, has_finalized, is_leaving, .. } = worker;
        self.check_end(&info, WorkerLife { has_reported, has_finalized, is_leaving }, exit.status);
        self.workers.set_exited(id, info, FailureKind::Died(exit));
        self.driver.emit(Event::Unstarted { worker: id, count: unstarted });
        self.driver.emit(Event::Exited { worker: id });
        self.execute_all();
    }

    /// Ends the workers of a host that is lost, or could not be used.
    fn lose_host(&mut self, LostHost { name, why, has_agent, workers }: &LostHost) {
        let is_hopeless = self.workers.remote.is_hopeless();
        for &id in workers {
            let Some(worker) = self.workers.remote.remove(id) else { continue };
            if !worker.has_reported {
                let (host, why) = (name.to_string(), why.clone());
                self.workers.failure = Some(PoolErrorKind::Host { host, why }.into());
                // A pool that never had a worker breaks by this, as by an initializer that fails.
                if is_hopeless {
                    self.driver.emit(Event::InitFailed { worker: id });
                }
            }
            let kind = FailureKind::HostLost { host: (**name).into(), why: why.as_str().into() };
            self.workers.set_exited(id, worker.info, kind);
            // A start that has failed counts against the pool, and the loss of a worker does not.
            let event = if *has_agent { Event::Lost { worker: id } } else { Event::StartFailed { worker: id } };
            self.driver.emit(event);
            self.execute_all();
        }
    }
}
