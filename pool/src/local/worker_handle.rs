//! [`WorkerHandle`]: a worker process as the dispatcher holds it. [`WorkerFactory`] starts it.
//!
//! Everything that it sends is posted: what the link has no space for waits in this process, so a worker that is stopped or
//! does not read holds up no thread of the pool. A link that fails is given up for good, and its worker is killed.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::codec::{Handles, Message};
use procession_core::os::poll::Pollable;
use procession_core::{Control, LinkError, TryRecv};
use procession_process::{Child, Process, StartMethod, Stdio};

use super::functions::FunctionTable;
use super::stderr::StderrTail;
use crate::model::failure_info::WorkerInfo;
use crate::model::pool_error::{PoolError, PoolErrorKind};
use crate::wire::arguments::ArgumentBatch;
use crate::wire::channel::{SharedRings, WorkerChannel};
use crate::wire::claim::is_at_or_after;
use crate::wire::messages::{Order, Preparation, Report, Setup};
use crate::worker;

/// Starts the workers of one pool.
#[derive(Debug)]
pub(crate) struct WorkerFactory {
    pub(crate) method: StartMethod,
    pub(crate) preparation: Preparation,
    /// Whether their standard error passes through this process.
    pub(crate) captures_stderr: bool,
    /// The processors that they are spread over. Empty: all.
    pub(crate) processors: Vec<usize>,
}

/// One worker process.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    child: Child,
    control: Control,
    pub(crate) channel: WorkerChannel,
    info: WorkerInfo,
    pub(crate) stderr_tail: StderrTail,
    /// The functions that it was sent and not asked to forget.
    functions: HashSet<u32>,
    /// Bytes of its result ring that were read and not handled.
    pub(crate) inbound: Vec<u8>,
    /// The descriptors of the next results that announce some.
    pub(crate) descriptors: VecDeque<Handles>,
    /// The numbers of tasks that descriptors were sent for, and their serial numbers.
    descriptor_tasks: VecDeque<(u64, u32)>,
    /// Whether it has reported that it is ready, or that it never will be.
    pub(crate) has_reported: bool,
    /// Whether its finalizer has returned.
    pub(crate) has_finalized: bool,
    /// Whether its link may bring more reports.
    is_readable: bool,
    /// Whether it was asked to leave, so that the end of its link is expected.
    is_leaving: bool,
    /// What was wrong with its link. Set once, with the first error.
    link_error: Option<String>,
}

impl WorkerFactory {
    /// Returns a name that no other worker of this process has.
    pub(crate) fn next_name() -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the numbers have to be distinct.
        format!("PoolWorker-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts the worker `number` of the pool, and sends it its setup.
    pub(crate) fn spawn_worker(&self, number: usize, name: String) -> Result<WorkerHandle, PoolError> {
        let rings = SharedRings::new().map_err(PoolErrorKind::Memory)?;
        let mut builder = Process::builder().name(name).daemon(true).start_method(self.method);
        if self.captures_stderr {
            builder = builder.stderr(Stdio::Piped);
        }
        let (process, mut control) = builder.spawn_with_control(worker::run, ()).map_err(PoolErrorKind::Start)?;
        let processor = self.processors.get(number % self.processors.len().max(1)).copied();
        let setup = Setup { rings, processor, preparation: &self.preparation };
        // Posted, because a worker that does not read must not hold up the pool.
        let posted = control.post(&setup);
        let child = process.child();
        let mut handle = WorkerHandle {
            info: WorkerInfo { name: child.name().into(), pid: child.id(), host: None },
            child,
            control,
            channel: WorkerChannel::new(setup.rings),
            stderr_tail: StderrTail::new(process.take_stderr()),
            functions: HashSet::new(),
            inbound: Vec::new(),
            descriptors: VecDeque::new(),
            descriptor_tasks: VecDeque::new(),
            has_reported: false,
            has_finalized: false,
            is_readable: true,
            is_leaving: false,
            link_error: None,
        };
        // The handle is kept all the same: the worker is killed, and its end takes the way of every other.
        if let Err(error) = posted {
            handle.fail_link(&error);
        }
        Ok(handle)
    }
}

impl WorkerHandle {
    pub(crate) fn info(&self) -> &WorkerInfo {
        &self.info
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Returns whether it was asked to leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Returns what was wrong with its link.
    pub(crate) fn link_error(&self) -> Option<&str> {
        self.link_error.as_deref()
    }

    /// Returns what is ready when its control link brings a report, or has space for a waiting order.
    pub(crate) fn link(&self) -> Pollable<'_> {
        self.control.pollable()
    }

    /// Returns whether its link may bring more reports.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Returns what is ready when the process has ended.
    pub(crate) fn sentinel(&self) -> Pollable<'_> {
        Pollable::readable(self.child.as_fd())
    }

