//! [`AgentLink`]: the link between a pool and the agent of a host.

use std::time::Instant;

use procession_core::os::poll::Pollable;
use procession_core::{Control, LinkError, TryRecv};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A link over which functions are named, to an agent on this machine.
#[derive(Debug)]
pub struct AgentLink(Control);

impl From<Control> for AgentLink {
    fn from(control: Control) -> AgentLink {
        AgentLink(control)
    }
}

impl AgentLink {
    /// Sends as much of a value as there is space for, and keeps the rest. Never waits.
    pub(crate) fn post<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        self.0.post(value)
    }

    /// Sends on what was kept. Returns whether all of it is out.
    pub(crate) fn flush(&mut self) -> Result<bool, LinkError> {
        self.0.flush()
    }

    /// Receives the next value, and waits for it until the deadline.
    pub(crate) fn recv<T: DeserializeOwned>(&mut self, deadline: Option<Instant>) -> Result<Option<T>, LinkError> {
        self.0.recv(deadline)
    }

    /// Receives the next value if there is one.
    pub(crate) fn try_recv<T: DeserializeOwned>(&mut self) -> Result<TryRecv<T>, LinkError> {
        self.0.try_recv()
    }

    /// Returns what is ready when there may be something to receive, or space for what was kept.
    pub(crate) fn pollable(&self) -> Pollable<'_> {
        self.0.pollable()
    }
}
