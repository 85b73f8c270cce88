//! Identifiers inside one pool: [`JobId`], [`TaskId`], [`WorkerId`], and [`TaskRange`] for consecutive tasks.

/// One call of `map` or `imap`: a function and the items that it is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub(crate) u64);

/// One item of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId {
    pub(crate) job: JobId,
    /// The item's position in the input, from 0.
    pub(crate) index: u64,
}

/// Tasks of one job with consecutive indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskRange {
    pub(crate) job: JobId,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// One worker process. A replacement gets a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u64);

impl TaskRange {
    /// Returns the first task.
    pub(crate) fn head(self) -> TaskId {
        TaskId { job: self.job, index: self.first }
    }

    /// Removes up to `count` tasks from the front and returns them.
    pub(crate) fn split_front(&mut self, count: u64) -> TaskRange {
        let taken = TaskRange { count: count.min(self.count), ..*self };
        self.first += taken.count;
        self.count -= taken.count;
        taken
    }

    /// Removes up to `count` tasks from the back and returns them.
    pub(crate) fn split_back(&mut self, count: u64) -> TaskRange {
        let count = count.min(self.count);
        self.count -= count;
        TaskRange { job: self.job, first: self.first + self.count, count }
    }
}
