//! The workers as the scheduler sees them, and how many in a row have come to nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::worker::{Life, Worker};
use crate::ids::{TaskId, WorkerId};

/// So many workers in a row may end without having done anything before the next start is delayed.
const PATIENCE: u32 = 3;
/// The longest delay before a start.
const LONGEST_DELAY: Duration = Duration::from_millis(256);

/// All workers that have not ended.
#[derive(Debug)]
pub(super) struct Crew {
    /// How many are wanted.
    pub(super) wanted: usize,
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
    pub(super) fn new(wanted: usize) -> Crew {
        let workers = BTreeMap::new();
        Crew { wanted, workers, started: 0, proven: false, stillborn: 0, barren: 0, next_start: Duration::ZERO }
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(&id)
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

    /// Every task that a worker holds.
    pub(super) fn held(&self) -> impl Iterator<Item = (WorkerId, TaskId)> {
        self.workers.iter().flat_map(|(id, worker)| worker.held.iter().map(|task| (*id, *task)))
    }

    /// The workers that may be sent a chunk, with how many they hold, the idlest first.
    pub(super) fn by_load(&self) -> Vec<(usize, WorkerId)> {
        let ready = self.workers.iter().filter(|(_, one)| one.takes_more());
        let mut ready: Vec<(usize, WorkerId)> = ready.map(|(id, one)| (one.held.len(), *id)).collect();
        ready.sort_unstable();
        ready
    }

    /// How many must be started to have as many as are wanted.
    pub(super) fn lacking(&self) -> usize {
        self.wanted.saturating_sub(self.workers.values().filter(|worker| worker.is_of_use()).count())
    }

    pub(super) fn start_one(&mut self) -> WorkerId {
        self.started += 1;
        let id = WorkerId(self.started);
        self.workers.insert(id, Worker::starting());
        id
    }

    /// Notes that a worker is ready. Answers whether that was its turn to say.
    pub(super) fn ready(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return true };
        match worker.life {
            Life::Ready => return false,
            Life::Starting => worker.life = Life::Ready,
            // It was asked to leave before it said that it had come.
            Life::Leaving { .. } | Life::Doomed => {}
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

    /// Whether so many workers in a row have never become ready, and no others are left, that it is no accident.
    pub(super) fn is_hopeless(&self) -> bool {
        let limit = u32::try_from(self.wanted).unwrap_or(u32::MAX).saturating_mul(2).saturating_add(8);
        self.stillborn >= limit && !self.workers.values().any(Worker::is_ready)
    }

    /// Those that were asked to leave and should have gone by now.
    pub(super) fn late(&self, now: Duration) -> Vec<WorkerId> {
        let late = |worker: &Worker| worker.leaves_until().is_some_and(|until| until <= now);
        self.workers.iter().filter(|(_, worker)| late(worker)).map(|(id, _)| *id).collect()
    }

    /// When the next of them is late.
    pub(super) fn next_late(&self) -> Option<Duration> {
        self.workers.values().filter_map(Worker::leaves_until).min()
    }

    fn count_failure(&mut self, worker: &Worker, now: Duration) {
        if !worker.is_ready() {
            self.stillborn = self.stillborn.saturating_add(1);
        }
        if worker.is_fruitful || !worker.held.is_empty() {
            self.barren = 0;
        } else {
            self.barren = self.barren.saturating_add(1);
            self.next_start = now + delay(self.barren);
        }
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
