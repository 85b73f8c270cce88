//! Pools that lose a worker, an agent, a host, a cable, a launcher or the driver: right results, and no process left.

use super::case::Case;
use super::farm::{self, ALL, Farm, LEASE};
use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::program::GUARD;
use crate::lab::{link, ssh, tool};

pub(super) const CASES: &[Case] = &[
    Case { name: "worker-killed", is_short: false, run: worker_killed },
    Case { name: "agent-killed", is_short: true, run: agent_killed },
    Case { name: "launcher-killed", is_short: false, run: launcher_killed },
    Case { name: "pool-host-killed", is_short: true, run: host_killed },
    Case { name: "pool-host-frozen", is_short: false, run: host_frozen },
    Case { name: "pool-cut", is_short: true, run: cut },
    Case { name: "pool-deaf", is_short: false, run: deaf },
    Case { name: "pool-mute", is_short: false, run: mute },
    Case { name: "driver-killed", is_short: true, run: driver_killed },
    Case { name: "driver-half-open", is_short: false, run: half_open },
    Case { name: "lost-without-retries", is_short: false, run: without_retries },
    Case { name: "other-executable", is_short: false, run: other_executable },
    Case { name: "disk-full", is_short: false, run: disk_full },
];

/// The host that is harmed.
const VICTIM: &str = "h2";

fn worker_killed(cluster: &Cluster) -> Result<(), Failure> {
    with_harm(cluster, |host| {
        let worker = farm::processes(host).pop();
        worker.ok_or_else(|| Failure::new("there is no worker"))?.signal("KILL")
    })
}

fn agent_killed(cluster: &Cluster) -> Result<(), Failure> {
    with_harm(cluster, |host| {
        let agent = farm::processes(host).first().copied();
        agent.ok_or_else(|| Failure::new("there is no agent"))?.signal("KILL")
    })
}

/// The agents have connections of their own, so the pool does not need the launchers.
fn launcher_killed(cluster: &Cluster) -> Result<(), Failure> {
    with_harm(cluster, |_| {
        let mut launchers = cluster.hosts[0].processes().into_iter().filter(|process| process.name() == "ssh");
        launchers.try_for_each(|launcher| launcher.signal("KILL"))
    })
}

fn host_killed(cluster: &Cluster) -> Result<(), Failure> {
    let mut farm = Farm::start(cluster, &["ssh", ALL, LEASE])?;
    let host = cluster.host(VICTIM)?;
    harm(&mut farm, || host.kill())?;
    cluster.boot(host)?;
    ssh::start(cluster)?;
    recovered(farm)
}

fn host_frozen(cluster: &Cluster) -> Result<(), Failure> {
    silenced(cluster, |host| host.freeze(), |host| host.thaw())
}

fn cut(cluster: &Cluster) -> Result<(), Failure> {
    cut_off(cluster, |host| link::cut(cluster.switch, host))
}

fn deaf(cluster: &Cluster) -> Result<(), Failure> {
    cut_off(cluster, link::deafen)
}

fn mute(cluster: &Cluster) -> Result<(), Failure> {
    cut_off(cluster, |host| link::mute(cluster.switch, host))
}

/// A host without a way to the driver ends its workers by itself, before any cable is mended.
fn cut_off(cluster: &Cluster, harm: impl Fn(&Host) -> Result<(), Failure>) -> Result<(), Failure> {
    let silence = |host: &Host| {
        harm(host)?;
        tool::wait_for("a host without its driver has ended its workers", GUARD, || {
            farm::processes(host).is_empty().then_some(())
        })
    };
    silenced(cluster, silence, |host| link::heal(cluster.switch, host))
}

/// The job goes on without the silent host, which takes part again when it is back.
fn silenced(
    cluster: &Cluster,
    silence: impl Fn(&Host) -> Result<(), Failure>,
    mend: impl Fn(&Host) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut farm = Farm::start(cluster, &["ssh", ALL, LEASE])?;
    let host = cluster.host(VICTIM)?;
    harm(&mut farm, || silence(host))?;
    mend(host)?;
    recovered(farm)
}

fn with_harm(cluster: &Cluster, act: impl Fn(&Host) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut farm = Farm::start(cluster, &["ssh", ALL, LEASE])?;
    let host = cluster.host(VICTIM)?;
    harm(&mut farm, || act(host))?;
    recovered(farm)
}

