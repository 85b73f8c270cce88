//! Pools whose workers live under agents. Each agent here is a child of this process, at the other end of a control link.
//!
//! With `PROCESSION_TEST_AGENTS=2` all tests of this program use such pools, with that many agents each.

use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use procession_core::Control;
use procession_pool::hosts::{HostLauncher, HostSet, LaunchedAgent, serve, set_default_hosts};
use procession_pool::{Pool, TaskError, WorkerState};
use procession_process::Process;
use procession_sync::Event;

use crate::support::{Block, die_by, eventually, is_alive, send_signal, stop};

/// The number of agents of each pool.
const VARIABLE: &str = "PROCESSION_TEST_AGENTS";

static AGENTS: OnceLock<usize> = OnceLock::new();

#[used]
#[unsafe(link_section = ".init_array")]
static CHOOSE: extern "C" fn() = {
    extern "C" fn choose() {
        if let Some(count) = env::var(VARIABLE).ok().and_then(|text| text.parse().ok()) {
            AGENTS.get_or_init(|| count);
            set_default_hosts(|workers| agents(AGENTS.get().copied().unwrap_or(1), workers).0);
        }
    }
    choose
};

/// Why a test says nothing of agents.
pub(crate) const DESCRIPTORS: &str = "it sends descriptors, which stay on their host";
pub(crate) const STARTS: &str = "what a worker has started at this very moment is known on its host only";
pub(crate) const FORKS: &str = "an agent does not fork";

/// Whether the pools of this program have agents by default. Says on standard error which test is skipped for it.
pub(crate) fn skips(why: &str) -> bool {
    let skips = AGENTS.get().is_some();
    if skips {
        eprintln!("skipped with agents: {why}");
    }
    skips
}

/// An agent that is a child of this process.
#[derive(Debug)]
struct ChildAgent {
    name: String,
    workers: usize,
    /// The agents that were launched.
    pids: Arc<Mutex<Vec<u32>>>,
}

/// The agent's process. It ends when its link has ended.
struct Ending(Process<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        // The pool must not wait for an agent that is stopped.
        let _ended = self.0.join_timeout(Duration::from_secs(1));
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
        self.pids.lock().unwrap().push(process.id());
        Ok(LaunchedAgent::new(control, Box::new(Ending(process))))
    }
}

fn agent(control: Control, (): ()) {
    serve(control).expect("an agent");
}

/// Hosts for this many workers, and where the numbers of their agents appear.
fn agents(count: usize, workers: usize) -> (HostSet, Arc<Mutex<Vec<u32>>>) {
    let pids: Arc<Mutex<Vec<u32>>> = Arc::default();
    let shares = (0..count).map(|number| ChildAgent {
        name: format!("agent-{number}"),
        workers: (workers + count - 1 - number) / count,
        pids: pids.clone(),
    });
    let launchers = shares.filter(|agent| agent.workers > 0).map(|agent| Box::new(agent) as Box<dyn HostLauncher>);
    let launchers = launchers.collect();
    (HostSet { launchers, local_workers: 0, lease: None, rejoin: true, error: None, keep: None }, pids)
}

fn pool(count: usize, workers: usize) -> (Pool, Arc<Mutex<Vec<u32>>>) {
    let (hosts, pids) = agents(count, workers);
    (Pool::builder().workers(workers).hosts(hosts).build().expect("a pool"), pids)
}

#[test]
fn tasks_run_under_agents() {
    let (pool, _) = pool(2, 3);
    assert_eq!(pool.map(|n: u64| n * n, 0..1000).unwrap(), (0..1000).map(|n| n * n).collect::<Vec<_>>());
    eventually("all three", || pool.stats().workers.len() == 3);
}

#[test]
fn workers_here_and_under_an_agent_share_a_job() {
    let (mut hosts, agent) = agents(1, 1);
    hosts.local_workers = 1;
    let pool = Pool::builder().hosts(hosts).build().unwrap();
    assert_eq!(pool.workers(), 2);
    let ready = |pool: &Pool| pool.stats().workers.iter().filter(|one| one.state == WorkerState::Ready).count();
    eventually("both are ready", || ready(&pool) == 2);
    let parents = pool.broadcast(|()| std::os::unix::process::parent_id(), ()).unwrap();
    assert_eq!(parents, [std::process::id(), agent.lock().unwrap()[0]]);
    assert_eq!(pool.map(|n: u64| n + 1, 0..10_000).unwrap().len(), 10_000);
}

