//! [`Workers`]: the worker processes that have not ended, and what is known of those that have.
//!
//! Workers have numbers that rise, so an order by number is that in which they were started. What is known of a worker that has
//! ended is kept for one round, in which its tasks get their errors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::Ring;

use super::stderr_forwarder;
use crate::local::oom::OomCounter;
use crate::local::poller::Poller;
use crate::local::worker_handle::{WorkerFactory, WorkerHandle};
use crate::model::failure_info::{FailureInfo, FailureKind, WorkerInfo};
use crate::model::ids::WorkerId;
use crate::model::options::PoolLimits;
use crate::model::pool_error::PoolError;
use crate::model::trace;
use crate::model::tuning::{MAX_NOTIFY_DELAY, MEMORY_CHECK_INTERVAL, REAP_TIMEOUT};
use crate::remote::host_lives::LostHost;
use crate::remote::launcher::HostSet;
use crate::remote::remote_hosts::RemoteHosts;
use crate::wire::channel::Doorbell;

/// The worker processes.
#[derive(Debug)]
pub(super) struct Workers {
    handles: BTreeMap<WorkerId, WorkerHandle>,
    poller: Arc<Poller>,
    factory: WorkerFactory,
    pub(super) remote: RemoteHosts,
    /// The workers that ended in this round.
    exited: HashMap<WorkerId, FailureInfo>,
    /// The last failure of a worker that was not ready.
    pub(super) failure: Option<PoolError>,
    /// The number of workers that were started.
    spawned: usize,
    pub(super) start_timeout: Option<Duration>,
    /// Whether the number of workers follows the number of the hosts' processors.
    pub(super) grows_with_hosts: bool,
    max_memory: Option<u64>,
    memory_checked_at: Duration,
    pub(super) oom: OomCounter,
    /// When a worker has notified this side, if it may have delayed another notification since then.
    pub(super) notified_at: Option<Duration>,
}

impl Workers {
    pub(super) fn new(
        poller: Arc<Poller>,
        factory: WorkerFactory,
        hosts: Option<HostSet>,
        limits: &PoolLimits,
    ) -> Workers {
        Workers {
            handles: BTreeMap::new(),
            remote: RemoteHosts::new(hosts, poller.clone()),
            poller,
            factory,
            exited: HashMap::new(),
            failure: None,
            spawned: 0,
            start_timeout: limits.start_timeout,
            grows_with_hosts: limits.grows_with_hosts,
            max_memory: limits.max_memory,
            memory_checked_at: Duration::ZERO,
            oom: OomCounter::new(),
            notified_at: None,
        }
    }

