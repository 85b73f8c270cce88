//! [`Host`]: a host of the made-up world, with what is on its way to its workers and from them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::ids::{TaskId, WorkerId};
use crate::scheduler::event::Action;

/// The number of the host whose workers hear and answer at once.
pub(super) const LOCAL: u64 = 0;

/// A host. What goes in either direction stays in order.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) orders: VecDeque<Action>,
    pub(super) answers: VecDeque<(WorkerId, Answer)>,
}

/// What a worker, or its host, says of itself.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Ready,
    InitFailed,
    StartFailed,
    Started {
        since: Duration,
        upto: u64,
    },
    /// The next of its tasks, behind which another one may have started.
    Ended {
        task: TaskId,
        end: TaskEnd,
        next: Option<Duration>,
    },
    /// More tasks than it was ever sent.
    CompletedTooMuch {
        count: u64,
    },
    MemoryExceeded,
    Revoked {
        count: u64,
        unstarted: u64,
    },
    Exited {
        started: u64,
        running: Option<TaskId>,
    },
}

/// How a worker ended a task.
#[derive(Clone, Copy, Debug)]
pub(super) enum TaskEnd {
    Completed { micros: u64 },
    Failed { may_repeat: bool },
}

/// A worker as it is.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) host: u64,
    pub(super) is_ready: bool,
    pub(super) is_leaving: bool,
    pub(super) is_killed: bool,
    pub(super) is_terminated_midway: bool,
    /// Nothing can be taken back from it.
    pub(super) is_clogged: bool,
    pub(super) held: VecDeque<TaskId>,
    /// So many of the first it has started.
    pub(super) started: usize,
    pub(super) running: Option<TaskId>,
    /// So many of the first it may start, where it is on another host.
    pub(super) granted: usize,
    pub(super) done: u64,
    pub(super) since: Duration,
    pub(super) last_chunk: Vec<TaskId>,
}

impl Peer {
    /// Returns the number of held tasks that it may have started by now.
    pub(super) fn may_start(&self) -> usize {
        if self.host == LOCAL { self.held.len() } else { self.granted.min(self.held.len()) }
    }
}

/// A worker as the scheduler knows it: what it was told of it, and what it has ordered.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    pub(super) host: u64,
    pub(super) is_ready: bool,
    pub(super) is_leaving: bool,
    pub(super) is_killed: bool,
    pub(super) is_terminated_midway: bool,
    /// Revokes without an answer.
    pub(super) revokes: u64,
    pub(super) held: VecDeque<TaskId>,
    /// So many of its first tasks it may start, those that it has completed included.
    pub(super) granted: u64,
    /// Since when the first of its tasks runs.
    pub(super) since: Option<Duration>,
    pub(super) done: u64,
}
