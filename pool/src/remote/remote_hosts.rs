//! [`RemoteHosts`]: the hosts of a pool and the workers on them.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use procession_core::LinkError;

use super::connection::Connection;
use super::launcher::HostSet;
use super::launching::Launches;
use super::remote_host::{NO_DESCRIPTORS, RemoteHost};
use super::remote_worker::RemoteWorker;
use crate::local::functions::FunctionTable;
use crate::local::poller::Poller;
use crate::local::worker_handle::WorkerFactory;
use crate::model::failure_info::WorkerInfo;
use crate::model::ids::WorkerId;
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::wire::arguments::ArgumentBatch;
use crate::wire::channel::Doorbell;
use crate::wire::host_messages::{HostFrame, HostOrder, HostReport};
use crate::wire::item::ChunkHeader;
use crate::wire::outbox::Payload;

/// The hosts other than that of the pool. Most pools have none.
#[derive(Debug)]
pub(crate) struct RemoteHosts {
    pub(super) hosts: Vec<RemoteHost>,
    pub(super) workers: BTreeMap<WorkerId, RemoteWorker>,
    /// The number of workers on the pool's own host, at most.
    local_workers: usize,
    pub(super) lease: Option<Duration>,
    pub(super) rejoin: bool,
    pub(super) launches: Launches,
    pub(super) poller: Arc<Poller>,
    /// Ends the launches under way when it is dropped.
    _keep: Option<Box<dyn Any + Send>>,
}

impl RemoteHosts {
    pub(crate) fn new(set: Option<HostSet>, poller: Arc<Poller>) -> RemoteHosts {
        let none = HostSet {
            launchers: Vec::new(),
            local_workers: usize::MAX,
            lease: None,
            rejoin: false,
            error: None,
            keep: None,
        };
        let HostSet { launchers, local_workers, lease, rejoin, error: _, keep } = set.unwrap_or(none);
        let hosts = launchers.into_iter().map(RemoteHost::new).collect();
        let launches = Launches::new(poller.clone());
        RemoteHosts { hosts, workers: BTreeMap::new(), local_workers, lease, rejoin, launches, poller, _keep: keep }
    }

    /// Returns whether all workers are on the pool's own host.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Returns whether all workers are on other hosts.
    pub(super) fn has_no_local_workers(&self) -> bool {
        self.local_workers == 0
    }

    /// Returns whether there is no worker on another host.
    pub(crate) fn has_no_workers(&self) -> bool {
        self.workers.is_empty()
    }

    pub(crate) fn worker(&self, id: WorkerId) -> Option<&RemoteWorker> {
        self.workers.get(&id)
    }

    pub(crate) fn worker_mut(&mut self, id: WorkerId) -> Option<&mut RemoteWorker> {
        self.workers.get_mut(&id)
    }

    /// Returns the worker with this number, if it is on this host.
    pub(crate) fn worker_on(&mut self, host: usize, worker: u64) -> Option<&mut RemoteWorker> {
        self.workers.get_mut(&WorkerId(worker)).filter(|worker| worker.host == host)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = (WorkerId, &RemoteWorker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    /// Starts a worker on the host with the most space, or says that it is to be started on the pool's own, which has `local` workers.
    ///
    /// # Errors
    ///
    /// No host is left to start it on, and the pool's own is to have no workers.
    pub(crate) fn start(
        &mut self,
        id: WorkerId,
        number: usize,
        local: usize,
        now: Duration,
    ) -> Result<bool, PoolError> {
        if local < self.local_workers {
            return Ok(false);
        }
        let usable = self.hosts.iter().enumerate().filter(|(_, host)| !host.is_retired);
        // A host that has failed is the last choice, and so is one that has as many workers as it is to have.
        let chosen = usable.min_by_key(|(_, host)| {
            let is_waiting = host.connection.is_none() && host.launch_at > now;
            (host.assigned >= host.capacity, is_waiting, host.assigned * 1024 / host.capacity.max(1))
        });
        let Some((index, _)) = chosen else {
            return if self.has_no_local_workers() { Err(PoolErrorKind::NoHosts.into()) } else { Ok(false) };
        };
        let host = &mut self.hosts[index];
        let name = WorkerFactory::next_name();
        let info = WorkerInfo { name: name.as_str().into(), pid: 0, host: Some(host.name.clone()) };
        let order = HostOrder::Start { worker: id.0, number: number as u64, name };
        host.assigned += 1;
        match &mut host.connection {
            Some(connection) => connection.outbox.push(order),
            None => host.waiting.push((id, order)),
        }
        self.workers.insert(id, RemoteWorker::new(index, info));
        self.launch_due(now);
        Ok(true)
    }

    /// Removes a worker that has ended, or will not be started.
    pub(crate) fn remove(&mut self, id: WorkerId) -> Option<RemoteWorker> {
        let worker = self.workers.remove(&id)?;
        let host = &mut self.hosts[worker.host];
        host.assigned -= 1;
        host.waiting.retain(|(waiting, _)| *waiting != id);
        if let Some(connection) = &mut host.connection {
            connection.outbox.remove_stream(id.0);
        }
        Some(worker)
    }

    /// Gives a worker an order. Returns `false` if it has no process yet and will have none: its start was withdrawn.
    pub(crate) fn order(&mut self, id: WorkerId, order: HostOrder) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return true };
        let host = &mut self.hosts[worker.host];
        if host.waiting.iter().any(|(waiting, _)| *waiting == id) {
            self.remove(id);
            return false;
        }
        worker.is_leaving |= matches!(order, HostOrder::Leave { .. });
        host.order(order);
        true
    }

