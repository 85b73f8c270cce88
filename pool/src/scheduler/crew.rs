//! The workers as the scheduler sees them, and how many in a row have come to nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::worker::{Life, Worker};
use crate::ids::{JobId, TaskId, WorkerId};
use crate::terms::Staffing;

/// So many workers in a row may end without having done anything before the next start is delayed.
const PATIENCE: u32 = 3;
/// A worker that has left alone, for so long, what it was sent is asked for it, if others have nothing to do.
const HEARING: Duration = Duration::from_millis(50);
/// The longest delay before a start.
const LONGEST_DELAY: Duration = Duration::from_millis(256);

/// All workers that have not ended.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) staffing: Staffing,
    workers: BTreeMap<WorkerId, Worker>,
    started: u64,
    /// Whether any worker has ever been ready.
    pub(super) proven: bool,
    /// Workers in a row that ended before they were ready.
    stillborn: u32,
    /// Workers in a row that ended without having done anything.
    barren: u32,
    /// No start before this.
    pub(super) next_start: Duration,
}

impl Crew {
    pub(super) fn new(staffing: Staffing) -> Crew {
        let workers = BTreeMap::new();
        Crew { staffing, workers, started: 0, proven: false, stillborn: 0, barren: 0, next_start: Duration::ZERO }
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(id, worker)| (*id, worker))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Worker)> {
        self.workers.iter_mut().map(|(id, worker)| (*id, worker))
    }

    pub(super) fn ids(&self) -> Vec<WorkerId> {
        self.workers.keys().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// How many can be sent tasks, now or soon. At least 1.
    pub(super) fn hands(&self) -> u64 {
        self.workers.values().filter(|worker| worker.is_of_use()).count().max(1) as u64
    }

    /// Those that nobody has asked to go, in their order.
    pub(super) fn useful(&self) -> Vec<WorkerId> {
        self.workers.iter().filter(|(_, worker)| worker.is_of_use()).map(|(id, _)| *id).collect()
    }

    /// Those who hold tasks of a job.
    pub(super) fn holders(&self, job: JobId) -> Vec<WorkerId> {
        self.workers.iter().filter(|(_, worker)| worker.holds(job)).map(|(id, _)| *id).collect()
    }

    /// The workers that may be sent tasks, with how many they hold: the idlest first, and of those the last to have worked,
    /// which is the least likely to sleep.
    pub(super) fn by_load(&self, now: Duration) -> Vec<(u64, WorkerId)> {
        // One that may have been stopped comes last of all: when there is no other.
        let hears = |one: &Worker| one.deaf_until <= now;
        let is_heard = self.workers.values().any(|one| one.is_ready() && hears(one));
        let ready = self.workers.iter().filter(|(_, one)| one.takes_more() && (!is_heard || hears(one)));
        let mut ready: Vec<_> = ready.map(|(id, one)| (one.load(), Reverse(one.stirred), *id)).collect();
        ready.sort_unstable();
        ready.into_iter().map(|(load, _, id)| (load, id)).collect()
    }

    /// How many are ready and have nothing to do.
    pub(super) fn idle(&self, now: Duration) -> u64 {
        self.idle_from().filter(|from| *from <= now).count() as u64
    }

    /// From when on one will count as such.
    pub(super) fn next_idle(&self) -> Option<Duration> {
        self.idle_from().min()
    }

    fn idle_from(&self) -> impl Iterator<Item = Duration> {
        let idle = self.workers.values().filter(|one| one.is_ready() && !one.is_recalling && one.load() == 0);
        idle.map(|one| one.deaf_until)
    }

    /// Those that have left alone what they were sent, since when, and from when on they can be asked for it.
    pub(super) fn silent(&self) -> impl Iterator<Item = (WorkerId, Duration)> {
        let silent =
            self.workers.iter().filter(|(_, one)| !one.is_recalling && one.is_free() && one.sentence.is_none());
        silent.filter_map(|(id, one)| Some((*id, one.silent_since()?.saturating_add(HEARING).max(one.recall_after))))
    }

    /// How many must be started to have as many as are wanted while so many tasks wait.
    pub(super) fn lacking(&self, queued: u64) -> usize {
        let useful = self.workers.values().filter(|worker| worker.is_of_use()).count();
        let busy = self.workers.values().filter(|worker| worker.is_of_use() && worker.load() > 0).count();
        let Staffing { least, most, idle_timeout, .. } = self.staffing;
        let demand = busy.saturating_add(usize::try_from(queued).unwrap_or(usize::MAX));
        let target = if idle_timeout.is_none() { most } else { demand.clamp(least, most) };
        target.saturating_sub(useful)
    }

    /// Those that are not needed any more: too many, or idle for too long.
    pub(super) fn surplus(&self, now: Duration) -> Vec<WorkerId> {
        let mut useful: Vec<_> = self.workers.iter().filter(|(_, worker)| worker.is_of_use()).collect();
        useful.sort_by_key(|(id, worker)| (worker.load(), worker.is_ready(), worker.stirred, **id));
        let most = self.staffing.most;
        let too_many = useful.len().saturating_sub(most);
        let idle = |worker: &Worker| self.rests_until(worker).is_some_and(|until| until <= now);
        let beyond_least = useful.len().saturating_sub(self.staffing.least);
        let chosen = useful
            .iter()
            .enumerate()
            .filter(|(number, (_, worker))| *number < too_many || *number < beyond_least && idle(worker));
        chosen.map(|(_, (id, _))| **id).collect()
    }

    /// When the next worker will have been idle for too long.
    pub(super) fn next_rest(&self) -> Option<Duration> {
        let useful = self.workers.values().filter(|worker| worker.is_of_use()).count();
        let ends = self.workers.values().filter_map(|worker| self.rests_until(worker)).min();
        ends.filter(|_| useful > self.staffing.least)
    }

    /// Whether somebody is on his way.
    pub(super) fn is_expecting(&self) -> bool {
        self.workers.values().any(|worker| worker.life == Life::Starting)
    }

    pub(super) fn start_one(&mut self, now: Duration) -> WorkerId {
        self.started += 1;
        let id = WorkerId(self.started);
        self.workers.insert(id, Worker::starting(now));
        id
    }

    /// Notes that a worker is ready. Answers whether that was its turn to say.
    pub(super) fn ready(&mut self, id: WorkerId, now: Duration) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return true };
        worker.stirred = now;
        match worker.life {
            Life::Ready | Life::Retiring => return false,
            Life::Starting => worker.life = Life::Ready,
            // It was asked to go before it said that it had come.
            Life::Leaving { .. } | Life::Condemned { .. } | Life::Doomed => {}
        }
        self.proven = true;
        self.stillborn = 0;
        true
    }

    /// Notes that a worker has taken a task to its end.
    pub(super) fn bore_fruit(&mut self) {
        self.barren = 0;
    }

    /// Takes out a worker that has ended, and learns from how it ended.
    pub(super) fn remove(&mut self, id: WorkerId, now: Duration) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        if worker.is_of_use() {
            self.count_failure(&worker, now);
        }
        Some(worker)
    }

    /// Notes that a worker that has not become ready is killed for it.
    pub(super) fn give_up(&mut self, id: WorkerId, now: Duration) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.life = Life::Doomed;
        self.stillborn = self.stillborn.saturating_add(1);
        self.delay_start(now);
    }

    /// Whether so many workers in a row have never become ready, and no others are left, that it is no accident.
    pub(super) fn is_hopeless(&self) -> bool {
        let limit = u32::try_from(self.staffing.most).unwrap_or(u32::MAX).saturating_mul(2).saturating_add(8);
        self.stillborn >= limit && !self.workers.values().any(Worker::is_ready)
    }

    /// Those that were asked to go and should have gone by now.
    pub(super) fn late(&self, now: Duration) -> Vec<WorkerId> {
        let late = |worker: &Worker| worker.goes_until().is_some_and(|until| until <= now);
        self.workers.iter().filter(|(_, worker)| late(worker)).map(|(id, _)| *id).collect()
    }

    /// When the next of them is late.
    pub(super) fn next_late(&self) -> Option<Duration> {
        self.workers.values().filter_map(Worker::goes_until).min()
    }

    /// Those that should have been ready by now.
    pub(super) fn sluggish(&self, now: Duration) -> Vec<WorkerId> {
        let late = |worker: &Worker| self.comes_until(worker).is_some_and(|until| until <= now);
        self.workers.iter().filter(|(_, worker)| late(worker)).map(|(id, _)| *id).collect()
    }

    /// When the next one should be ready.
    pub(super) fn next_sluggish(&self) -> Option<Duration> {
        self.workers.values().filter_map(|worker| self.comes_until(worker)).min()
    }

    fn comes_until(&self, worker: &Worker) -> Option<Duration> {
        let limit = self.staffing.start_timeout.filter(|_| worker.life == Life::Starting)?;
        Some(worker.started.saturating_add(limit))
    }

    /// The task that a worker holds first, by worker.
    pub(super) fn fronts(&self) -> impl Iterator<Item = (WorkerId, &Worker, TaskId)> {
        self.workers.iter().filter_map(|(id, worker)| Some((*id, worker, worker.front()?)))
    }

    fn rests_until(&self, worker: &Worker) -> Option<Duration> {
        let is_resting = worker.is_ready() && worker.load() == 0;
        self.staffing.idle_timeout.filter(|_| is_resting).map(|timeout| worker.stirred.saturating_add(timeout))
    }

    fn count_failure(&mut self, worker: &Worker, now: Duration) {
        if !worker.is_ready() {
            self.stillborn = self.stillborn.saturating_add(1);
        }
        if worker.done > 0 || worker.load() > 0 {
            self.barren = 0;
        } else {
            self.delay_start(now);
        }
    }

    /// Notes that a worker has come to nothing.
    fn delay_start(&mut self, now: Duration) {
        self.barren = self.barren.saturating_add(1);
        self.next_start = now + delay(self.barren);
    }
}

/// How long to wait with the next start after so many workers in a row that did nothing.
fn delay(barren: u32) -> Duration {
    let doublings = barren.saturating_sub(PATIENCE);
    if doublings == 0 {
        Duration::ZERO
    } else {
        (Duration::from_millis(1) * (1 << doublings.min(8))).min(LONGEST_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_early_deaths_cost_no_time_and_many_cost_little() {
        assert_eq!(delay(PATIENCE), Duration::ZERO);
        assert_eq!(delay(PATIENCE + 1), Duration::from_millis(2));
        assert_eq!(delay(u32::MAX), LONGEST_DELAY);
    }
}
