//! The lives of hosts: agents are launched, greet, beat, and are lost or ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_process::StartMethod;

use super::connection::Connection;
use super::launcher::LaunchedAgent;
use super::launching::Launch;
use super::remote_hosts::RemoteHosts;
use crate::local::worker_handle::WorkerFactory;
use crate::model::ids::WorkerId;
use crate::model::tuning::FIRST_LAUNCH_ATTEMPTS;
use crate::wire::host_messages::{HostOrder, HostSetup, PROBE};
use crate::wire::lease::DriverLease;

/// A host that is of no use now.
#[derive(Debug)]
pub(crate) struct LostHost {
    pub(crate) name: Arc<str>,
    pub(crate) why: String,
    /// Whether an agent was there, or else its launch has failed.
    pub(crate) has_agent: bool,
    /// Its workers, and those that were to be started there.
    pub(crate) workers: Vec<WorkerId>,
}

impl RemoteHosts {
    /// Records the number of processors of a host. Returns by how many workers the host can have more than was guessed.
    pub(crate) fn set_welcome(&mut self, host: usize, processors: u64) -> usize {
        let host = &mut self.hosts[host];
        let processors = usize::try_from(processors).unwrap_or(1).max(1);
        if !host.is_guess {
            return 0;
        }
        host.is_guess = false;
        let more = processors.saturating_sub(host.capacity);
        host.capacity = processors;
        more
    }

    /// Records a beat of an agent, and acknowledges it.
    pub(crate) fn set_beat(&mut self, host: usize, number: u64, memory: Vec<(u64, u64)>, now: Duration) {
        for (worker, bytes) in memory {
            if let Some(worker) = self.worker_on(host, worker) {
                worker.memory = Some(bytes);
            }
        }
        // The acknowledgement, which extends the agent's lease, goes out after this side's was extended.
        self.hosts[host].lease.iter_mut().filter(|_| number != PROBE).for_each(|lease| lease.receive(now));
        self.hosts[host].order(HostOrder::Acknowledge { beat: number });
    }

    /// Records that a host has brought a worker.
    pub(crate) fn set_useful(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get(&worker) {
            self.hosts[worker.host].set_useful();
        }
    }

    /// Handles launches that have ended, links that have, and leases that are over. Returns the hosts that are of no use now, once each.
    pub(crate) fn take_lost(&mut self, factory: &WorkerFactory, now: Duration) -> Vec<LostHost> {
        let mut lost = Vec::new();
        for Launch { host, launcher, outcome } in self.launches.take() {
            self.hosts[host].launcher = launcher;
            match outcome {
                Ok(launched) => self.connect(host, launched, factory, now),
                Err(why) => lost.push((host, why)),
            }
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(connection) = &host.connection else { continue };
            let is_late = host.lease.as_ref().is_some_and(|lease| lease.is_over(now));
            let silence = || "nothing was heard of it for the time of its lease".to_owned();
            if let Some(why) = connection.error().map(str::to_owned).or_else(|| is_late.then(silence)) {
                lost.push((index, why));
            }
        }
        let lost = lost.into_iter().map(|(host, why)| self.lose(host, why, now)).collect();
        self.launch_due(now);
        lost
    }

    /// Returns whether no host can be used, as far as the first attempts show.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.has_no_local_workers() && self.hosts.iter().all(|host| host.failures >= FIRST_LAUNCH_ATTEMPTS)
    }

    /// Returns when a launch is due, or a lease is over.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let launches = self.hosts.iter().filter(|host| host.needs_launch()).map(|host| host.launch_at);
        launches.chain(self.hosts.iter().filter_map(|host| host.lease.as_ref().map(DriverLease::deadline))).min()
    }

    /// Ends all agents, and waits until they have ended, up to the deadline.
    pub(crate) fn end(&mut self, deadline: Instant) {
        self.connections().for_each(|connection| connection.outbox.push(HostOrder::End));
        self.flush();
        for host in &mut self.hosts {
            if let Some(mut connection) = host.connection.take() {
                connection.unwatch(&self.poller);
                connection.wait_end(deadline);
            }
        }
        self.workers.clear();
    }

    /// Begins the launches that are due.
    pub(super) fn launch_due(&mut self, now: Duration) {
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if host.needs_launch() && host.launch_at <= now && self.launches.has_space() {
                host.launcher.take().into_iter().for_each(|launcher| self.launches.begin(index, launcher));
            }
        }
    }

    /// Begins to use an agent.
    fn connect(&mut self, index: usize, launched: LaunchedAgent, factory: &WorkerFactory, now: Duration) {
        let WorkerFactory { method, preparation, captures_stderr, processors } = factory;
        let setup = HostSetup {
            preparation,
            spawns: *method == StartMethod::Spawn,
            captures_stderr: *captures_stderr,
            processors: processors.clone(),
            lease: self.lease,
        };
        let mut connection = Box::new(Connection::new(index, launched, &setup));
        let host = &mut self.hosts[index];
        host.waiting.drain(..).for_each(|(_, start)| connection.outbox.push(start));
        host.lease = self.lease.map(|lease| DriverLease::new(lease, now));
        host.connection = Some(connection);
        self.flush();
    }

    /// Gives up a host, for now or for good.
    fn lose(&mut self, index: usize, why: String, now: Duration) -> LostHost {
        let host = &mut self.hosts[index];
        let has_agent = host.connection.is_some();
        if let Some(connection) = &mut host.connection {
            connection.unwatch(&self.poller);
            host.is_retired |= !self.rejoin;
        }
        host.set_failed(now);
        let workers = self.workers.iter().filter(|(_, worker)| worker.host == index).map(|(id, _)| *id).collect();
        LostHost { name: host.name.clone(), why, has_agent, workers }
    }
}
