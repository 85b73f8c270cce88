//! [`RunQueue`]: the jobs that have tasks waiting, in the order in which they are served.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::ids::JobId;

/// A queue of jobs. Each job is there at most once, and leaves from any position in logarithmic time.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    /// The jobs by position, the lowest first. Positions may be negative, because the queue grows at both ends.
    order: BTreeMap<i64, JobId>,
    /// The position of each job in `order`.
    positions: BTreeMap<JobId, i64>,
}

impl RunQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the job that is served next.
    pub(super) fn front(&self) -> Option<JobId> {
        self.order.first_key_value().map(|(_, job)| *job)
    }

    /// Puts a job behind all others, unless it is in the queue.
    pub(super) fn push_back(&mut self, job: JobId) {
        let last = self.order.last_key_value().map_or(0, |(position, _)| *position);
        self.put(job, last + 1);
    }

    /// Puts a job before all others, unless it is in the queue.
    pub(super) fn push_front(&mut self, job: JobId) {
        let first = self.order.first_key_value().map_or(0, |(position, _)| *position);
        self.put(job, first - 1);
    }

    /// Removes a job, if it is in the queue.
    pub(super) fn remove(&mut self, job: JobId) {
        if let Some(position) = self.positions.remove(&job) {
            self.order.remove(&position);
        }
    }

    /// Enters a job at a position that is free, unless the job is in the queue.
    fn put(&mut self, job: JobId, position: i64) {
        if let Entry::Vacant(free) = self.positions.entry(job) {
            free.insert(position);
            self.order.insert(position, job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_waits_once_and_may_leave_from_anywhere() {
        let mut queue = RunQueue::default();
        assert!(queue.is_empty() && queue.front().is_none());
        (0..5).for_each(|number| queue.push_back(JobId(number)));
        queue.push_front(JobId(9));
        queue.push_back(JobId(2));
        queue.push_front(JobId(3));
        queue.remove(JobId(1));
        queue.remove(JobId(1));
        let next = || queue.front().inspect(|job| queue.remove(*job)).map(|JobId(number)| number);
        assert_eq!(std::iter::from_fn(next).collect::<Vec<_>>(), [9, 0, 2, 3, 4]);
    }
}
