//! Programs that start others in other hosts: they work here as in a real cluster.

use super::case::Case;
use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::{slurm, tool};

pub(super) const CASES: &[Case] = &[
    Case { name: "ssh", is_short: true, run: ssh },
    Case { name: "slurm", is_short: true, run: slurm_step },
    Case { name: "mpi", is_short: true, run: mpi },
];

fn ssh(cluster: &Cluster) -> Result<(), Failure> {
    for host in cluster.workers() {
        let said = cluster.hosts[0].run(["ssh", &host.name, "hostname"])?;
        expect(&[&host.name], &said)?;
    }
    Ok(())
}

fn slurm_step(cluster: &Cluster) -> Result<(), Failure> {
    slurm::start(cluster)?;
    let names: Vec<_> = cluster.workers().iter().map(|host| host.name.as_str()).collect();
    let said = cluster.hosts[0].run(["srun", &format!("-N{}", names.len()), "hostname"])?;
    expect(&names, &said)
}

fn mpi(cluster: &Cluster) -> Result<(), Failure> {
    if tool::find("mpiexec").is_none() {
        return Err(Failure::skipped("there is no `mpiexec`; install openmpi-bin"));
    }
    let said = cluster.hosts[0].run(["mpiexec", "-n", "1", "-host", "h2", "hostname"])?;
    expect(&["h2"], &said)
}

/// Compares lines in any order.
fn expect(wanted: &[&str], said: &str) -> Result<(), Failure> {
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort_unstable();
    if lines == wanted { Ok(()) } else { Err(Failure::new(format!("{wanted:?} was expected, and {lines:?} came"))) }
}