#[test]
fn large_arguments_results_and_contexts_go_in_pieces() {
    let (pool, _) = pool(2, 2);
    let blocks = || (0..20_u8).map(|n| Block(vec![n; 3_000_000 + usize::from(n)]));
    let turned = |block: Block| Block(block.0.into_iter().map(|byte| !byte).collect());
    for (n, result) in pool.imap(turned, blocks()).enumerate() {
        assert_eq!(result.unwrap(), Block(vec![!(n as u8); 3_000_000 + n]));
    }
    let context = Block((0..5_000_000_u32).map(|n| n as u8).collect());
    let at = |context: &Block, n: u32| context.0[n as usize];
    assert_eq!(pool.map_with(&context, at, [0, 77, 4_999_999]).unwrap(), [0, 77, (4_999_999_u32 % 256) as u8]);
}

#[test]
fn descriptors_are_refused_at_once() {
    let (pool, _) = pool(1, 1);
    let event = Event::new().unwrap();
    let error = pool.apply(|event: Event| event.set(), event.clone()).unwrap_err();
    assert!(error.is_transport() && !error.started(), "{error}");
    let text = "a file or socket cannot travel to another host";
    assert!(error.to_string().ends_with(text), "{error}");
    let error = pool.map_with(&event, |event: &Event, _: u8| event.set(), [1]).unwrap_err();
    assert!(error.is_transport() && error.to_string().ends_with(text), "{error}");
    let error = pool.apply(|()| Event::new().unwrap(), ()).map(drop).unwrap_err();
    assert!(error.is_transport() && error.started() && error.to_string().contains(text), "{error}");
    let (hosts, _) = agents(1, 1);
    let refused = Pool::builder().hosts(hosts).initializer(|event: Event| event.set(), event).build().unwrap_err();
    assert!(refused.to_string().ends_with(text), "{refused}");
    assert_eq!(pool.apply(|n: u8| n + 1, 1).unwrap(), 2);
}

#[test]
fn a_dead_worker_costs_the_task_that_it_ran() {
    let (pool, pids) = pool(2, 2);
    let task = |n: u32| {
        if n == 7 {
            eprintln!("no way out");
            die_by("KILL");
        }
        n
    };
    let errors: Vec<_> = pool.imap(task, 0..200).filter_map(Result::err).collect();
    assert_eq!(errors.iter().map(TaskError::index).collect::<Vec<_>>(), [7]);
    assert_eq!(errors[0].exit_status().unwrap().signal(), Some(9));
    assert!(errors[0].is_death() && errors[0].stderr().ends_with("no way out\n"), "{}", errors[0]);
    assert!(errors[0].to_string().contains(" on host `agent-"), "{}", errors[0]);
    assert_eq!((pool.stats().restarts, pids.lock().unwrap().len()), (1, 2));
}

#[test]
fn the_loss_of_a_host_is_an_error_of_its_own_and_no_attempt() {
    let (pool, pids) = pool(1, 1);
    let lost = |agent: u32| {
        send_signal(agent, "KILL");
        std::thread::park();
    };
    let error = pool.apply(lost, pids.lock().unwrap()[0]).unwrap_err();
    assert!(error.is_host_lost() && error.started() && !error.is_death(), "{error}");
    assert_eq!(error.host(), Some("agent-0"));
    // The host is used again.
    assert_eq!(pool.apply(|n: u8| n + 1, 1).unwrap(), 2);
    assert_eq!(pids.lock().unwrap().len(), 2);
}

#[test]
fn without_hosts_that_return_the_pool_breaks_and_starts_no_worker_here() {
    let (hosts, pids) = agents(1, 1);
    let pool = Pool::builder().hosts(HostSet { rejoin: false, ..hosts }).build().unwrap();
    let agent = pids.lock().unwrap()[0];
    send_signal(agent, "KILL");
    // The first calls may still meet the host, and are lost with it.
    let says = |error: TaskError| error.to_string().contains("all hosts of the pool are lost");
    eventually("the end of the pool", || pool.apply(|n: u8| n, 1).is_err_and(says));
    assert!(pool.stats().workers.is_empty());
}

