//! A worker as the scheduler sees it: how far its life has come, and which tasks it holds.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::TaskId;

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) life: Life,
    /// What was sent to it and not answered, in that order: the first is running, or the next to run. Tasks of jobs that were
    /// released stay here until they are answered, although nobody waits for them.
    pub(super) held: VecDeque<TaskId>,
    /// Whether it has taken a task to its end since it was sent the last chunk.
    pub(super) has_answered: bool,
    /// Whether it ever has.
    pub(super) is_fruitful: bool,
}

/// How far a worker's life has come.
///
/// ```text
/// Starting ──► Ready ──► Leaving ──► (gone)
///     └──────────┴──────────┴──► Doomed ──► (gone)      any of them may die at any moment
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Starting,
    Ready,
    /// Asked to leave; killed when it has not gone by then.
    Leaving {
        until: Duration,
    },
    /// Killed, or about to end by itself.
    Doomed,
}

impl Worker {
    pub(super) fn starting() -> Worker {
        Worker { life: Life::Starting, held: VecDeque::new(), has_answered: false, is_fruitful: false }
    }

    /// Whether it counts as one of the workers that the pool wants to have.
    pub(super) fn is_of_use(&self) -> bool {
        matches!(self.life, Life::Starting | Life::Ready)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.life == Life::Ready
    }

    /// Whether it may be sent a chunk: when it has nothing to do, or is seen to get on with what it has. Behind a task that
    /// takes long, others would wait for it.
    pub(super) fn takes_more(&self) -> bool {
        self.is_ready() && (self.held.is_empty() || self.has_answered)
    }

    /// Until when it may take to leave, if it was asked to.
    pub(super) fn leaves_until(&self) -> Option<Duration> {
        if let Life::Leaving { until } = self.life { Some(until) } else { None }
    }
}
