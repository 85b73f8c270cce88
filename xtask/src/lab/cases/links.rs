//! Cables that are cut, one-way or slow, and hosts that stop: a TCP connection sees it as it would in a real network.

use std::time::{Duration, Instant};

use super::case::Case;
use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::link;
use crate::lab::program::Program;

pub(super) const CASES: &[Case] = &[
    Case { name: "link-cut", is_short: true, run: cut },
    Case { name: "link-deaf", is_short: false, run: deaf },
    Case { name: "link-mute", is_short: false, run: mute },
    Case { name: "link-delay", is_short: true, run: delay },
    Case { name: "host-frozen", is_short: true, run: frozen },
];

/// The delay that is tried, one way. An idle network takes a hundredth of it.
const DELAY: Duration = Duration::from_millis(50);

fn cut(cluster: &Cluster) -> Result<(), Failure> {
    silence(cluster, |host| link::cut(cluster.switch, host))
}

fn deaf(cluster: &Cluster) -> Result<(), Failure> {
    silence(cluster, link::deafen)
}

fn mute(cluster: &Cluster) -> Result<(), Failure> {
    silence(cluster, |host| link::mute(cluster.switch, host))
}

/// An old connection is silent and a new one is not made, until the cable is mended; then the old one goes on where it was.
fn silence(cluster: &Cluster, harm: impl Fn(&Host) -> Result<(), Failure>) -> Result<(), Failure> {
    let host = cluster.host("h1")?;
    let mut echo = echo(cluster)?;
    harm(host)?;
    echo.send("later")?;
    if is_reachable(cluster, 1)? {
        return Err(Failure::new("a connection was made over a cable that carries nothing"));
    }
    link::heal(cluster.switch, host)?;
    echo.expect("later")?;
    echo.succeed().map(drop)
}

fn delay(cluster: &Cluster) -> Result<(), Failure> {
    let mut echo = echo(cluster)?;
    link::delay(cluster.switch, cluster.host("h1")?, DELAY.as_micros().try_into().unwrap_or(u64::MAX))?;
    let start = Instant::now();
    echo.send("there and back")?;
    echo.expect("there and back")?;
    let took = start.elapsed();
    if took < DELAY * 2 {
        return Err(Failure::new(format!("a round trip took {took:?}, although each way takes {DELAY:?}")));
    }
    link::delay(cluster.switch, cluster.host("h1")?, 0)?;
    echo.send("again")?;
    echo.expect("again")?;
    echo.succeed().map(drop)
}

fn frozen(cluster: &Cluster) -> Result<(), Failure> {
    let host = cluster.host("h1")?;
    let mut echo = echo(cluster)?;
    host.freeze()?;
    echo.send("later")?;
    if host.processes().iter().any(|process| !process.is_stopped()) {
        return Err(Failure::new("a process of a frozen host runs"));
    }
    host.thaw()?;
    echo.expect("later")?;
    echo.succeed().map(drop)
}

/// A program in `h1` that sends each line back to the driver's host, over one connection.
fn echo(cluster: &Cluster) -> Result<Program, Failure> {
    let mut echo = Program::start(&cluster.hosts[0], ["ssh", "h1", "cat"])?;
    echo.send("now")?;
    echo.expect("now")?;
    Ok(echo)
}

/// Whether the driver's host can connect to the server of ssh in `h1` within `seconds`.
fn is_reachable(cluster: &Cluster, seconds: u32) -> Result<bool, Failure> {
    let script = ["timeout", &seconds.to_string(), "bash", "-c", "exec 3<>/dev/tcp/h1/22"].map(str::to_owned);
    Ok(Program::start(&cluster.hosts[0], script)?.wait()?.success())
}