#[test]
fn with_retries_a_job_survives_the_loss_of_hosts() {
    let (pool, pids) = pool(3, 3);
    let task = |n: u64| {
        std::thread::sleep(Duration::from_micros(200));
        n
    };
    let results = std::thread::scope(|scope| {
        let results = scope.spawn(|| pool.job(task).retries(1).map(0..3000));
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(40));
            let victim = pids.lock().unwrap().iter().copied().find(|pid| is_alive(*pid));
            victim.into_iter().for_each(|pid| send_signal(pid, "KILL"));
        }
        results.join().unwrap()
    });
    assert_eq!(results.unwrap(), (0..3000).collect::<Vec<_>>());
    assert!(pids.lock().unwrap().len() > 3);
}

#[test]
fn a_frozen_agent_is_lost_with_its_lease_and_ends_when_it_wakes() {
    let (mut hosts, pids) = agents(2, 2);
    hosts.lease = Some(Duration::from_secs(1));
    let pool = Pool::builder().workers(2).hosts(hosts).build().unwrap();
    assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
    eventually("both agents", || pids.lock().unwrap().len() == 2);
    let frozen = pids.lock().unwrap()[0];
    stop(frozen);
    let results = pool.job(|n: u64| n).retries(1).map(0..1000).unwrap();
    assert_eq!(results, (0..1000).collect::<Vec<_>>());
    eventually("another agent in its place", || pids.lock().unwrap().len() == 3);
    send_signal(frozen, "CONT");
    eventually("its end", || !is_alive(frozen));
    assert_eq!(pool.map(|n: u64| n, 0..100).unwrap().len(), 100);
}

/// A host that cannot be used.
#[derive(Debug)]
struct NoHost;

impl HostLauncher for NoHost {
    fn name(&self) -> &str {
        "nowhere"
    }

    fn workers(&self) -> Option<usize> {
        Some(2)
    }

    fn launch(&mut self) -> Result<LaunchedAgent, String> {
        Err("there is no such machine".to_owned())
    }
}

#[test]
fn hosts_that_cannot_be_used_break_the_pool_only_if_there_are_no_others() {
    let hosts = |agent: HostSet| HostSet {
        launchers: agent.launchers.into_iter().chain([Box::new(NoHost) as _]).collect(),
        ..agent
    };
    let (none, _) = agents(0, 0);
    let error = Pool::builder().hosts(hosts(none)).build().unwrap_err();
    assert_eq!(error.to_string(), "cannot use host `nowhere`: there is no such machine");
    let (one, _) = agents(1, 1);
    let pool = Pool::builder().hosts(hosts(one)).build().unwrap();
    assert_eq!(pool.map(|n: u64| n, 0..1000).unwrap().len(), 1000);
}

/// Makes a pool with agents, says which processes there are, and lasts.
fn driver(told: PathBuf, kills: bool) {
    let (pool, pids) = pool(2, 2);
    eventually("both are ready", || pool.stats().workers.iter().filter(|one| one.pid > 0).count() == 2);
    let mut all: Vec<u32> = pids.lock().unwrap().clone();
    all.extend(pool.stats().workers.iter().map(|one| one.pid));
    std::fs::write(told.with_extension("part"), all.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")).unwrap();
    std::fs::rename(told.with_extension("part"), told).unwrap();
    if kills {
        pool.map(|_: u8| std::thread::park(), 0..2).unwrap();
    }
}

#[test]
fn nobody_is_left_when_the_driver_ends_or_dies() {
    for kills in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let told = directory.path().join("pids");
        let process = Process::spawn(|(told, kills)| driver(told, kills), (told.clone(), kills)).unwrap();
        eventually("the pool", || told.exists());
        let pids = std::fs::read_to_string(&told).unwrap();
        if kills {
            process.kill();
        } else {
            process.join().unwrap();
        }
        for pid in pids.split(' ').map(|pid| pid.parse().unwrap()) {
            eventually("its end", || !is_alive(pid));
        }
    }
}
