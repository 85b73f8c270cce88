//! A worker process as the dispatcher holds it: the process, the lines to it, and what it was told.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::codec::{Handles, Message};
use procession_core::os::poll::Pollable;
use procession_core::{Control, LinkError, TryRecv};
use procession_process::{Child, Process, SpawnError, StartMethod, Stdio};

use crate::batch::Batch;
use crate::last_words::LastWords;
use crate::task_error::Badge;
use crate::wire::claim::is_at_or_after;
use crate::wire::protocol::{Order, Preparation, Report, Setup};
use crate::wire::{Line, Lines};
use crate::works::Works;
use crate::{PoolError, pool_error, worker};

/// Makes workers for one pool.
#[derive(Debug)]
pub(crate) struct Recruiter {
    pub(crate) method: StartMethod,
    pub(crate) preparation: Preparation,
    /// Whether what they write to their standard error passes through this process.
    pub(crate) keeps_stderr: bool,
    /// The processors that they are spread over. Empty: wherever the system likes.
    pub(crate) processors: Vec<usize>,
}

/// One worker process.
#[derive(Debug)]
pub(crate) struct Member {
    child: Child,
    control: Control,
    pub(crate) line: Line,
    badge: Badge,
    pub(crate) last_words: LastWords,
    /// What it knows to do.
    works: HashSet<u32>,
    /// What it has said and nobody has read yet.
    pub(crate) inbound: Vec<u8>,
    /// What goes with results that say that something does.
    pub(crate) descriptors: VecDeque<Handles>,
    /// Tasks that descriptors were sent for, by their numbers, with the numbers of the descriptors.
    enclosed: VecDeque<(u64, u32)>,
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
    pub(crate) fn recruit(&self, number: usize) -> Result<Member, PoolError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("PoolWorker-{}", NUMBER.fetch_add(1, Ordering::Relaxed) + 1);
        let lines = Lines::new().map_err(pool_error::Kind::Memory)?;
        let mut builder = Process::builder().name(name).daemon(true).start_method(self.method);
        if self.keeps_stderr {
            builder = builder.stderr(Stdio::Piped);
        }
        let (process, mut control) = builder.spawn_with_control(worker::live, ()).map_err(started)?;
        let processor = self.processors.get(number % self.processors.len().max(1)).copied();
        let setup = Setup { lines, processor, preparation: &self.preparation };
        let posted = control.post(&setup);
        let child = process.child();
        let badge = Badge { name: child.name().into(), pid: child.id() };
        let mut member = Member {
            child,
            control,
            line: Line::new(setup.lines),
            badge,
            last_words: LastWords::new(process.take_stderr()),
            works: HashSet::new(),
            inbound: Vec::new(),
            descriptors: VecDeque::new(),
            enclosed: VecDeque::new(),
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

    /// Whether it was told to leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// What was wrong with its link, if anything was.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Ready when it has something to say on its control link, or room for what it was told.
    pub(crate) fn link(&self) -> Pollable<'_> {
        self.control.pollable()
    }

    /// Whether there may be more to hear from it.
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// Ready when it has ended.
    pub(crate) fn sentinel(&self) -> Pollable<'_> {
        Pollable::readable(self.child.as_fd())
    }

    /// Sends tasks, and before the first of a kind what is to be done with them.
    ///
    /// To a worker that is gone they are sent all the same: what it has not begun is counted in its line when it is buried, and
    /// that is where the pool learns that these are among it.
    pub(crate) fn send(
        &mut self,
        (work, unit): (u32, u64),
        works: &Works,
        batch: &Arc<Batch>,
        items: Range<usize>,
    ) -> Result<(), LinkError> {
        if self.works.insert(work)
            && let Some(lesson) = works.lesson(work)
        {
            let posted = self.control.post(&lesson);
            self.unless_gone(posted).inspect_err(|_| {
                self.works.remove(&work);
            })?;
        }
        let mut serial = None;
        for with in batch.descriptors_of(items.clone()) {
            let next = self.line.next_serial();
            serial = Some(next);
            let posted = self.control.post(&Order::Descriptors { serial: next, with });
            self.unless_gone(posted)?;
            self.enclose(next);
        }
        self.line.send(work, unit, serial, batch, items);
        self.ring_if_asleep();
        Ok(())
    }

    /// Passes over what goes wrong with a link that has ended or was given up: the end of the process is told elsewhere.
    fn unless_gone(&self, posted: Result<(), LinkError>) -> Result<(), LinkError> {
        match posted {
            Err(LinkError::Disconnected) => Ok(()),
            Err(_) if self.trouble.is_some() => Ok(()),
            posted => posted,
        }
    }

    /// Takes back up to so many of the last tasks, if the worker has not begun them. Answers how many.
    pub(crate) fn recall(&mut self, count: u64) -> u64 {
        let taken = self.line.recall(count);
        let (next, mut serials) = (self.line.number(), Vec::new());
        while let Some((_, serial)) = self.enclosed.pop_back_if(|(number, _)| is_at_or_after(*number, next)) {
            serials.push(serial);
        }
        // Else the worker would keep them open, and the other side of a pipe would wait for its end.
        if !serials.is_empty() {
            self.tell(&Order::TakeBack { serials });
            self.line.announce_mail();
        }
        taken
    }

    /// Notes that descriptors go with the task that is sent next, and forgets those of tasks that have begun.
    fn enclose(&mut self, serial: u32) {
        let begun = self.line.begun();
        while self.enclosed.pop_front_if(|(number, _)| !is_at_or_after(*number, begun)).is_some() {}
        self.enclosed.push_back((self.line.number(), serial));
    }

    /// Writes what did not fit before.
    pub(crate) fn push_on(&mut self) {
        if self.line.has_backlog() {
            self.line.flush();
            self.ring_if_asleep();
        }
    }

    /// Wakes it if it sleeps.
    pub(crate) fn ring_if_asleep(&mut self) {
        if self.line.must_wake() {
            self.tell(&Order::Bell);
        }
    }

    /// Reads what it has said about its tasks. Answers whether there was anything.
    #[inline]
    pub(crate) fn read(&mut self) -> bool {
        self.push_on();
        let has_read = self.line.read(&mut self.inbound);
        if has_read && self.line.has_made_room() {
            self.tell(&Order::Bell);
        }
        has_read
    }

    /// Tells it that it need not know something any more, if it ever did.
    pub(crate) fn forget(&mut self, work: u32) {
        if self.works.remove(&work) {
            self.tell(&Order::Forget { work });
            self.line.announce_mail();
        }
    }

    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.tell(&Order::Leave);
    }

    /// The next thing that it says on its control link, if it has said anything.
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

    /// Sends on what the control link had no room for.
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
