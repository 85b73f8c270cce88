//! [`AgentLink`]: the link between a pool and the agent of a host.

use std::time::Instant;

#[cfg(feature = "hosts")]
use procession_core::SealedControl;
use procession_core::os::poll::Pollable;
use procession_core::{Control, LinkError, TryRecv};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A link over which functions are named, to an agent on this machine or, with the feature `hosts`, on another.
#[derive(Debug)]
pub struct AgentLink(Kind);

#[derive(Debug)]
enum Kind {
    Local(Control),
    #[cfg(feature = "hosts")]
    Sealed(SealedControl),
}

impl From<Control> for AgentLink {
    fn from(control: Control) -> AgentLink {
        AgentLink(Kind::Local(control))
    }
}

#[cfg(feature = "hosts")]
impl From<SealedControl> for AgentLink {
    fn from(control: SealedControl) -> AgentLink {
        AgentLink(Kind::Sealed(control))
    }
}

/// Calls the same method of either link.
macro_rules! on_link {
    ($link:expr, $control:ident => $call:expr) => {
        match $link {
            Kind::Local($control) => $call,
            #[cfg(feature = "hosts")]
            Kind::Sealed($control) => $call,
        }
    };
}

impl AgentLink {
    /// Sends as much of a value as there is space for, and keeps the rest. Never waits.
    pub(crate) fn post<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        on_link!(&mut self.0, control => control.post(value))
    }

    /// Sends on what was kept. Returns whether all of it is out.
    pub(crate) fn flush(&mut self) -> Result<bool, LinkError> {
        on_link!(&mut self.0, control => control.flush())
    }

    /// Receives the next value, and waits for it until the deadline.
    pub(crate) fn recv<T: DeserializeOwned>(&mut self, deadline: Option<Instant>) -> Result<Option<T>, LinkError> {
        on_link!(&mut self.0, control => control.recv(deadline))
    }

    /// Receives the next value if there is one.
    pub(crate) fn try_recv<T: DeserializeOwned>(&mut self) -> Result<TryRecv<T>, LinkError> {
        on_link!(&mut self.0, control => control.try_recv())
    }

    /// Returns what is ready when there may be something to receive, or space for what was kept.
    pub(crate) fn pollable(&self) -> Pollable<'_> {
        on_link!(&self.0, control => control.pollable())
    }
}
