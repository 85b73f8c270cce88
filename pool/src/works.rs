//! [`Works`]: what a pool's workers have been told to do, by number.
//!
//! A worker learns a function once, however many jobs apply it. There are only so many functions in a program, so they are
//! never forgotten. A function with a context is another matter: it is forgotten with its job.

use std::collections::HashMap;

use procession_core::codec::Message;
use procession_core::{Function, Method};

use crate::wire::protocol::Order;

/// What is done with the arguments of a job.
#[derive(Debug)]
pub(crate) enum Work {
    Plain(Function),
    /// The context is made in each worker, from a message that says what it is.
    With {
        make: Method,
        context: Message,
        method: Method,
    },
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Works {
    numbers: HashMap<Function, u32>,
    works: HashMap<u32, Work>,
    next: u32,
}

impl Works {
    /// The number of a work that is known, or becomes so.
    pub(crate) fn number(&mut self, work: Work) -> u32 {
        if let Work::Plain(function) = &work {
            if let Some(number) = self.numbers.get(function) {
                return *number;
            }
            self.numbers.insert(*function, self.next);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.works.insert(number, work);
        number
    }

    /// What a worker is told of it.
    pub(crate) fn lesson(&self, number: u32) -> Option<Order<&Message>> {
        Some(match self.works.get(&number)? {
            Work::Plain(function) => Order::Learn { work: number, function: *function },
            Work::With { make, context, method } => {
                Order::LearnWith { work: number, make: *make, context, method: *method }
            }
        })
    }

    /// Forgets what belongs to one job. Answers whether there was something to forget.
    pub(crate) fn forget(&mut self, number: u32) -> bool {
        let is_of_one_job = matches!(self.works.get(&number), Some(Work::With { .. }));
        is_of_one_job && self.works.remove(&number).is_some()
    }
}
