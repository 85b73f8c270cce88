//! [`Turns`]: the jobs that have tasks waiting, in the order of their turns.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::ids::JobId;

/// The jobs that have tasks waiting, in the order of their turns. Each is there once, and leaves at the same price wherever it stands.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: BTreeMap<i64, JobId>,
    places: BTreeMap<JobId, i64>,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whose turn it is.
    pub(super) fn front(&self) -> Option<JobId> {
        self.order.first_key_value().map(|(_, job)| *job)
    }

    /// Has a job wait for its turn behind all others, if it does not wait already.
    pub(super) fn push_back(&mut self, job: JobId) {
        let last = self.order.last_key_value().map_or(0, |(place, _)| *place);
        self.put(job, last + 1);
    }

    /// Makes it a job's turn, if it does not wait already.
    pub(super) fn push_front(&mut self, job: JobId) {
        let first = self.order.first_key_value().map_or(0, |(place, _)| *place);
        self.put(job, first - 1);
    }

    /// Takes a job out, wherever it stands.
    pub(super) fn remove(&mut self, job: JobId) {
        if let Some(place) = self.places.remove(&job) {
            self.order.remove(&place);
        }
    }

    fn put(&mut self, job: JobId, place: i64) {
        if let Entry::Vacant(free) = self.places.entry(job) {
            free.insert(place);
            self.order.insert(place, job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(mut turns: Turns) -> Vec<u64> {
        let next = || turns.front().inspect(|job| turns.remove(*job)).map(|JobId(number)| number);
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_job_waits_once_and_may_leave_from_anywhere() {
        let mut turns = Turns::default();
        assert!(turns.is_empty() && turns.front().is_none());
        (0..5).for_each(|number| turns.push_back(JobId(number)));
        turns.push_front(JobId(9));
        turns.push_back(JobId(2));
        turns.push_front(JobId(3));
        turns.remove(JobId(1));
        turns.remove(JobId(1));
        assert_eq!(order(turns), [9, 0, 2, 3, 4]);
    }
}
