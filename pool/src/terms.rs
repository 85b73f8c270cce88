//! What the caller of one job asks for beside its function, and how a pool is to keep its workers.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::FailurePolicy;

/// The terms of one job.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// How many tasks stay together; `None` for as many as seems good.
    pub(crate) chunk: Option<NonZeroUsize>,
    /// How often a task that failed is tried again.
    pub(crate) retries: u32,
    /// How long a task may run.
    pub(crate) timeout: Option<Duration>,
    /// How many items are read ahead of the results at most.
    pub(crate) read_ahead: Option<NonZeroUsize>,
    /// How long a task may wait before it begins.
    pub(crate) patience: Option<Duration>,
    /// What becomes of the rest when a task fails; `None` for what is usual where the results go.
    pub(crate) on_failure: Option<FailurePolicy>,
    /// What tasks of this function took before.
    pub(crate) usual: Option<Duration>,
    /// Whether nobody looks at a result before all are there, or one is an error.
    pub(crate) wants_all: bool,
    /// What keeps a pool that was closed at work for it.
    pub(crate) tenure: Tenure,
}

/// For how long a job keeps a pool at work that was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// To its end: a thread is in the call.
    #[default]
    Call,
    /// To its end, but for the sake of whoever waits for the end of the pool only until the tasks have ended that it has handed
    /// over: it hands over more when it is asked for results, and nobody may ever ask.
    Stream,
    /// Until its tasks have ended: all were handed over at once, and the results are kept for whoever asks.
    Entrusted,
}

/// How a pool keeps its workers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staffing {
    /// No fewer, once they were started.
    pub(crate) least: usize,
    /// No more.
    pub(crate) most: usize,
    /// A worker beyond the least that has been idle for so long leaves.
    pub(crate) idle_timeout: Option<Duration>,
    /// A worker that has run so many tasks is replaced.
    pub(crate) max_tasks: Option<u64>,
    /// A worker that is so old is replaced when it is used next.
    pub(crate) max_age: Option<Duration>,
    /// How long a worker may take until it is ready.
    pub(crate) start_timeout: Option<Duration>,
    /// A worker that takes up more memory, in bytes, is replaced.
    pub(crate) max_memory: Option<u64>,
    /// How long a worker that has nothing to do may take to leave; `None` for as long as it likes.
    pub(crate) farewell: Option<Duration>,
    /// How long a worker may take to end after it was asked to, before it is killed.
    pub(crate) grace: Duration,
}

/// How long a worker may take to leave that has nothing to do, and no function to run before it goes; and any worker of a pool that
/// was dropped. It takes a moment, but the machine may be busy.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);
/// The time that a task gets to clean up after itself when it is stopped.
pub(crate) const GRACE: Duration = Duration::from_millis(200);

impl Staffing {
    /// So many workers, for ever.
    pub(crate) fn fixed(workers: usize) -> Staffing {
        let (idle_timeout, start_timeout, max_tasks, max_age, max_memory) = (None, None, None, None, None);
        Staffing {
            least: workers,
            most: workers,
            idle_timeout,
            start_timeout,
            max_tasks,
            max_age,
            max_memory,
            farewell: Some(FAREWELL),
            grace: GRACE,
        }
    }
}
