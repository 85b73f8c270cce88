//! [`Shared`]: what the threads that use a pool and the dispatcher tell each other.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{io, mem};

use procession_core::Function;
use procession_core::codec::Message;
use procession_core::os::wake::Waker;

use crate::PoolError;
use crate::ids::JobId;
use crate::sink::Sink;
use crate::task_error::Kind;

/// One pool's meeting point.
#[derive(Debug)]
pub(crate) struct Shared {
    inbox: Mutex<Inbox>,
    pub(crate) waker: Waker,
    status: Mutex<Status>,
    changed: Condvar,
    jobs: AtomicU64,
}

/// Something that a user of the pool wants.
#[derive(Debug)]
pub(crate) enum Command {
    Open {
        job: JobId,
        function: Function,
        chunk: Option<NonZeroUsize>,
        sink: Arc<Sink>,
    },
    /// Tasks of consecutive indices from `first` on.
    Submit {
        job: JobId,
        first: u64,
        arguments: Vec<Message>,
    },
    Release {
        job: JobId,
    },
    Close,
    Terminate,
}

#[derive(Debug, Default)]
struct Inbox {
    commands: Vec<Command>,
    /// Whether nobody will read them any more.
    gone: bool,
}

/// How the pool is.
#[derive(Debug, Default)]
struct Status {
    ready: bool,
    terminated: bool,
    broken: Option<PoolError>,
    ended: bool,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Shared> {
        let (inbox, status) = (Mutex::default(), Mutex::default());
        Ok(Shared { inbox, waker: Waker::new()?, status, changed: Condvar::new(), jobs: AtomicU64::new(0) })
    }

    pub(crate) fn next_job(&self) -> JobId {
        JobId(self.jobs.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells the dispatcher something. Answers `false` when it has gone.
    pub(crate) fn send(&self, command: Command) -> bool {
        let mut inbox = self.inbox();
        if inbox.gone {
            return false;
        }
        let was_empty = inbox.commands.is_empty();
        inbox.commands.push(command);
        drop(inbox);
        if was_empty {
            self.waker.wake();
        }
        true
    }

    /// The dispatcher's side of [`send`](Shared::send).
    pub(crate) fn receive(&self) -> Vec<Command> {
        self.waker.drain();
        mem::take(&mut self.inbox().commands)
    }

    /// The last that the dispatcher does: from here on nothing is accepted. Answers what it has not read.
    pub(crate) fn leave(&self) -> Vec<Command> {
        let mut inbox = self.inbox();
        inbox.gone = true;
        mem::take(&mut inbox.commands)
    }

    pub(crate) fn set_ready(&self) {
        self.change(|status| status.ready = true);
    }

    pub(crate) fn set_broken(&self, error: PoolError) {
        self.change(|status| status.broken = Some(error));
    }

    pub(crate) fn set_terminated(&self) {
        self.change(|status| status.terminated = true);
    }

    pub(crate) fn set_ended(&self) {
        self.change(|status| status.ended = true);
    }

    /// Waits until a worker is ready.
    pub(crate) fn wait_ready(&self) -> Result<(), PoolError> {
        let settled = |status: &mut Status| !status.ready && status.broken.is_none() && !status.ended;
        let status = self.changed.wait_while(self.status(), settled).unwrap_or_else(PoisonError::into_inner);
        status.broken.clone().map_or(Ok(()), Err)
    }

    /// Waits until the pool has ended, or until the deadline. Answers whether it has.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut status = self.status();
        while !status.ended {
            let Some(deadline) = deadline else {
                status = self.changed.wait(status).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            status = self.changed.wait_timeout(status, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Why nothing is accepted.
    pub(crate) fn refusal(&self) -> Kind {
        let status = self.status();
        match &status.broken {
            Some(error) => Kind::Broken(error.clone()),
            None if status.terminated => Kind::Terminated,
            None => Kind::Closed,
        }
    }

    pub(crate) fn broken(&self) -> Option<PoolError> {
        self.status().broken.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status());
        self.changed.notify_all();
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