    /// Sends a worker tasks, and its host their function if it does not know it.
    pub(crate) fn send(
        &mut self,
        id: WorkerId,
        (function, chunk_size): (u32, u64),
        functions: &FunctionTable,
        batch: &Arc<ArgumentBatch>,
        items: Range<usize>,
    ) -> Result<(), LinkError> {
        let Some(worker) = self.workers.get_mut(&id) else { return Ok(()) };
        let host = &mut self.hosts[worker.host];
        if batch.descriptors_of(items.clone()).next().is_some() {
            return Err(LinkError::Unsendable(NO_DESCRIPTORS.to_owned()));
        }
        host.register(function, functions)?;
        let (count, len) = (items.len() as u64, batch.range(items.clone()).len() as u64);
        worker.sent += count;
        // Without a connection the worker is about to be reported as lost, with these tasks.
        let Some(connection) = &mut host.connection else { return Ok(()) };
        let chunk_size = u32::try_from(chunk_size).unwrap_or(u32::MAX);
        let header = ChunkHeader { number: 0, count, function, chunk_size, len }.write();
        connection.outbox.push_bytes(id.0, header.to_vec().into());
        connection.outbox.push_bytes(id.0, Payload::arguments(batch.clone(), items));
        Ok(())
    }

    /// Revokes up to `count` of a worker's last tasks. Returns how many were not started if that is answered at once: nothing can be
    /// revoked before its tasks have left this process.
    pub(crate) fn revoke(&mut self, id: WorkerId, count: u64) -> Option<u64> {
        let worker = self.workers.get_mut(&id)?;
        let connection = self.hosts[worker.host].connection.as_mut()?;
        if connection.outbox.has_queued(id.0) {
            return Some(worker.in_transit());
        }
        worker.revokes += 1;
        connection.outbox.push(HostOrder::Revoke { worker: id.0, count });
        None
    }

    /// Has all agents forget a function.
    pub(crate) fn unregister(&mut self, function: u32) {
        self.hosts.iter_mut().for_each(|host| host.unregister(function));
    }

    /// Reads what the agents have sent. Returns whether there was anything.
    pub(crate) fn read(&mut self) -> bool {
        self.connections().fold(false, |any, connection| connection.read() | any)
    }

    /// Returns the next frame that was read, and the host that it came from.
    pub(crate) fn next_frame(&mut self) -> Option<(usize, HostFrame<HostReport>)> {
        let mut hosts = self.hosts.iter_mut().enumerate();
        hosts.find_map(|(index, host)| Some((index, host.connection.as_mut()?.next_frame()?)))
    }

    /// Sends what waits, as far as there is space.
    pub(crate) fn flush(&mut self) {
        let poller = self.poller.clone();
        self.connections().for_each(|connection| connection.flush(&poller));
    }

    /// Has reports wake the pool's own thread. Returns whether there are some already.
    pub(crate) fn arm(&mut self, doorbell: Doorbell) -> bool {
        let poller = self.poller.clone();
        self.connections().fold(false, |any, connection| connection.arm(doorbell, &poller) | any)
    }

    /// Has reports wake no thread.
    pub(crate) fn disarm(&mut self) {
        let poller = self.poller.clone();
        self.connections().for_each(|connection| connection.disarm(&poller));
    }

    /// Gives up a host that has sent what no agent sends.
    pub(crate) fn set_garbled(&mut self, host: usize) {
        if let Some(connection) = &mut self.hosts[host].connection {
            connection.fail(&LinkError::Garbled("it speaks of what it does not have".to_owned()));
        }
    }

    pub(super) fn connections(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.hosts.iter_mut().filter_map(|host| host.connection.as_deref_mut())
    }
}
