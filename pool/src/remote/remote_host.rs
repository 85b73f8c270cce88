//! [`RemoteHost`]: one host of a pool, with the connection to its agent, if it has one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use procession_core::LinkError;

use super::connection::Connection;
use super::launcher::HostLauncher;
use crate::local::functions::{FunctionTable, TaskFn};
use crate::model::ids::WorkerId;
use crate::model::tuning::{FIRST_RELAUNCH_DELAY, MAX_RELAUNCH_DELAY};
use crate::wire::host_messages::{CONTEXTS, HostOrder};
use crate::wire::lease::DriverLease;

/// Why a value with descriptors is refused.
pub(crate) const NO_DESCRIPTORS: &str = "a file or socket cannot travel to another host";

/// One host.
#[derive(Debug)]
pub(super) struct RemoteHost {
    pub(super) name: Arc<str>,
    /// `None` while an agent is launched.
    pub(super) launcher: Option<Box<dyn HostLauncher>>,
    pub(super) connection: Option<Box<Connection>>,
    /// The number of workers that it is to have at most.
    pub(super) capacity: usize,
    /// Whether the number is a guess until the agent has said how many processors there are.
    pub(super) is_guess: bool,
    /// The number of workers that are here, or will be.
    pub(super) assigned: usize,
    /// The starts that wait for the connection.
    pub(super) waiting: Vec<(WorkerId, HostOrder)>,
    /// The functions that the agent knows.
    functions: HashSet<u32>,
    /// Launches in a row that have led to no worker.
    pub(super) failures: u32,
    /// No launch before this.
    pub(super) launch_at: Duration,
    /// When the pool gives the host up, unless a beat comes before.
    pub(super) lease: Option<DriverLease>,
    /// Whether it is not used any more.
    pub(super) is_retired: bool,
}

impl RemoteHost {
    pub(super) fn new(launcher: Box<dyn HostLauncher>) -> RemoteHost {
        RemoteHost {
            name: launcher.name().into(),
            connection: None,
            capacity: launcher.workers().unwrap_or(1),
            is_guess: launcher.workers().is_none(),
            launcher: Some(launcher),
            assigned: 0,
            waiting: Vec::new(),
            functions: HashSet::new(),
            failures: 0,
            launch_at: Duration::ZERO,
            lease: None,
            is_retired: false,
        }
    }

    /// Returns whether an agent is to be launched, now or later.
    pub(super) fn needs_launch(&self) -> bool {
        self.connection.is_none() && self.launcher.is_some() && !self.waiting.is_empty()
    }

    /// Has the agent know a function before its tasks come.
    pub(super) fn register(&mut self, id: u32, functions: &FunctionTable) -> Result<(), LinkError> {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.functions.contains(&id)) else {
            return Ok(());
        };
        match functions.get(id) {
            None => return Ok(()),
            Some(TaskFn::Plain(function)) => {
                connection.outbox.push(HostOrder::Register { id, function: *function });
            }
            Some(TaskFn::With { context, .. }) if !context.descriptors().is_empty() => {
                return Err(LinkError::Unsendable(NO_DESCRIPTORS.to_owned()));
            }
            Some(TaskFn::With { make, context, method }) => {
                let len = context.bytes().len() as u64;
                connection.outbox.push(HostOrder::RegisterWith { id, make: *make, method: *method, len });
                connection.outbox.push_bytes(CONTEXTS, context.clone().into());
            }
        }
        self.functions.insert(id);
        Ok(())
    }

    /// Has the agent forget a function, if it knows it.
    pub(super) fn unregister(&mut self, id: u32) {
        if self.functions.remove(&id) {
            self.order(HostOrder::Unregister { id });
        }
    }

    /// Sends the agent an order. Without an agent there is nothing that it could change.
    pub(super) fn order(&mut self, order: HostOrder) {
        if let Some(connection) = &mut self.connection {
            connection.outbox.push(order);
        }
    }

    /// Records that the host has brought a worker.
    pub(super) fn set_useful(&mut self) {
        self.failures = 0;
    }

    /// Records a launch that was of no use, or the loss of the agent, and puts the next launch off.
    pub(super) fn set_failed(&mut self, now: Duration) {
        let delay = FIRST_RELAUNCH_DELAY.saturating_mul(1 << self.failures.min(16)).min(MAX_RELAUNCH_DELAY);
        self.failures = self.failures.saturating_add(1);
        self.launch_at = now + delay;
        self.functions.clear();
        (self.connection, self.lease) = (None, None);
    }
}
