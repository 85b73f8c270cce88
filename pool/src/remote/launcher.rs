//! [`HostLauncher`]: how the agent of a host is started. The pool knows nothing more of hosts than this.

use std::any::Any;
use std::fmt::Debug;
use std::time::Duration;

use crate::wire::agent_link::AgentLink;

/// Starts the agent of one host, as often as it is needed.
pub trait HostLauncher: Send + Debug {
    /// Returns the name of the host, for errors.
    fn name(&self) -> &str;

    /// Returns the number of workers that the host is to have; `None`: one for each of its processors.
    fn workers(&self) -> Option<usize>;

    /// Starts the agent. It is called on a thread of its own, and may wait. A pool that ends meanwhile drops the agent.
    ///
    /// # Errors
    ///
    /// Why there is no agent, as the errors of tasks and of the pool say it.
    fn launch(&mut self) -> Result<LaunchedAgent, String>;
}

/// An agent that runs.
#[derive(Debug)]
pub struct LaunchedAgent {
    pub(crate) link: AgentLink,
    pub(crate) keep: Box<dyn Any + Send>,
}

impl LaunchedAgent {
    /// Returns an agent at the other end of a link. `keep` is dropped when the link has ended, and must not wait then.
    pub fn new(link: impl Into<AgentLink>, keep: Box<dyn Any + Send>) -> LaunchedAgent {
        LaunchedAgent { link: link.into(), keep }
    }
}

/// The hosts of a pool.
#[derive(Debug)]
pub struct HostSet {
    /// One for each host.
    pub launchers: Vec<Box<dyn HostLauncher>>,
    /// The number of workers on this host.
    pub local_workers: usize,
    /// How long an agent and its pool live without a sign from each other. `None`: until the link ends.
    pub lease: Option<Duration>,
    /// Whether a host that was lost is used again when it returns.
    pub rejoin: bool,
    /// Why there are no hosts. Building the pool fails with it.
    pub error: Option<String>,
    /// Dropped when the pool has ended, so that launches under way end as well.
    pub keep: Option<Box<dyn Any + Send>>,
}
