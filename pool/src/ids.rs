//! Numbers that name things inside one pool: a job, a task of a job, a worker.

/// One call of `map` or `imap`: a function and the items it is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub(crate) u64);

/// One item of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId {
    pub(crate) job: JobId,
    /// The item's place in the input, from 0.
    pub(crate) index: u64,
}

/// Tasks of one job with consecutive indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) job: JobId,
    pub(crate) first: u64,
    pub(crate) count: u64,
}

/// One worker process. A replacement gets a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u64);

impl Span {
    /// The first task.
    pub(crate) fn head(self) -> TaskId {
        TaskId { job: self.job, index: self.first }
    }

    /// Takes up to `count` tasks from the front.
    pub(crate) fn split_front(&mut self, count: u64) -> Span {
        let taken = Span { count: count.min(self.count), ..*self };
        self.first += taken.count;
        self.count -= taken.count;
        taken
    }

    /// Takes up to `count` tasks from the back.
    pub(crate) fn split_back(&mut self, count: u64) -> Span {
        let count = count.min(self.count);
        self.count -= count;
        Span { job: self.job, first: self.first + self.count, count }
    }
}
