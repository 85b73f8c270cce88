//! [`serve`]: the main function of an agent.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use procession_core::os::backoff::has_other_cores;
use procession_core::os::clock;
use procession_core::{LinkError, Method};
use procession_process::{StartMethod, cpu_count, ignore_interrupt};

use super::beats::Beats;
use super::hosted_worker::HostedWorker;
use crate::local::functions::FunctionTable;
use crate::local::oom::OomCounter;
use crate::local::poller::Poller;
use crate::local::worker_handle::WorkerFactory;
use crate::model::tuning::REAP_TIMEOUT;
use crate::wire::agent_link::AgentLink;
use crate::wire::channel::Doorbell;
use crate::wire::host_messages::{HostReport, HostSetup};
use crate::wire::messages::Preparation;
use crate::wire::outbox::Outbox;

/// Starts and serves workers of the pool at the other end of a link, until the pool says so or is gone. None of them is left then.
///
/// # Errors
///
/// The link brought what no pool sends, or the operating system refused what the agent itself needs.
pub fn serve(link: impl Into<AgentLink>) -> io::Result<()> {
    // Ctrl-C may reach the agent with the pool, and the pool's program decides what it means.
    ignore_interrupt();
    let mut link = link.into();
    let setup = match link.recv::<HostSetup<Preparation>>(None) {
        Ok(Some(setup)) => setup,
        // The pool has ended before it began.
        Ok(None) | Err(LinkError::Disconnected) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut agent = Agent::new(link, setup)?;
    let outcome = agent.run();
    agent.kill_all();
    match outcome {
        Ok(()) | Err(LinkError::Disconnected) => Ok(()),
        Err(LinkError::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// An agent with its pool's orders.
pub(super) struct Agent {
    pub(super) link: AgentLink,
    pub(super) poller: Poller,
    pub(super) factory: WorkerFactory,
    pub(super) functions: FunctionTable,
    /// The contexts that are on their way, the first to come first.
    pub(super) contexts: VecDeque<IncomingContext>,
    pub(super) workers: BTreeMap<u64, HostedWorker>,
    pub(super) outbox: Outbox<HostReport>,
    /// Bytes of standard error in the outbox, and of what was dropped because there were too many.
    pub(super) stderr: (usize, u64),
    pub(super) oom: OomCounter,
    pub(super) doorbell: Doorbell,
    pub(super) beats: Beats,
    /// When a worker has notified this side, if it may have delayed another notification since then.
    pub(super) notified_at: Option<Duration>,
    /// When to look at what workers have started.
    pub(super) look_at: Duration,
    /// Whether the tasks that ended last were short.
    pub(super) is_short: bool,
    /// Whether another processor can run what a spinning agent waits for.
    pub(super) may_spin: bool,
    /// Whether the link has no space for what waits.
    pub(super) is_full: bool,
    pub(super) is_over: bool,
}

/// The context of a job before all of it has come.
pub(super) struct IncomingContext {
    pub(super) id: u32,
    pub(super) make: Method,
    pub(super) method: Method,
    pub(super) len: usize,
    pub(super) bytes: Vec<u8>,
    /// Whether the job has ended meanwhile.
    pub(super) is_unregistered: bool,
}

impl Agent {
    fn new(link: AgentLink, setup: HostSetup<Preparation>) -> io::Result<Agent> {
        let HostSetup { preparation, spawns, captures_stderr, processors, lease } = setup;
        let method = if spawns { StartMethod::Spawn } else { StartMethod::default() };
        let poller = Poller::new()?;
        poller.add_host(0, link.pollable())?;
        let mut outbox = Outbox::default();
        outbox.push(HostReport::Welcome { processors: cpu_count() as u64 });
        Ok(Agent {
            link,
            poller,
            factory: WorkerFactory { method, preparation, captures_stderr, processors },
            functions: FunctionTable::default(),
            contexts: VecDeque::new(),
            workers: BTreeMap::new(),
            outbox,
            stderr: (0, 0),
            oom: OomCounter::new(),
            doorbell: Doorbell::Prompt,
            beats: Beats::new(lease, clock::boottime()),
            notified_at: None,
            look_at: Duration::ZERO,
            is_short: true,
            may_spin: has_other_cores(),
            is_full: false,
            is_over: false,
        })
    }

    /// Kills all workers, and waits until they are gone.
    fn kill_all(&mut self) {
        // All before the first is waited for, so that they end side by side and share one limit.
        self.workers.values().for_each(|worker| worker.handle.child().kill());
        let until = Instant::now() + REAP_TIMEOUT;
        for worker in self.workers.values() {
            let left = until.saturating_duration_since(Instant::now());
            // One that the kernel does not let go of dies with this process at the latest.
            let _ended = worker.handle.child().wait_timeout(left);
        }
    }
}
