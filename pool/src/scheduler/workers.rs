//! [`WorkerSet`]: the workers as the scheduler sees them, and how many in a row have failed to start or ended idle.
//!
//! Two counts guard against workers that are no use. Starts that failed in a row break the pool when no worker is ready; ends
//! without a single task in a row delay the next start. The first begins again when a worker is ready, the second when one
//! completes a task.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::worker::{Worker, WorkerPhase};
use crate::model::ids::{JobId, TaskId, WorkerId};
use crate::model::options::PoolLimits;
use crate::model::tuning::SchedulerTuning;

/// All workers that have not ended.
#[derive(Debug)]
pub(super) struct WorkerSet {
    pub(super) limits: PoolLimits,
    tuning: &'static SchedulerTuning,
    workers: BTreeMap<WorkerId, Worker>,
    /// Workers of other hosts that may have to be granted more.
    pub(super) to_grant: BTreeSet<WorkerId>,
    /// The longest round trip that a worker had.
    pub(super) max_rtt: Duration,
    /// The number of workers that were ever started.
    spawned: u64,
    /// The number of workers that the pool had at once and has not let go as too many: those that were lost are still counted.
    whole: usize,
    /// The number of workers that replaced others.
    pub(super) restarts: u64,
    /// Whether any worker has ever been ready.
    pub(super) has_been_ready: bool,
    /// Consecutive workers that ended before they were ready.
    failed_starts: u32,
    /// Consecutive workers that ended without having run a task.
    idle_exits: u32,
    /// No worker is started before this.
    pub(super) next_start: Duration,
}

impl WorkerSet {
    pub(super) fn new(limits: PoolLimits, tuning: &'static SchedulerTuning) -> WorkerSet {
        WorkerSet {
            limits,
            tuning,
            workers: BTreeMap::new(),
            to_grant: BTreeSet::new(),
            max_rtt: Duration::ZERO,
            spawned: 0,
            whole: 0,
            restarts: 0,
            has_been_ready: false,
            failed_starts: 0,
            idle_exits: 0,
            next_start: Duration::ZERO,
        }
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
    }

