//! [`Farm`]: a pool in the driver's host with workers in the others; the program is `xtask/examples/farm.rs`.

use std::time::Instant;

use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::examples;
use crate::lab::host::Host;
use crate::lab::proc::Process;
use crate::lab::program::{GUARD, Program};

/// All hosts but the driver's, two workers each.
pub(super) const ALL: &str = "h1:2,h2:2,h3:2";

/// How long the pools of these tests wait for a sign of life, as an option of the program.
pub(super) const LEASE: &str = "lease=2000";

/// A driver that runs jobs when it is asked to.
pub(super) struct Farm {
    pub(super) program: Program,
}

impl Farm {
    /// Makes a pool, whose launcher, hosts and options are words.
    pub(super) fn start(cluster: &Cluster, words: &[&str]) -> Result<Self, Failure> {
        let mut farm = Self::start_by(cluster, &[], words)?;
        farm.program.expect("built")?;
        Ok(farm)
    }

    /// Starts the program by another, such as `salloc`, and does not wait.
    pub(super) fn start_by(cluster: &Cluster, by: &[&str], words: &[&str]) -> Result<Self, Failure> {
        let file = examples::build("farm")?.to_string_lossy().into_owned();
        let words = by.iter().copied().chain([file.as_str()]).chain(words.iter().copied());
        Ok(Self { program: Program::start(&cluster.hosts[0], words)? })
    }

    /// Has it run a job, and waits for what it says.
    pub(super) fn ask(&mut self, job: &str, answer: &str) -> Result<String, Failure> {
        self.program.send(job)?;
        // Each answer ends with the time that the job took.
        let line = self.program.expect("; ")?;
        if line.contains(answer) {
            return Ok(line);
        }
        Err(self.program.failure(&format!("does not answer `{job}` with `{answer}`")))
    }

    /// Waits until workers in all these hosts run tasks.
    pub(super) fn wait_for_hosts(&mut self, names: &str) -> Result<(), Failure> {
        let start = Instant::now();
        while !self.ask("where 300", "on ")?.starts_with(&format!("on {names};")) {
            if start.elapsed() > GUARD {
                return Err(self.program.failure(&format!("does not use {names}")));
            }
        }
        Ok(())
    }

    /// Ends the pool.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        let status = self.program.wait()?;
        if status.success() { Ok(()) } else { Err(self.program.failure(&format!("ended with {status}"))) }
    }
}

/// The processes of the pool in a host: its agent comes first.
pub(super) fn processes(host: &Host) -> Vec<Process> {
    let all = host.processes();
    let mut own: Vec<_> = all.into_iter().filter(|process| is_of_farm(*process)).collect();
    own.sort_by_key(|process| process.id);
    if let Some(agent) = own.iter().position(|process| !own.iter().any(|other| other.children().contains(process))) {
        own[..=agent].rotate_right(1);
    }
    own
}

/// A copy of the executable has its hash for a name, in a folder of procession's.
fn is_of_farm(process: Process) -> bool {
    process.program().is_some_and(|path| path.ends_with("farm") || path.to_string_lossy().contains("/procession/"))
}
