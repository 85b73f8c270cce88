//! An agent executes the orders of its pool.

use std::sync::Arc;

use procession_core::LinkError;
use procession_core::codec::{Handles, Message};
use procession_core::os::clock;

use super::hosted_worker::HostedWorker;
use super::serve::{Agent, IncomingContext};
use crate::local::functions::TaskFn;
use crate::local::worker_handle::WorkerHandle;
use crate::model::ids::WorkerId;
use crate::model::pool_error::PoolError;
use crate::wire::channel::Doorbell;
use crate::wire::host_messages::{CONTEXTS, HostFrame, HostOrder, HostReport, take};

impl Agent {
    /// Executes the orders of one frame.
    pub(super) fn handle_frame(&mut self, frame: HostFrame<HostOrder>) -> Result<(), LinkError> {
        let HostFrame { messages, bytes } = frame;
        let mut bytes = bytes.as_slice();
        for order in messages {
            let done = self.handle_order(order, &mut bytes);
            done.ok_or_else(|| LinkError::Garbled("the bytes of a frame are not those that it announces".to_owned()))?;
        }
        Ok(())
    }

    /// Executes one order. `None` if no pool of ours sends it.
    fn handle_order(&mut self, order: HostOrder, bytes: &mut &[u8]) -> Option<()> {
        match order {
            HostOrder::Start { worker, number, name } => self.start(worker, number, name),
            HostOrder::Register { id, function } => {
                self.functions.insert(id, TaskFn::Plain(function));
            }
            HostOrder::RegisterWith { id, make, method, len } => {
                let len = usize::try_from(len).ok()?;
                let context = IncomingContext { id, make, method, len, bytes: Vec::new(), is_unregistered: false };
                self.contexts.push_back(context);
                self.finish_contexts();
            }
            HostOrder::Unregister { id } => self.unregister(id),
            HostOrder::Bytes { stream: CONTEXTS, len } => self.push_context(take(bytes, len)?)?,
            HostOrder::Bytes { stream, len } => {
                let chunks = take(bytes, len)?;
                // Of a worker that has ended, the pool learns it soon.
                if let Some(worker) = self.workers.get_mut(&stream) {
                    worker.push(chunks).then_some(())?;
                    self.send_waiting(stream);
                }
            }
            HostOrder::Revoke { worker, count } => self.revoke(worker, count),
            HostOrder::Leave { worker } => self.with(worker, WorkerHandle::leave),
            HostOrder::Terminate { worker } => self.with(worker, |handle| handle.child().terminate()),
            HostOrder::Kill { worker } => self.with(worker, |handle| handle.child().kill()),
            HostOrder::Doorbell { is_prompt } => {
                self.doorbell = if is_prompt { Doorbell::Prompt } else { Doorbell::Lazy };
            }
            HostOrder::Acknowledge { beat } => self.beats.acknowledge(beat, clock::boottime()),
            HostOrder::End => self.is_over = true,
        }
        Some(())
    }

    /// Does something with a worker that may change whether its link is polled.
    pub(super) fn with(&mut self, id: u64, action: impl FnOnce(&mut WorkerHandle)) {
        if let Some(worker) = self.workers.get_mut(&id) {
            action(&mut worker.handle);
            self.poller.update(WorkerId(id), &worker.handle);
        }
    }

    fn start(&mut self, worker: u64, number: u64, name: String) {
        match self.try_start(worker, number, name) {
            Ok(pid) => self.outbox.push(HostReport::Spawned { worker, pid }),
            Err(error) => self.outbox.push(HostReport::StartFailed { worker, error }),
        }
    }

    fn try_start(&mut self, worker: u64, number: u64, name: String) -> Result<u32, PoolError> {
        let handle = self.factory.spawn_worker(usize::try_from(number).unwrap_or(0), name)?;
        self.poller.add(WorkerId(worker), &handle)?;
        let pid = handle.info().pid;
        self.workers.insert(worker, HostedWorker::new(handle));
        Ok(pid)
    }

    /// Sends a worker those of its chunks whose function is here.
    fn send_waiting(&mut self, id: u64) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let Err(error) = worker.send_waiting(&self.functions) {
            // A part of an order may be on its way, so the link cannot be used any more.
            worker.handle.fail_link(&error);
        }
        self.poller.update(WorkerId(id), &worker.handle);
        // A task that was just sent may have started by then.
        self.look_at = self.look_at.max(clock::monotonic());
    }

    fn revoke(&mut self, id: u64, count: u64) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let count = worker.revoke(count);
        self.poller.update(WorkerId(id), &worker.handle);
        // Before the answer, which says with it how many of the others are left.
        self.report_started_by(id, clock::monotonic());
        self.outbox.push(HostReport::Revoked { worker: id, count });
    }

    /// Takes the next bytes of the contexts. `None` if none is on its way.
    fn push_context(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let first = self.contexts.front_mut()?;
            let count = bytes.len().min(first.len - first.bytes.len());
            let (taken, rest) = bytes.split_at(count);
            first.bytes.extend_from_slice(taken);
            bytes = rest;
            self.finish_contexts();
        }
        Some(())
    }

    /// Enters the functions whose contexts have come as a whole, and sends the chunks that have waited for them.
    fn finish_contexts(&mut self) {
        while let Some(context) = self.contexts.pop_front_if(|context| context.bytes.len() == context.len) {
            let IncomingContext { id, make, method, bytes, is_unregistered, .. } = context;
            let context = Arc::new(Message::new(bytes, Handles::new()));
            self.functions.insert(id, TaskFn::With { make, context, method });
            let workers: Vec<u64> = self.workers.keys().copied().collect();
            workers.into_iter().for_each(|worker| self.send_waiting(worker));
            if is_unregistered {
                self.unregister(id);
            }
        }
    }

    /// Has the workers forget a function, once it is here.
    fn unregister(&mut self, id: u32) {
        if let Some(context) = self.contexts.iter_mut().find(|context| context.id == id) {
            context.is_unregistered = true;
            return;
        }
        self.functions.remove(id);
        for (worker, hosted) in &mut self.workers {
            hosted.handle.unregister(id);
            self.poller.update(WorkerId(*worker), &hosted.handle);
        }
    }
}
