//! [`Workers`]: the worker processes that have not ended, and what is known of those that have.
//!
//! Workers have numbers that rise, so an order by number is that in which they were started. What is known of a worker that has
//! ended is kept for one round, in which its tasks get their errors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::Ring;

use super::oom::OomCounter;
use super::poller::Poller;
use super::worker_handle::{WorkerFactory, WorkerHandle};
use crate::model::failure_info::{ExitInfo, FailureInfo, FailureKind, WorkerInfo};
use crate::model::ids::WorkerId;
use crate::model::options::PoolLimits;
use crate::model::pool_error::PoolError;
use crate::model::trace;
use crate::model::tuning::{MAX_NOTIFY_DELAY, MEMORY_CHECK_INTERVAL, REAP_TIMEOUT};
use crate::wire::channel::Doorbell;

/// The worker processes.
#[derive(Debug)]
pub(super) struct Workers {
    handles: BTreeMap<WorkerId, WorkerHandle>,
    poller: Arc<Poller>,
    factory: WorkerFactory,
    /// The workers that ended in this round.
    exited: HashMap<WorkerId, (WorkerInfo, ExitInfo)>,
    /// The last failure of a worker that was not ready.
    pub(super) failure: Option<PoolError>,
    /// The number of workers that were started.
    spawned: usize,
    pub(super) start_timeout: Option<Duration>,
    max_memory: Option<u64>,
    memory_checked_at: Duration,
    pub(super) oom: OomCounter,
    /// When a worker has notified this side, if it may have delayed another notification since then.
    pub(super) notified_at: Option<Duration>,
}

impl Workers {
    pub(super) fn new(poller: Arc<Poller>, factory: WorkerFactory, limits: &PoolLimits) -> Workers {
        Workers {
            handles: BTreeMap::new(),
            poller,
            factory,
            exited: HashMap::new(),
            failure: None,
            spawned: 0,
            start_timeout: limits.start_timeout,
            max_memory: limits.max_memory,
            memory_checked_at: Duration::ZERO,
            oom: OomCounter::new(),
            notified_at: None,
        }
    }

    /// Starts a process. Returns `false` if that has failed, and keeps the reason.
    pub(super) fn spawn(&mut self, id: WorkerId) -> bool {
        self.spawned += 1;
        let spawned = self.factory.spawn_worker(self.spawned);
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

    pub(super) fn ids(&self) -> Vec<WorkerId> {
        self.handles.keys().copied().collect()
    }

    /// Returns the workers for which a condition holds.
    pub(super) fn ids_where(&self, condition: impl Fn(&WorkerHandle) -> bool) -> Vec<WorkerId> {
        self.handles.iter().filter(|(_, handle)| condition(handle)).map(|(id, _)| *id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Reads the rings of all workers. Returns whether there was anything.
    #[inline]
    pub(super) fn read_all(&mut self) -> bool {
        // `|` and not `||`, because each ring is to be read whatever the others had.
        self.handles.values_mut().fold(false, |any, handle| handle.read() | any)
    }

    /// Asks all workers for a notification. Returns whether there are results already.
    pub(super) fn arm(&self, doorbell: Doorbell) -> bool {
        self.handles.values().for_each(|handle| handle.channel.arm(doorbell));
        // Pairs with the fence in `Worker::notify_if_asleep`; see `Doorbell`.
        Ring::full_fence();
        self.handles.values().any(|handle| handle.channel.has_results())
    }

    /// Asks all workers for no notifications.
    pub(super) fn disarm(&self) {
        self.handles.values().for_each(|handle| handle.channel.disarm());
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
    }

    /// Returns the workers that use more memory than they may.
    pub(super) fn exceeding_memory(&mut self, now: Duration) -> Vec<WorkerId> {
        let Some(max) = self.max_memory else { return Vec::new() };
        if now < self.memory_checked_at + MEMORY_CHECK_INTERVAL {
            return Vec::new();
        }
        self.memory_checked_at = now;
        self.ids_where(|handle| handle.resident_memory().is_some_and(|memory| memory > max))
    }

    /// Returns whether workers run a finalizer before they leave, and whether they drop a state then.
    pub(super) fn exit_steps(&self) -> (bool, bool) {
        let preparation = &self.factory.preparation;
        (preparation.finalizer.is_some(), preparation.local_state.is_some())
    }

    /// Returns the name and the process of a worker that is alive or ended in this round.
    pub(super) fn info(&self, id: WorkerId) -> Option<WorkerInfo> {
        let living = self.handles.get(&id).map(WorkerHandle::info);
        living.or(self.exited.get(&id).map(|(info, _)| info)).cloned()
    }

    /// Returns why a worker has ended in this round.
    pub(super) fn exit_cause(&self, id: WorkerId) -> FailureInfo {
        match self.exited.get(&id) {
            Some((info, exit)) => FailureInfo::of(Some(info.clone()), FailureKind::Died(Box::new(exit.clone()))),
            None => FailureInfo::of(None, FailureKind::Unreadable("its worker is gone".to_owned())),
        }
    }

    /// Removes a worker that has ended.
    pub(super) fn remove(&mut self, id: WorkerId) -> Option<WorkerHandle> {
        let mut handle = self.handles.remove(&id)?;
        // The last lines that it wrote say why it died, and belong into the error.
        handle.stderr_tail.forward();
        self.poller.remove(&handle);
        Some(handle)
    }

    /// Keeps how a worker has ended, for the errors of its tasks.
    pub(super) fn set_exited(&mut self, id: WorkerId, info: WorkerInfo, exit: ExitInfo) {
        self.exited.insert(id, (info, exit));
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
        ended
    }
}
