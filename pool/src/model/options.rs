//! [`JobOptions`] and [`PoolLimits`]: what the caller asked of one job, and of a pool's workers.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::failure_policy::FailurePolicy;
use super::tuning::{EXIT_TIMEOUT, KILL_TIMEOUT};

/// The options of one job.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JobOptions {
    /// Number of tasks that a worker starts together; `None` for a measured number.
    pub(crate) chunk_size: Option<NonZeroUsize>,
    /// Number of further attempts at a task that failed.
    pub(crate) retries: u32,
    /// Limit on the time that a task runs.
    pub(crate) timeout: Option<Duration>,
    /// Limit on the number of items read before their results were given out.
    pub(crate) read_ahead: Option<NonZeroUsize>,
    /// Limit on the time that a task waits before it starts.
    pub(crate) queue_timeout: Option<Duration>,
    /// What happens to the rest when a task fails; `None` for the default of the call.
    pub(crate) on_failure: Option<FailurePolicy>,
    /// Average duration of this function's tasks in earlier jobs.
    pub(crate) avg_duration: Option<Duration>,
    /// Whether the caller looks at no result before all are there or one is an error.
    pub(crate) collect_all: bool,
    pub(crate) lifetime: JobLifetime,
}

/// How long a job keeps a closed pool running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum JobLifetime {
    /// Until the job ends: a thread is inside the call.
    #[default]
    Call,
    /// Until the job ends or, once the pool is joined, until its submitted tasks have ended. The iterator submits more
    /// only when it is asked for results, which may never happen.
    Stream,
    /// Until its tasks have ended: all were submitted at once, and the handle keeps the results.
    Detached,
}

/// How a pool keeps its workers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    pub(crate) min_workers: usize,
    pub(crate) max_workers: usize,
    /// A worker above `min_workers` that was idle for this long leaves.
    pub(crate) idle_timeout: Option<Duration>,
    /// A worker that ran this many tasks is replaced.
    pub(crate) max_tasks: Option<u64>,
    /// A worker of this age is replaced when it is next used.
    pub(crate) max_age: Option<Duration>,
    /// Limit on the time until a worker is ready.
    pub(crate) start_timeout: Option<Duration>,
    /// A worker whose resident memory exceeds this many bytes is replaced.
    pub(crate) max_memory: Option<u64>,
    /// Limit on the time that an idle worker takes to leave; `None` for no limit.
    pub(crate) exit_timeout: Option<Duration>,
    /// Time from SIGTERM to SIGKILL.
    pub(crate) kill_timeout: Duration,
    /// Whether `max_workers` grows when more processors of other hosts become known.
    pub(crate) grows_with_hosts: bool,
}

impl PoolLimits {
    /// Returns the limits of a pool that always has `workers` workers.
    pub(crate) fn fixed(workers: usize) -> PoolLimits {
        PoolLimits {
            min_workers: workers,
            max_workers: workers,
            idle_timeout: None,
            max_tasks: None,
            max_age: None,
            start_timeout: None,
            max_memory: None,
            exit_timeout: Some(EXIT_TIMEOUT),
            kill_timeout: KILL_TIMEOUT,
            grows_with_hosts: false,
        }
    }
}
