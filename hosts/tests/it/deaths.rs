//! What dies, and what is left.

use std::fs;
use std::process::Command;

use procession_hosts::Hosts;
use procession_pool::Pool;
use procession_process::{Process, Stdio};

use crate::support::{here, is_running, tasks, wait_until};

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// The processes that a process has started, and that are still there.
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().filter_map(Result::ok);
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// The numbers of all workers and agents of a pool.
fn pids(pool: &Pool) -> Vec<(u32, u32)> {
    // A worker that dies meanwhile is an error, and the caller asks again.
    pool.broadcast(tasks::pids, 0).unwrap_or_default()
}

fn two_hosts() -> Pool {
    Pool::builder().hosts(here(&["a:1", "b:1"])).build().unwrap()
}

#[test]
fn a_worker_is_killed_and_another_takes_its_place() {
    let pool = two_hosts();
    wait_until("both workers", || pids(&pool).len() == 2);
    let (worker, agent) = pids(&pool)[0];
    kill(worker);
    let job = pool.job(tasks::square).retries(3);
    assert_eq!(job.map(0..1000).unwrap(), (0..1000).map(tasks::square).collect::<Vec<_>>());
    wait_until("another worker", || pids(&pool).len() == 2);
    assert!(is_running(agent));
}

#[test]
fn an_agent_is_killed_and_its_host_comes_back() {
    let pool = two_hosts();
    wait_until("both workers", || pids(&pool).len() == 2);
    let (worker, agent) = pids(&pool)[0];
    let job = pool.job(tasks::square).retries(3);
    let mut results = job.imap(0..200_000);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    kill(agent);
    assert_eq!(results.map(Result::unwrap).sum::<u64>(), (0..200_000).map(tasks::square).sum::<u64>());
    wait_until("the end of its worker", || !is_running(worker));
    wait_until("another agent", || {
        let agents: Vec<_> = pids(&pool).into_iter().map(|(_, agent)| agent).collect();
        agents.len() == 2 && agents[0] != agents[1] && !agents.contains(&agent)
    });
}

#[test]
fn a_launcher_is_killed_and_its_agent_stays() {
    // The shell stays between this process and the agent.
    let hosts = Hosts::command("sh -c {agent}; exit 0").on(["a:1"]).executable(procession_hosts::Executable::Same);
    let pool = Pool::builder().hosts(hosts).build().unwrap();
    let (worker, agent) = pids(&pool)[0];
    let launcher = fs::read_to_string(format!("/proc/{agent}/stat")).unwrap();
    let launcher = launcher.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_ne!(launcher, std::process::id(), "the shell");
    kill(launcher);
    wait_until("the end of the launcher", || !is_running(launcher));
    assert_eq!(pool.map(tasks::square, 0..3).unwrap(), [0, 1, 4]);
    assert_eq!(pids(&pool), [(worker, agent)]);
    drop(pool);
    wait_until("the end of the agent", || !is_running(agent) && !is_running(worker));
}

#[test]
fn a_pool_that_ends_leaves_no_process() {
    let pool = two_hosts();
    wait_until("both workers", || pids(&pool).len() == 2);
    let known = pids(&pool);
    pool.join();
    wait_until("the end of all", || !known.iter().any(|&(worker, agent)| is_running(worker) || is_running(agent)));
}

#[test]
fn a_driver_is_killed_and_no_process_is_left() {
    for is_tunnelled in [false, true] {
        let driver = Process::builder()
            .stdout(Stdio::Piped)
            .spawn(
                |is_tunnelled: bool| {
                    let hosts = here(&["a:1", "b:1"]);
                    let hosts = if is_tunnelled { hosts.tunnelled() } else { hosts };
                    let pool = Pool::builder().hosts(hosts).build().unwrap();
                    wait_until("both workers", || pids(&pool).len() == 2);
                    let all: Vec<_> = pids(&pool).iter().map(|(worker, agent)| format!("{worker} {agent}")).collect();
                    println!("{}", all.join(" "));
                    // Until it is killed.
                    std::thread::park();
                },
                is_tunnelled,
            )
            .unwrap();
        let mut line = String::new();
        let output = driver.take_stdout().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let mut known: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        assert_eq!(known.len(), 4);
        known.extend(children(driver.id()));
        kill(driver.id());
        wait_until("the end of all", || !known.iter().any(|&pid| is_running(pid)));
    }
}