    /// Starts a process, here or on another host. Returns `false` if that has failed, and keeps the reason.
    pub(super) fn spawn(&mut self, id: WorkerId, now: Duration) -> bool {
        self.spawned += 1;
        if !self.remote.is_empty() {
            match self.remote.start(id, self.spawned, self.handles.len(), now) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    self.failure = Some(error);
                    return false;
                }
            }
        }
        let spawned = self.factory.spawn_worker(self.spawned, WorkerFactory::next_name());
        match spawned.and_then(|handle| self.poller.add(id, &handle).map(|()| handle)) {
            Ok(handle) => {
                trace::worker_started(&handle.info().name, handle.info().pid);
                self.handles.insert(id, handle);
                true
            }
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&WorkerHandle> {
        self.handles.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut WorkerHandle> {
        self.handles.get_mut(&id)
    }

    /// Does something with a worker that may change whether its link is polled.
    pub(super) fn with<T>(&mut self, id: WorkerId, action: impl FnOnce(&mut WorkerHandle) -> T) {
        if let Some(handle) = self.handles.get_mut(&id) {
            action(handle);
            self.poller.update(id, handle);
        }
    }

    /// Returns the worker processes of this host.
    pub(super) fn ids(&self) -> Vec<WorkerId> {
        self.handles.keys().copied().collect()
    }

    /// Returns the workers for which a condition holds.
    pub(super) fn ids_where(&self, condition: impl Fn(&WorkerHandle) -> bool) -> Vec<WorkerId> {
        self.handles.iter().filter(|(_, handle)| condition(handle)).map(|(id, _)| *id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.handles.is_empty() && self.remote.has_no_workers()
    }

    /// Returns the bytes of a worker's results that were read and not handled.
    pub(super) fn inbound(&mut self, id: WorkerId) -> Option<&mut Vec<u8>> {
        match self.handles.get_mut(&id) {
            Some(handle) => Some(&mut handle.inbound),
            None => self.remote.worker_mut(id).map(|worker| &mut worker.inbound),
        }
    }

    /// Returns since when the task runs that a worker has started last, if it has started the first of the `load` tasks that it holds.
    pub(super) fn running_since(&self, id: WorkerId, load: u64) -> Option<Duration> {
        let (in_transit, since) = match self.handles.get(&id) {
            Some(handle) => (handle.channel.in_transit(), handle.channel.running_since()),
            None => self.remote.worker(id).map(|worker| (worker.in_transit(), worker.running_since))?,
        };
        (in_transit < load).then_some(since)
    }

    /// Returns the resident memory of a worker in bytes, where it is known.
    pub(super) fn memory(&self, id: WorkerId) -> Option<u64> {
        match self.handles.get(&id) {
            Some(handle) => handle.resident_memory(),
            None => self.remote.worker(id)?.memory,
        }
    }

    /// Records that a worker has reported whether it is ready, and returns its name.
    pub(super) fn set_reported(&mut self, id: WorkerId) -> String {
        if let Some(handle) = self.handles.get_mut(&id) {
            handle.has_reported = true;
        } else if let Some(worker) = self.remote.worker_mut(id) {
            worker.has_reported = true;
        }
        self.info(id).map_or_else(String::new, |info| info.name.to_string())
    }

    /// Records that the finalizer of a worker has returned, or has failed.
    pub(super) fn set_finalized(&mut self, id: WorkerId) {
        if let Some(handle) = self.handles.get_mut(&id) {
            handle.has_finalized = true;
        } else if let Some(worker) = self.remote.worker_mut(id) {
            worker.has_finalized = true;
        }
    }

    /// Returns the hosts that are of no use now, once each, and launches agents.
    pub(super) fn take_lost_hosts(&mut self, now: Duration) -> Vec<LostHost> {
        self.remote.take_lost(&self.factory, now)
    }

    /// Reads the rings of all workers, and the links of hosts. Returns whether there was anything.
    #[inline]
    pub(super) fn read_all(&mut self) -> bool {
        // `|` and not `||`, because each ring is to be read whatever the others had.
        let has_read = self.handles.values_mut().fold(false, |any, handle| handle.read() | any);
        if self.remote.is_empty() { has_read } else { self.remote.read() | has_read }
    }

    /// Asks all workers for a notification. Returns whether there are results already.
    pub(super) fn arm(&mut self, doorbell: Doorbell) -> bool {
        let has_reports = !self.remote.is_empty() && self.remote.arm(doorbell);
        self.handles.values().for_each(|handle| handle.channel.arm(doorbell));
        // Pairs with the fence in `Worker::notify_if_asleep`; see `Doorbell`.
        Ring::full_fence();
        has_reports || self.handles.values().any(|handle| handle.channel.has_results())
    }

    /// Asks all workers for no notifications.
    pub(super) fn disarm(&mut self) {
        self.handles.values().for_each(|handle| handle.channel.disarm());
        if !self.remote.is_empty() {
            self.remote.disarm();
        }
    }

    /// Returns when the rings are to be read because a worker may delay a notification until then.
    pub(super) fn delayed_notification(&self) -> Option<Duration> {
        self.notified_at.map(|at| at + MAX_NOTIFY_DELAY)
    }

    /// Forgets a notification after which a delayed one would have come by now.
    pub(super) fn forget_notification(&mut self, now: Duration) {
        self.notified_at = self.notified_at.filter(|at| *at + MAX_NOTIFY_DELAY > now);
    }

    /// Unregisters a function that is not needed any more.
    pub(super) fn unregister(&mut self, function: u32) {
        self.handles.values_mut().for_each(|handle| handle.unregister(function));
        self.remote.unregister(function);
    }

    /// Returns the workers that use more memory than they may.
    pub(super) fn exceeding_memory(&mut self, now: Duration) -> Vec<WorkerId> {
        let Some(max) = self.max_memory else { return Vec::new() };
        if now < self.memory_checked_at + MEMORY_CHECK_INTERVAL {
            return Vec::new();
        }
        self.memory_checked_at = now;
        let mut exceeding = self.ids_where(|handle| handle.resident_memory().is_some_and(|memory| memory > max));
        let remote = self.remote.workers().filter(|(_, worker)| worker.memory.is_some_and(|memory| memory > max));
        exceeding.extend(remote.map(|(id, _)| id));
        exceeding
    }

    /// Returns whether workers run a finalizer before they leave, and whether they drop a state then.
    pub(super) fn exit_steps(&self) -> (bool, bool) {
        let preparation = &self.factory.preparation;
        (preparation.finalizer.is_some(), preparation.local_state.is_some())
    }

    /// Returns the name and the process of a worker that is alive or ended in this round.
    pub(super) fn info(&self, id: WorkerId) -> Option<WorkerInfo> {
        let living = self.handles.get(&id).map(WorkerHandle::info);
        let living = living.or_else(|| self.remote.worker(id).map(|worker| &worker.info));
        living.cloned().or_else(|| self.exited.get(&id)?.worker.clone())
    }

    /// Returns why a worker has ended in this round.
    pub(super) fn exit_cause(&self, id: WorkerId) -> FailureInfo {
        let gone = || FailureInfo::of(None, FailureKind::Unreadable("its worker is gone".to_owned()));
        self.exited.get(&id).cloned().unwrap_or_else(gone)
    }

    /// Removes a worker that has ended.
    pub(super) fn remove(&mut self, id: WorkerId) -> Option<WorkerHandle> {
        let mut handle = self.handles.remove(&id)?;
        // The last lines that it wrote say why it died, and belong into the error.
        handle.stderr_tail.read(stderr_forwarder::forward);
        self.poller.remove(&handle);
        Some(handle)
    }

    /// Keeps how a worker has ended, for the errors of its tasks.
    pub(super) fn set_exited(&mut self, id: WorkerId, info: WorkerInfo, kind: FailureKind) {
        self.exited.insert(id, FailureInfo::of(Some(info), kind));
    }

    /// Forgets the workers that ended in this round: their tasks have their errors.
    #[inline]
    pub(super) fn forget_exited(&mut self) {
        if !self.exited.is_empty() {
            self.exited.clear();
        }
    }

    /// Kills all workers, and waits until they are gone. Returns those that the kernel has let go of.
    pub(super) fn kill_all(&mut self) -> Vec<WorkerHandle> {
        // All before the first is waited for, so that they end side by side and share one limit.
        self.handles.values().for_each(|handle| handle.child().kill());
        let until = Instant::now() + REAP_TIMEOUT;
        let has_ended = |handle: &WorkerHandle| {
            let left = until.saturating_duration_since(Instant::now());
            handle.child().wait_timeout(left).is_ok_and(|end| end.is_some())
        };
        let mut ended = Vec::new();
        for id in self.ids() {
            // Removed after it has ended, so that all of its standard error is forwarded.
            let has_ended = self.get(id).is_some_and(has_ended);
            ended.extend(self.remove(id).filter(|_| has_ended));
        }
        self.remote.end(until);
        ended
    }
}