/// Does harm while a job runs, whose results shall be right all the same.
fn harm(farm: &mut Farm, act: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    farm.wait_for_hosts("h1,h2,h3")?;
    farm.program.send("squares 2000 2000 5")?;
    farm.program.expect("ended 200")?;
    act()?;
    farm.program.expect("right 2000").map(drop)
}

/// All hosts take part again, and the pool works.
fn recovered(mut farm: Farm) -> Result<(), Failure> {
    farm.wait_for_hosts("h1,h2,h3")?;
    farm.ask("squares 500 100 0", "right 500")?;
    farm.end()
}

/// What is left of it is counted after each test.
fn driver_killed(cluster: &Cluster) -> Result<(), Failure> {
    let mut farm = Farm::start(cluster, &["ssh", ALL, LEASE])?;
    farm.wait_for_hosts("h1,h2,h3")?;
    farm.program.send("squares 30000 1000 0")?;
    farm.program.expect("ended 3000")?;
    farm.program.process()?.signal("KILL")?;
    farm.program.wait().map(drop)
}

/// The driver's host is gone without a farewell, so that only the leases of the agents can end them.
fn half_open(cluster: &Cluster) -> Result<(), Failure> {
    let mut farm = Farm::start(cluster, &["ssh", ALL, LEASE])?;
    farm.wait_for_hosts("h1,h2,h3")?;
    let driver = &cluster.hosts[0];
    link::cut(cluster.switch, driver)?;
    driver.kill()?;
    tool::wait_for("agents without a driver have ended", GUARD, || {
        cluster.workers().iter().all(|host| farm::processes(host).is_empty()).then_some(())
    })
}

/// Each task has a result, or the error that its host was lost while it may have run.
fn without_retries(cluster: &Cluster) -> Result<(), Failure> {
    let mut farm = Farm::start(cluster, &["ssh", ALL, LEASE])?;
    farm.wait_for_hosts("h1,h2,h3")?;
    farm.program.send("squares 2000 2000 0")?;
    farm.program.expect("ended 200")?;
    let host = cluster.host(VICTIM)?;
    host.kill()?;
    let line = farm.program.expect(" ms")?;
    if !line.starts_with("lost ") && !line.starts_with("right ") {
        return Err(farm.program.failure("reports neither results nor the loss of a host"));
    }
    cluster.boot(host)?;
    ssh::start(cluster)?;
    recovered(farm)
}

/// A file of the same name that is another program is refused by its hash.
fn other_executable(cluster: &Cluster) -> Result<(), Failure> {
    let host = cluster.host(VICTIM)?;
    let own = crate::lab::examples::build("farm")?.to_string_lossy().into_owned();
    let script = r#"cp "$0" "$HOME/other" && printf x >> "$HOME/other" && mount --bind "$HOME/other" "$0""#;
    host.run(["sh", "-c", script, &own])?;
    let mut farm = Farm::start_by(cluster, &[], &["ssh", VICTIM, LEASE, "same"])?;
    let outcome = farm.program.expect("not built").and_then(|line| contains(&line, "executable"));
    host.run(["sh", "-c", r#"umount "$0" && rm "$HOME/other""#, &own])?;
    outcome
}

fn disk_full(cluster: &Cluster) -> Result<(), Failure> {
    let host = cluster.host(VICTIM)?;
    host.run(["sh", "-c", r#"mount -t tmpfs -o size=1m tmpfs "$HOME""#])?;
    let mut farm = Farm::start_by(cluster, &[], &["ssh", VICTIM, LEASE])?;
    let outcome = farm.program.expect("not built").and_then(|line| contains(&line, "No space left"));
    let stored = host.run(["sh", "-c", r#"find "$HOME" -type f; umount "$HOME""#])?;
    outcome.and_then(|()| {
        if stored.is_empty() { Ok(()) } else { Err(Failure::new(format!("left on a full disk: {stored}"))) }
    })
}

fn contains(line: &str, text: &str) -> Result<(), Failure> {
    if line.contains(text) { Ok(()) } else { Err(Failure::new(format!("`{line}` does not say `{text}`"))) }
}
