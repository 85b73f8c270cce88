//! `cargo xtask lab test`: the tests that need hosts.
//!
//! Each begins with hosts that are all on and healthy, and must leave no process in any of them.

mod case;
mod deaths;
mod farm;
mod joining;
mod launchers;
mod links;
mod pools;
mod power;

use std::time::Instant;

use case::Case;
use lexopt::{Arg, Parser, ValueExt};

use super::cluster::{self, Cluster, Lifetime};
use super::host::GUARD;
use super::proc::Process;
use super::{examples, link, ssh, tool};
use crate::failure::Failure;

const CASES: &[&[Case]] = &[launchers::CASES, links::CASES, power::CASES, pools::CASES, deaths::CASES, joining::CASES];

/// The hosts beside the driver's.
const HOSTS: usize = 3;

/// Runs all tests, the short ones, or those whose names contain one of the words.
pub(super) fn run(arguments: Parser) -> Result<(), Failure> {
    run_cases(&chosen(arguments)?)
}

/// Runs the tests that run at each change.
pub(super) fn run_short() -> Result<(), Failure> {
    run_cases(&all().filter(|case| case.is_short).collect::<Vec<_>>())
}

fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().copied().flatten()
}

fn chosen(mut arguments: Parser) -> Result<Vec<&'static Case>, Failure> {
    let (mut words, mut only_short) = (Vec::new(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("short") => only_short = true,
            Arg::Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let is_named = |case: &&Case| words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()));
    let cases: Vec<_> = all().filter(|case| !only_short || case.is_short).filter(is_named).collect();
    if cases.is_empty() {
        let names: Vec<_> = all().map(|case| case.name).collect();
        return Err(Failure::usage(format!("no test has such a name; there are {}", names.join(", "))));
    }
    Ok(cases)
}

/// Runs each, whatever becomes of those before it. A test that was skipped makes the whole a skip, unless one has failed.
fn run_cases(cases: &[&Case]) -> Result<(), Failure> {
    // Before the first test, so that none of them takes the time of a build.
    for program in ["cable", "farm"] {
        examples::build(program)?;
    }
    let cluster = Cluster::up(&cluster::folder("lab-test"), HOSTS, Lifetime::Tied)?;
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for case in cases {
        let start = Instant::now();
        let outcome = run_case(&cluster, case);
        let verdict = match &outcome {
            Ok(()) => "ok".to_owned(),
            Err(failure) if failure.is_skip() => format!("skipped: {failure}"),
            Err(failure) => format!("FAILED: {failure}"),
        };
        println!("{:<24} {:>5.1} s  {verdict}", case.name, start.elapsed().as_secs_f64());
        match outcome {
            Err(failure) if failure.is_skip() => skipped.push(case.name),
            Err(_) => failed.push(case.name),
            Ok(()) => {}
        }
    }
    if !failed.is_empty() {
        return Err(Failure::new(format!("{} of {} tests failed: {}", failed.len(), cases.len(), failed.join(", "))));
    }
    if !skipped.is_empty() {
        let text =
            format!("{} of {} tests could not be tried here: {}", skipped.len(), cases.len(), skipped.join(", "));
        return Err(Failure::skipped(text));
    }
    Ok(())
}

fn run_case(cluster: &Cluster, case: &Case) -> Result<(), Failure> {
    repair(cluster)?;
    let before = processes(cluster);
    (case.run)(cluster)?;
    repair(cluster)?;
    nothing_left(cluster, &before)
}

/// Turns all hosts on, starts their servers of ssh, and mends all cables.
fn repair(cluster: &Cluster) -> Result<(), Failure> {
    for host in &cluster.hosts {
        if host.init().is_none() {
            cluster.boot(host)?;
        }
        host.thaw()?;
        link::heal(cluster.switch, host)?;
        link::delay(cluster.switch, host, 0)?;
    }
    ssh::start(cluster)
}

fn processes(cluster: &Cluster) -> Vec<Process> {
    cluster.hosts.iter().flat_map(super::host::Host::processes).collect()
}

/// The services that tests start and leave running for the tests after them.
const SERVICES: [&str; 5] = ["sshd", "munged", "slurmctld", "slurmscriptd", "slurmd"];

/// Waits until no host has a process that was not there before.
///
/// A server of ssh has a child for each session, which counts; the server itself may be a new one.
fn nothing_left(cluster: &Cluster, before: &[Process]) -> Result<(), Failure> {
    let mut left = Vec::new();
    let wait = tool::wait_for("the hosts are empty", GUARD, || {
        left = processes(cluster);
        left.retain(|process| !before.contains(process) && !is_service(*process));
        left.is_empty().then_some(())
    });
    wait.map_err(|_| {
        let list: Vec<_> = left.iter().map(ToString::to_string).collect();
        Failure::new(format!("{} processes are left over:\n    {}", left.len(), list.join("\n    ")))
    })
}

fn is_service(process: Process) -> bool {
    SERVICES.contains(&process.name().as_str()) && !process.to_string().contains("sshd: root@")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_choose() {
        let names: HashSet<_> = all().map(|case| case.name).collect();
        assert_eq!(names.len(), all().count());
        let named = chosen(Parser::from_args(["ssh"])).unwrap();
        assert!(!named.is_empty() && named.iter().all(|case| case.name.contains("ssh")));
        assert!(chosen(Parser::from_args(["--short"])).unwrap().iter().all(|case| case.is_short));
        assert!(chosen(Parser::from_args(["no-such-test"])).is_err());
    }
}
