//! Pools whose workers are in other hosts: the same results as here, however the agents are started.

use super::case::Case;
use super::farm::{ALL, Farm, LEASE};
use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::{slurm, tool};

pub(super) const CASES: &[Case] = &[
    Case { name: "pool-ssh", is_short: true, run: by_ssh },
    Case { name: "pool-tunnelled", is_short: false, run: tunnelled },
    Case { name: "pool-slurm", is_short: false, run: by_slurm },
    Case { name: "pool-mpi", is_short: false, run: by_mpi },
];

fn by_ssh(cluster: &Cluster) -> Result<(), Failure> {
    tour(Farm::start(cluster, &["ssh", ALL, LEASE])?)
}

fn tunnelled(cluster: &Cluster) -> Result<(), Failure> {
    tour(Farm::start(cluster, &["ssh", ALL, LEASE, "tunnelled"])?)
}

fn by_slurm(cluster: &Cluster) -> Result<(), Failure> {
    slurm::start(cluster)?;
    let mut farm = Farm::start_by(cluster, &["salloc", "-Q", "-N3"], &["slurm", "-", LEASE])?;
    farm.program.expect("built")?;
    tour(farm)
}

fn by_mpi(cluster: &Cluster) -> Result<(), Failure> {
    if tool::find("mpiexec").is_none() {
        return Err(Failure::skipped("there is no `mpiexec`; install openmpi-bin"));
    }
    tour(Farm::start(cluster, &["mpi", ALL, LEASE])?)
}

/// Each kind of job, and all hosts.
fn tour(mut farm: Farm) -> Result<(), Failure> {
    farm.wait_for_hosts("h1,h2,h3")?;
    farm.ask("tour", "tour right")?;
    farm.end()
}
