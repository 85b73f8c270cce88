//! Pools whose workers live under agents. Each agent here is a child of this process, at the other end of a control link.
//!
//! With `PROCESSION_TEST_AGENTS=2` all tests of this program use such pools, with that many agents each.

use std::env;
use std::sync::OnceLock;

use procession_core::Control;
use procession_pool::Pool;
use procession_pool::hosts::{HostLauncher, HostSet, LaunchedAgent, serve, set_default_hosts};
use procession_process::Process;

/// The number of agents of each pool.
const VARIABLE: &str = "PROCESSION_TEST_AGENTS";

static AGENTS: OnceLock<usize> = OnceLock::new();

#[used]
#[unsafe(link_section = ".init_array")]
static CHOOSE: extern "C" fn() = {
    extern "C" fn choose() {
        if let Some(agents) = env::var(VARIABLE).ok().and_then(|text| text.parse().ok()) {
            AGENTS.get_or_init(|| agents);
            set_default_hosts(|workers| hosts(AGENTS.get().copied().unwrap_or(1), workers));
        }
    }
    choose
};

/// An agent that is a child of this process.
#[derive(Debug)]
struct ChildAgent {
    name: String,
    workers: usize,
}

/// The agent's process. It ends when its link has ended.
struct Ending(Process<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ended = self.0.join();
    }
}

impl HostLauncher for ChildAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn workers(&self) -> Option<usize> {
        Some(self.workers)
    }

    fn launch(&mut self) -> Result<LaunchedAgent, String> {
        // Pools inside of tasks have no agents.
        let builder = Process::builder().name(&*self.name).daemon(true).env_remove(VARIABLE);
        let (process, control) = builder.spawn_with_control(agent, ()).map_err(|error| error.to_string())?;
        Ok(LaunchedAgent::new(control, Box::new(Ending(process))))
    }
}

fn agent(control: Control, (): ()) {
    serve(control).expect("an agent");
}

/// Hosts for this many workers.
fn hosts(agents: usize, workers: usize) -> HostSet {
    let shares = (0..agents).map(|number| ChildAgent {
        name: format!("agent-{number}"),
        workers: (workers + agents - 1 - number) / agents,
    });
    let launchers = shares.filter(|agent| agent.workers > 0).map(|agent| Box::new(agent) as Box<dyn HostLauncher>);
    HostSet { launchers: launchers.collect(), local_workers: 0, lease: None, rejoin: true, error: None, keep: None }
}

fn pool(agents: usize, workers: usize) -> Pool {
    Pool::builder().workers(workers).hosts(hosts(agents, workers)).build().expect("a pool")
}

#[test]
fn tasks_run_under_agents() {
    let pool = pool(2, 3);
    assert_eq!(pool.map(|n: u64| n * n, 0..1000).unwrap(), (0..1000).map(|n| n * n).collect::<Vec<_>>());
}
