//! [`FunctionTable`]: the functions that a pool's workers know, by number.
//!
//! A function is registered in a worker once, for all jobs that apply it, and stays so: a program has a limited number of them. A
//! function with a context is unregistered with its job.

use std::collections::HashMap;
use std::sync::Arc;

use procession_core::codec::Message;
use procession_core::{Function, Method};

use crate::wire::messages::Order;

/// The function that a job applies.
#[derive(Debug)]
pub(crate) enum TaskFn {
    Plain(Function),
    /// The context is made in each worker, from a message.
    With {
        make: Method,
        context: Arc<Message>,
        method: Method,
    },
}

/// The functions of all jobs by number. A plain one keeps its number until the pool ends.
#[derive(Debug, Default)]
pub(crate) struct FunctionTable {
    ids: HashMap<Function, u32>,
    functions: HashMap<u32, TaskFn>,
    next: u32,
}

impl FunctionTable {
    /// Returns the number of a function, which may be a new one.
    pub(crate) fn intern(&mut self, function: TaskFn) -> u32 {
        if let TaskFn::Plain(function) = &function {
            if let Some(id) = self.ids.get(function) {
                return *id;
            }
            self.ids.insert(*function, self.next);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.functions.insert(id, function);
        id
    }

    /// Enters a function under the number that another process has given it.
    pub(crate) fn insert(&mut self, id: u32, function: TaskFn) {
        self.functions.insert(id, function);
    }

    pub(crate) fn get(&self, id: u32) -> Option<&TaskFn> {
        self.functions.get(&id)
    }

    /// Returns the order that registers a function in a worker.
    pub(crate) fn registration(&self, id: u32) -> Option<Order<&Message>> {
        Some(match self.functions.get(&id)? {
            TaskFn::Plain(function) => Order::Register { id, function: *function },
            TaskFn::With { make, context, method } => Order::RegisterWith { id, make: *make, context, method: *method },
        })
    }

    /// Removes a function that belongs to one job. Returns whether it was one.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        let is_of_one_job = matches!(self.functions.get(&id), Some(TaskFn::With { .. }));
        is_of_one_job && self.functions.remove(&id).is_some()
    }
}