    /// Returns its resident memory in bytes, where `/proc` shows it.
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.info.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Sends tasks, and their function if the worker does not know it.
    ///
    /// They are also sent to a worker that is gone: its channel counts what it has not started, and that is where the pool learns
    /// that these tasks are among it.
    pub(crate) fn send(
        &mut self,
        (function, chunk_size): (u32, u64),
        functions: &FunctionTable,
        batch: &Arc<ArgumentBatch>,
        items: Range<usize>,
    ) -> Result<(), LinkError> {
        // The order travels on the control link and the tasks in the ring, so the worker waits for it before it runs them.
        if self.functions.insert(function)
            && let Some(registration) = functions.registration(function)
        {
            let posted = self.control.post(&registration);
            self.unless_gone(posted).inspect_err(|_| {
                // It was not sent, so the next chunk tries again.
                self.functions.remove(&function);
            })?;
        }
        let mut serial = None;
        for with in batch.descriptors_of(items.clone()) {
            let next = self.channel.next_serial();
            serial = Some(next);
            let posted = self.control.post(&Order::Descriptors { serial: next, with });
            self.unless_gone(posted)?;
            // Before the chunk: until then the channel's number is that of this task.
            self.record_descriptors(next);
        }
        self.channel.send(function, chunk_size, serial, batch, items);
        self.notify_if_asleep();
        Ok(())
    }

    /// Ignores the errors of a link that has ended or was given up: the end of the process is handled elsewhere.
    fn unless_gone(&self, posted: Result<(), LinkError>) -> Result<(), LinkError> {
        match posted {
            Err(LinkError::Disconnected) => Ok(()),
            Err(_) if self.link_error.is_some() => Ok(()),
            posted => posted,
        }
    }

    /// Revokes up to `count` of the last tasks, if the worker has not started them. Returns their number.
    pub(crate) fn revoke(&mut self, count: u64) -> u64 {
        let revoked = self.channel.revoke(count);
        let (next, mut serials) = (self.channel.number(), Vec::new());
        while let Some((_, serial)) = self.descriptor_tasks.pop_back_if(|(number, _)| is_at_or_after(*number, next)) {
            serials.push(serial);
        }
        // Else the worker would keep them open, and the other side of a pipe would wait for its end.
        if !serials.is_empty() {
            self.send_order(&Order::Revoke { serials });
            self.channel.request_control_read();
        }
        revoked
    }

    /// Records that descriptors belong to the task that is sent next, and forgets those of started tasks.
    fn record_descriptors(&mut self, serial: u32) {
        let started = self.channel.started();
        while self.descriptor_tasks.pop_front_if(|(number, _)| !is_at_or_after(*number, started)).is_some() {}
        self.descriptor_tasks.push_back((self.channel.number(), serial));
    }

    /// Writes the chunks that did not fit into the ring before.
    pub(crate) fn flush_ring(&mut self) {
        if self.channel.has_backlog() {
            self.channel.flush();
            self.notify_if_asleep();
        }
    }

    /// Wakes the worker if it sleeps. The order brings nothing else.
    fn notify_if_asleep(&mut self) {
        if self.channel.take_worker_asleep() {
            self.send_order(&Order::Notify);
        }
    }

    /// Reads its result ring. Returns whether there was anything.
    #[inline]
    pub(crate) fn read(&mut self) -> bool {
        // The worker may have read on since the last look, and then the backlog fits.
        self.flush_ring();
        let has_read = self.channel.read(&mut self.inbound);
        if has_read && self.channel.take_worker_wants_space() {
            self.send_order(&Order::Notify);
        }
        has_read
    }

    /// Unregisters a function that is not needed any more, if the worker knows it.
    pub(crate) fn unregister(&mut self, id: u32) {
        if self.functions.remove(&id) {
            self.send_order(&Order::Unregister { id });
            // A busy worker would else keep the context, with all that this holds open, until it has nothing to run.
            self.channel.request_control_read();
        }
    }

    /// Asks it to leave. From now on it may close its link without being killed for that.
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.send_order(&Order::Leave);
    }

    /// Returns its next report, without waiting for one.
    pub(crate) fn recv(&mut self) -> Option<Report> {
        if !self.is_readable {
            return None;
        }
        match self.control.try_recv::<Report>() {
            Ok(TryRecv::Value(report)) => return Some(report),
            Ok(TryRecv::Empty) => {}
            Ok(TryRecv::End) => self.close(),
            Err(error) => self.fail_link(&error),
        }
        None
    }

    /// Sends the orders that the control link had no space for before.
    pub(crate) fn flush_link(&mut self) {
        if let Err(error) = self.control.flush() {
            self.fail_link(&error);
        }
    }

    /// Gives up a link that has failed. A worker that cannot be reached is no use, so it is killed.
    pub(crate) fn fail_link(&mut self, error: &LinkError) {
        // The end of the link is how every worker ends, and no failure.
        if !matches!(error, LinkError::Disconnected) {
            self.link_error.get_or_insert_with(|| error.to_string());
            self.is_readable = false;
            self.child.kill();
        }
    }

    /// Records that it has closed its end of the link. Only a worker that leaves may do so and live on.
    fn close(&mut self) {
        self.is_readable = false;
        if !self.is_leaving {
            self.child.kill();
        }
    }

    /// Posts an order, which waits in this process while the link has no space. A link that fails is given up.
    fn send_order(&mut self, order: &Order<&Message>) {
        if let Err(error) = self.control.post(order) {
            self.fail_link(&error);
        }
    }
}
