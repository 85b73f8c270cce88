//! A worker process as the dispatcher holds it: the process, the link to it, and what it was told.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::codec::Message;
use procession_core::os::poll::Pollable;
use procession_core::{Control, Function, LinkError, TryRecv};
use procession_process::{Child, Process, SpawnError, StartMethod};

use crate::ids::JobId;
use crate::protocol::{Initializer, Order, Report, Setup};
use crate::task_error::Badge;
use crate::{PoolError, pool_error, worker};

/// Makes workers for one pool.
#[derive(Debug)]
pub(crate) struct Recruiter {
    pub(crate) workers: NonZeroUsize,
    pub(crate) method: StartMethod,
    pub(crate) initializer: Option<Initializer>,
}

/// One worker process.
#[derive(Debug)]
pub(crate) struct Member {
    child: Child,
    control: Control,
    badge: Badge,
    /// The jobs whose functions it knows.
    jobs: HashSet<JobId>,
    /// Whether it has said that it is ready, or that it never will be.
    pub(crate) has_reported: bool,
    /// Whether there may be more to hear from it.
    is_heard: bool,
    /// Whether it is expected to close its link.
    is_leaving: bool,
    /// What was wrong with its link.
    trouble: Option<String>,
}

impl Recruiter {
    /// Starts one worker, and gives it its setup.
    pub(crate) fn recruit(&self) -> Result<Member, PoolError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("PoolWorker-{}", NUMBER.fetch_add(1, Ordering::Relaxed) + 1);
        let builder = Process::builder().name(name).daemon(true).start_method(self.method);
        let (process, mut control) = builder.spawn_with_control(worker::live, ()).map_err(started)?;
        let setup = Setup { initializer: self.initializer.as_ref() };
        let posted = control.post(&setup);
        let child = process.child();
        let badge = Badge { name: child.name().into(), pid: child.id() };
        let mut member = Member {
            child,
            control,
            badge,
            jobs: HashSet::new(),
            has_reported: false,
            is_heard: true,
            is_leaving: false,
            trouble: None,
        };
        if let Err(error) = posted {
            member.lose(&error);
        }
        Ok(member)
    }
}

fn started(error: SpawnError) -> PoolError {
    pool_error::Kind::Start(error).into()
}

impl Member {
    pub(crate) fn badge(&self) -> &Badge {
        &self.badge
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// What was wrong with its link, if anything was.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Ready when it has something to say, or room for what it was told.
    pub(crate) fn link(&self) -> Option<Pollable<'_>> {
        self.is_heard.then(|| self.control.pollable())
    }

    /// Ready when it has ended.
    pub(crate) fn sentinel(&self) -> Pollable<'_> {
        Pollable::readable(self.child.as_fd())
    }

    /// Sends tasks of one job, and its function before the first of them.
    pub(crate) fn send(
        &mut self,
        job: JobId,
        function: Function,
        tasks: Vec<(u64, &Message)>,
    ) -> Result<(), LinkError> {
        if self.jobs.insert(job) {
            self.control.post(&Order::<&Message>::Learn { job, function })?;
        }
        self.control.post(&Order::Run { job, tasks })
    }

    /// Tells it that a job is over, if it ever heard of it.
    pub(crate) fn forget(&mut self, job: JobId) {
        if self.jobs.remove(&job) {
            self.tell(&Order::Forget { job });
        }
    }

    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.tell(&Order::Leave);
    }

    /// The next thing that it says, if it has said anything.
    pub(crate) fn hear(&mut self) -> Option<Report> {
        if !self.is_heard {
            return None;
        }
        match self.control.try_recv::<Report>() {
            Ok(TryRecv::Value(report)) => return Some(report),
            Ok(TryRecv::Empty) => {}
            Ok(TryRecv::End) => self.close(),
            Err(error) => self.lose(&error),
        }
        None
    }

    /// Sends on what it had no room for.
    pub(crate) fn flush(&mut self) {
        if let Err(error) = self.control.flush() {
            self.lose(&error);
        }
    }

    /// Gives up a link that has failed. A worker that cannot be reached is of no use, so it is killed.
    pub(crate) fn lose(&mut self, error: &LinkError) {
        if !matches!(error, LinkError::Disconnected) {
            self.trouble.get_or_insert_with(|| error.to_string());
            self.is_heard = false;
            self.child.kill();
        }
    }

    /// Notes that it has closed its end. Only one that leaves may do so and go on living.
    fn close(&mut self) {
        self.is_heard = false;
        if !self.is_leaving {
            self.child.kill();
        }
    }

    fn tell(&mut self, order: &Order<&Message>) {
        if let Err(error) = self.control.post(order) {
            self.lose(&error);
        }
    }
}
