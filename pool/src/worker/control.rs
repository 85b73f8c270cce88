//! A worker's side of the control link: the orders of the pool, and what they bring.
//!
//! Orders and chunks travel apart, so either may come first. A worker that needs a function or descriptors waits for the order
//! that brings them; orders for tasks that are still to come are kept until then.

use std::io;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use procession_core::codec::{Handles, Message};
use procession_core::{LinkError, TryRecv};
use procession_process::panics;

use super::Worker;
use super::loaded_fn::{EncodedContext, LoadedFn};
use crate::model::tuning::{MAX_UNREGISTERED, TRIM_AFTER};
use crate::wire::messages::Order;

impl Worker {
    /// Handles all orders that have come, without waiting.
    #[cold]
    pub(super) fn handle_orders(&mut self) -> Result<(), LinkError> {
        while !self.is_leaving {
            match self.control.try_recv()? {
                TryRecv::Value(order) => self.handle_order(order),
                TryRecv::Empty => break,
                TryRecv::End => self.is_leaving = true,
            }
        }
        Ok(())
    }

    /// Waits for the next order and handles it.
    pub(super) fn recv_and_handle(&mut self) -> Result<(), LinkError> {
        // This worker may sleep for long, so it delays no notification here.
        self.notify_if_asleep(Duration::ZERO)?;
        match self.recv()? {
            Some(order) => self.handle_order(order),
            None => self.is_leaving = true,
        }
        Ok(())
    }

    /// Waits for the next order. When that takes [`TRIM_AFTER`], the memory of result buffers is given back.
    fn recv(&mut self) -> Result<Option<Order<Message>>, LinkError> {
        if self.result_buffers.has_spare() {
            // Only a sleep that lasts shows that the memory is not needed.
            match self.control.recv(Some(Instant::now() + TRIM_AFTER)) {
                Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => self.result_buffers.trim(),
                received => return received,
            }
        }
        self.control.recv(None)
    }

    /// Does what an order says. Of the user's code, at most the `Drop` of a context runs here.
    fn handle_order(&mut self, order: Order<Message>) {
        match order {
            Order::Register { id, function } => drop(self.functions.insert(id, Rc::new(LoadedFn::Plain(function)))),
            Order::RegisterWith { id, make, context, method } => {
                drop(self.contexts.insert(id, EncodedContext { make, context, method }));
            }
            Order::Unregister { id } => self.unregister(id),
            Order::Descriptors { serial, with } => drop(self.descriptors_by_serial.insert(serial, with.into_parts().1)),
            Order::Revoke { serials } => self.descriptors_by_serial.retain(|serial, _| !serials.contains(serial)),
            Order::Leave => self.is_leaving = true,
            Order::Notify => {}
        }
    }

    /// Drops the context of a job that has ended: it may hold descriptors open whose end another process waits for.
    fn unregister(&mut self, id: u32) {
        drop(self.contexts.remove(&id));
        // The current function is a second owner, which would keep the context until the next switch.
        let current = (self.current.0 == id).then(|| mem::replace(&mut self.current, (u32::MAX, LoadedFn::unknown())));
        // Tasks of the job may still be on their way that could not be revoked, so the number stays known.
        let dropped = (self.functions.insert(id, LoadedFn::unknown()), current);
        self.unregistered.push_back(id);
        if self.unregistered.len() > MAX_UNREGISTERED {
            self.unregistered.pop_front().map(|oldest| self.functions.remove(&oldest));
        }
        // The panic of a context's `Drop` concerns no task.
        let _panicked = panics::catch(|| drop(dropped));
    }

    /// Makes `id` the current function, once it is registered. Returns `false` if the worker has to leave before.
    #[cold]
    pub(super) fn switch_function(&mut self, id: u32) -> Result<bool, LinkError> {
        while !self.is_leaving {
            if let Some(context) = self.contexts.remove(&id) {
                self.functions.insert(id, Rc::new(context.load()));
            }
            if let Some(function) = self.functions.get(&id) {
                self.current = (id, function.clone());
                return Ok(true);
            }
            // The pool posts the order before the first chunk that needs it, so it is on its way.
            self.recv_and_handle()?;
        }
        Ok(false)
    }

    /// Returns the descriptors of a task, once they are here.
    pub(super) fn task_descriptors(&mut self, serial: u32) -> Result<Handles, LinkError> {
        while !self.is_leaving {
            if let Some(found) = self.descriptors_by_serial.remove(&serial) {
                // Earlier serials belong to revoked tasks, later ones to tasks that are still to come.
                self.descriptors_by_serial.retain(|other, _| other.wrapping_sub(serial) < 1 << 31);
                return Ok(found);
            }
            self.recv_and_handle()?;
        }
        Ok(Handles::new())
    }
}
