//! Slurm in the lab: the controller in the driver's host, a daemon in each other host, munge in all.

use std::fs;
use std::path::Path;

use super::cluster::Cluster;
use super::host::{GUARD, Host};
use super::settings::{CONTROLLER_PORT, DAEMON_PORT};
use super::tool;
use crate::failure::Failure;

/// The programs that it takes.
const PROGRAMS: [&str; 5] = ["munged", "slurmctld", "slurmd", "srun", "sinfo"];

/// Starts what is not running in the hosts that are on, and waits until the controller can use them all.
pub(super) fn start(cluster: &Cluster) -> Result<(), Failure> {
    if let Some(missing) = PROGRAMS.iter().find(|name| tool::find(name).is_none()) {
        return Err(Failure::skipped(format!("there is no `{missing}`; install slurm-wlm and munge")));
    }
    make_key(&cluster.folder)?;
    let on: Vec<_> = cluster.hosts.iter().filter(|host| host.init().is_some()).collect();
    on.iter().try_for_each(|host| start_munge(&cluster.folder, host))?;
    for host in on {
        let (program, port) = if host.index == 0 { ("slurmctld", CONTROLLER_PORT) } else { ("slurmd", DAEMON_PORT) };
        if host.init().is_some_and(|init| !init.listens_at(port)) {
            start_daemon(host, program, port)?;
        }
    }
    wait_for_nodes(cluster)
}

fn start_daemon(host: &Host, program: &str, port: u16) -> Result<(), Failure> {
    let found = tool::find(program).unwrap_or_default();
    let folder = host.folder().join(if host.index == 0 { "state" } else { "spool" });
    fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    host.run([found])?;
    tool::wait_for(&format!("{program} listens in {}", host.name), GUARD, || {
        host.init()?.listens_at(port).then_some(())
    })
}

fn start_munge(folder: &Path, host: &Host) -> Result<(), Failure> {
    if host.processes().iter().any(|process| process.name() == "munged") {
        return Ok(());
    }
    let found = tool::find("munged").unwrap_or_default();
    let log = host.folder().join("munged.log");
    let words = [
        format!("--key-file={}", folder.join("munge.key").display()),
        format!("--log-file={}", log.display()),
        "--socket=/run/munge/munge.socket.2".into(),
        "--pid-file=/run/munge/munged.pid".into(),
        "--seed-file=/run/munge/seed".into(),
        "--num-threads=1".into(),
    ];
    host.run([found.to_string_lossy().into_owned()].into_iter().chain(words)).map(drop)
}

fn make_key(folder: &Path) -> Result<(), Failure> {
    let key = folder.join("munge.key");
    if key.exists() {
        return Ok(());
    }
    tool::run("sh", ["-c", r#"umask 077; dd if=/dev/urandom of="$0" bs=128 count=1 2>&1"#, &key.to_string_lossy()])
        .map(drop)
}

/// A node that has just registered is `idle`; one that has not is `unk` or `down`, perhaps with a mark behind it.
fn wait_for_nodes(cluster: &Cluster) -> Result<(), Failure> {
    let driver = &cluster.hosts[0];
    let expected = cluster.workers().iter().filter(|host| host.init().is_some()).count();
    tool::wait_for("all nodes of Slurm are idle", GUARD, || {
        let states = driver.run(["sinfo", "-h", "-N", "-o", "%T"]).ok()?;
        (states.lines().filter(|state| *state == "idle").count() >= expected).then_some(())
    })
}