    /// Returns all workers, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Worker)> {
        self.workers.iter_mut().map(|(id, worker)| (*id, worker))
    }

    /// Returns the workers for which a condition holds, in their order.
    pub(super) fn ids(&self, condition: impl Fn(&Worker) -> bool) -> Vec<WorkerId> {
        self.iter().filter(|(_, worker)| condition(worker)).map(|(id, _)| id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Returns the number of workers that can be sent tasks, now or soon.
    pub(super) fn active(&self) -> usize {
        self.workers.values().filter(|worker| worker.is_active()).count()
    }

    /// Returns the number of workers among which tasks are shared. At least 1.
    pub(super) fn available(&self) -> u64 {
        self.active().max(1) as u64
    }

    /// Returns the workers that hold tasks of a job.
    pub(super) fn holders(&self, job: JobId) -> Vec<WorkerId> {
        self.ids(|worker| worker.holds(job))
    }

    /// Returns the workers that may be sent tasks, with their loads: the idlest first, among equals the nearest, and among those the
    /// last to have worked, which is the least likely to sleep.
    pub(super) fn by_load(&self, now: Duration) -> Vec<(u64, WorkerId)> {
        // A worker that may be stopped gets tasks only when there is no other.
        let responds = |worker: &Worker| worker.avoid_until <= now;
        let any_responds = self.workers.values().any(|worker| worker.is_ready() && responds(worker));
        let ready = self.iter().filter(|(_, worker)| worker.can_take_more() && (!any_responds || responds(worker)));
        let mut ready: Vec<_> =
            ready.map(|(id, worker)| (worker.load(), worker.rtt, Reverse(worker.last_progress), id)).collect();
        ready.sort_unstable();
        ready.into_iter().map(|(load, _, _, id)| (load, id)).collect()
    }

    /// Returns the number of workers that are ready and hold no tasks.
    pub(super) fn idle(&self, now: Duration) -> u64 {
        self.idle_from().filter(|from| *from <= now).count() as u64
    }

    /// Returns when the next worker counts as idle.
    pub(super) fn next_idle(&self) -> Option<Duration> {
        self.idle_from().min()
    }

    /// Returns from when on each worker without tasks counts as idle. That is later for one that may be stopped.
    fn idle_from(&self) -> impl Iterator<Item = Duration> {
        let is_idle = |worker: &&Worker| worker.is_ready() && !worker.is_revoking() && worker.load() == 0;
        self.workers.values().filter(is_idle).map(|worker| worker.avoid_until)
    }

    /// Returns the workers that leave their tasks alone, and when those may be revoked.
    pub(super) fn unresponsive(&self) -> impl Iterator<Item = (WorkerId, Duration)> {
        let revocable = |worker: &Worker| !worker.is_revoking() && worker.is_serving() && worker.stop_reason.is_none();
        self.iter().filter(move |(_, worker)| revocable(worker)).filter_map(|(id, worker)| {
            // What it was sent takes its time to get there, as does the report that it has started.
            let limit = self.tuning.revoke_after_silence + worker.rtt.unwrap_or_default();
            let silent_until = worker.silent_since()?.saturating_add(limit);
            Some((id, silent_until.max(worker.revoke_after)))
        })
    }

    /// Returns the number of workers to be started where `queued` tasks wait.
    pub(super) fn missing(&self, queued: u64) -> usize {
        // Where idle workers leave, there is one for each task that runs or waits; otherwise there are always all of them.
        // One that has a pinned task only will be sent that in this tick.
        let is_busy = |worker: &&Worker| worker.is_active() && (worker.load() > 0 || !worker.pinned.is_empty());
        let busy = self.workers.values().filter(is_busy).count();
        let (min_workers, PoolLimits { max_workers, idle_timeout, .. }) = (self.min_workers(), self.limits);
        let demand = busy.saturating_add(usize::try_from(queued).unwrap_or(usize::MAX));
        let target = if idle_timeout.is_none() { max_workers } else { demand.clamp(min_workers, max_workers) };
        target.saturating_sub(self.active())
    }

    /// Returns the workers that are not needed: too many, or idle for too long.
    pub(super) fn excess(&self, now: Duration) -> Vec<WorkerId> {
        // Most ticks end here: they are frequent, and few pools let workers go.
        if self.limits.idle_timeout.is_none() && self.workers.len() <= self.limits.max_workers {
            return Vec::new();
        }
        let mut active: Vec<_> = self.iter().filter(|(_, worker)| worker.is_active()).collect();
        // The idlest first, and among those the ones that are not ready, because they cost nothing to lose.
        active.sort_by_key(|(id, worker)| (worker.load(), worker.is_ready(), worker.last_progress, *id));
        let too_many = active.len().saturating_sub(self.limits.max_workers);
        let mut beyond_min = active.len().saturating_sub(self.min_workers());
        let is_idle = |worker: &Worker| self.idle_until(worker).is_some_and(|until| until <= now);
        // One above the maximum goes whatever it does, one above the minimum only after its time without tasks. The idle ones need not be
        // the first: a worker that is starting must not keep one whose time has passed, whose deadline would then keep the pool awake.
        let chosen = active.iter().enumerate().filter(|(number, (_, worker))| {
            let leaves = *number < too_many || beyond_min > 0 && is_idle(worker);
            beyond_min = beyond_min.saturating_sub(usize::from(leaves));
            leaves
        });
        chosen.map(|(_, (id, _))| *id).collect()
    }

    /// Returns when the next worker has been idle for too long.
    pub(super) fn next_idle_exit(&self) -> Option<Duration> {
        let next = self.workers.values().filter_map(|worker| self.idle_until(worker)).min();
        // At the minimum no worker leaves, and a deadline that has passed would keep the pool awake.
        next.filter(|_| self.active() > self.min_workers())
    }

    /// Returns the number of workers that stay although they are idle. A resize may have made it less than the limit, for as long as
    /// the maximum is.
    fn min_workers(&self) -> usize {
        self.limits.min_workers.min(self.limits.max_workers)
    }

    /// Sets the number of workers. The minimum, which counts where idle workers leave, stays for a later resize.
    pub(super) fn resize(&mut self, workers: usize) {
        self.limits.max_workers = workers;
        self.whole = self.whole.min(workers);
    }

    /// Records that workers were let go because they are too many, so that none replaces them.
    pub(super) fn shrink(&mut self) {
        self.whole = self.whole.min(self.active());
    }

    /// Records that a worker is on another host, and how far that is.
    pub(super) fn set_rtt(&mut self, id: WorkerId, rtt: Duration) {
        if let Some(worker) = self.workers.get_mut(&id) {
            // More than nothing, because the longest one says whether there are such workers.
            let rtt = rtt.max(Duration::from_nanos(1));
            worker.rtt = Some(rtt);
            self.max_rtt = self.max_rtt.max(rtt);
            self.to_grant.insert(id);
        }
    }

    /// Records that a worker may have to be granted more, if it is on another host.
    #[inline]
    pub(super) fn may_grant(&mut self, id: WorkerId) {
        // The round trip comes first: no other worker ever has one.
        if self.max_rtt > Duration::ZERO && self.workers.get(&id).is_some_and(|worker| worker.rtt.is_some()) {
            self.to_grant.insert(id);
        }
    }

    /// Returns whether any worker is still starting.
    pub(super) fn has_starting(&self) -> bool {
        self.workers.values().any(|worker| worker.phase == WorkerPhase::Starting)
    }

    /// Records that `count` workers are about to be started. Those that do not make the pool larger than it was replace others.
    pub(super) fn count_starts(&mut self, count: usize) {
        let active = self.active();
        self.restarts += self.whole.saturating_sub(active).min(count) as u64;
        self.whole = self.whole.max(active + count);
    }

    /// Adds a worker that begins to start, under a number that no other had.
    pub(super) fn spawn(&mut self, now: Duration) -> WorkerId {
        self.spawned += 1;
        let id = WorkerId(self.spawned);
        self.workers.insert(id, Worker::starting(now));
        id
    }

    /// Records that a worker is ready. Returns `false` if it had said so before.
    pub(super) fn set_ready(&mut self, id: WorkerId, now: Duration) -> bool {
        // A worker that is gone need not be killed.
        let Some(worker) = self.workers.get_mut(&id) else { return true };
        worker.last_progress = now;
        match worker.phase {
            // A worker says it once. One that repeats it is not trusted any more.
            WorkerPhase::Ready | WorkerPhase::Retiring => return false,
            WorkerPhase::Starting => worker.phase = WorkerPhase::Ready,
            // It was asked to go before it was ready.
            WorkerPhase::Leaving { .. } | WorkerPhase::Stopping { .. } | WorkerPhase::Killed => {}
        }
        self.has_been_ready = true;
        self.failed_starts = 0;
        true
    }

    /// Records that a worker has completed a task.
    pub(super) fn reset_idle_exits(&mut self) {
        self.idle_exits = 0;
    }

    /// Removes a worker that has ended, and counts it if it was no use.
    pub(super) fn remove(&mut self, id: WorkerId, now: Duration) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        // Those that were asked to go, or were killed, have not failed by their end.
        if worker.is_active() {
            self.failed_starts = self.failed_starts.saturating_add(u32::from(!worker.is_ready()));
            // A death in a task is that task's fault. Other tasks need not wait longer for a replacement because of it.
            if worker.done > 0 || worker.load() > 0 {
                self.idle_exits = 0;
            } else {
                self.delay_start(now);
            }
        }
        Some(worker)
    }

    /// Removes a worker whose host was lost, which says nothing of the worker.
    pub(super) fn remove_lost(&mut self, id: WorkerId) -> Option<Worker> {
        self.workers.remove(&id)
    }

    /// Records that a worker which has not become ready is killed for it.
    pub(super) fn fail_start(&mut self, id: WorkerId, now: Duration) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        // So that `remove` does not count it a second time.
        worker.phase = WorkerPhase::Killed;
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.delay_start(now);
    }

    /// Returns whether failed starts in a row, while no other worker is left, are more than an accident.
    pub(super) fn cannot_start(&self) -> bool {
        let max_workers = u32::try_from(self.limits.max_workers).unwrap_or(u32::MAX);
        // All of them twice, and 8 more for a small pool: a shortage of memory that passes must not break it.
        let limit = max_workers.saturating_mul(2).saturating_add(8);
        self.failed_starts >= limit && !self.workers.values().any(Worker::is_ready)
    }

    /// Returns the workers that were asked to go and should have gone by now.
    pub(super) fn overdue(&self, now: Duration) -> Vec<WorkerId> {
        self.ids(|worker| worker.kill_at().is_some_and(|at| at <= now))
    }

    /// Returns when the next worker that was asked to go is killed.
    pub(super) fn next_overdue(&self) -> Option<Duration> {
        self.workers.values().filter_map(Worker::kill_at).min()
    }

    /// Returns the workers that should have been ready by now.
    pub(super) fn late_starts(&self, now: Duration) -> Vec<WorkerId> {
        self.ids(|worker| self.ready_by(worker).is_some_and(|by| by <= now))
    }

    /// Returns when the next worker has been starting for too long.
    pub(super) fn next_late_start(&self) -> Option<Duration> {
        self.workers.values().filter_map(|worker| self.ready_by(worker)).min()
    }

    /// Returns by when a starting worker has to be ready, where that is limited.
    fn ready_by(&self, worker: &Worker) -> Option<Duration> {
        let limit = self.limits.start_timeout.filter(|_| worker.phase == WorkerPhase::Starting)?;
        Some(worker.spawned_at.saturating_add(limit))
    }

    /// Returns each worker with the task that it holds first.
    pub(super) fn fronts(&self) -> impl Iterator<Item = (WorkerId, &Worker, TaskId)> {
        self.iter().filter_map(|(id, worker)| Some((id, worker, worker.front()?)))
    }

    /// Returns when a worker without tasks has been idle for too long, where that is limited.
    fn idle_until(&self, worker: &Worker) -> Option<Duration> {
        let is_idle = worker.is_ready() && worker.load() == 0;
        self.limits.idle_timeout.filter(|_| is_idle).map(|timeout| worker.last_progress.saturating_add(timeout))
    }

    /// Counts a worker that was no use, and puts the next start off, for longer the more of them came in a row.
    fn delay_start(&mut self, now: Duration) {
        self.idle_exits = self.idle_exits.saturating_add(1);
        self.next_start = now + self.delay();
    }

    /// Returns the delay of the next start: none for a few idle exits, then doubling from 2 ms on.
    fn delay(&self) -> Duration {
        match self.idle_exits.saturating_sub(self.tuning.free_idle_exits) {
            0 => Duration::ZERO,
            // 16 doublings of a millisecond are a minute, which is more than any maximum. The shift must not overflow.
            doublings => (Duration::from_millis(1) * (1 << doublings.min(16))).min(self.tuning.max_start_delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tuning::SCHEDULER_TUNING as TUNING;

    #[test]
    fn a_few_early_deaths_cost_no_time_and_many_cost_little() {
        let delay = |idle_exits| WorkerSet { idle_exits, ..WorkerSet::new(PoolLimits::fixed(1), &TUNING) }.delay();
        assert_eq!(delay(TUNING.free_idle_exits), Duration::ZERO);
        assert_eq!(delay(TUNING.free_idle_exits + 1), Duration::from_millis(2));
        assert_eq!(delay(u32::MAX), TUNING.max_start_delay);
    }
}
