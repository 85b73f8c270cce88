//! Hosts that lose power, and a lab whose maker dies: nothing stays.

use std::fs;
use std::process::{Command, Stdio};

use super::case::Case;
use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::program::{GUARD, Program};
use crate::lab::{proc, ssh, tool};

pub(super) const CASES: &[Case] = &[
    Case { name: "host-killed", is_short: true, run: killed },
    Case { name: "lab-crash", is_short: true, run: crash },
];

/// A connection to a host that dies ends, and the host can be used again when it is on again.
fn killed(cluster: &Cluster) -> Result<(), Failure> {
    let (driver, host) = (&cluster.hosts[0], cluster.host("h3")?);
    let mut echo = Program::start(driver, ["ssh", "h3", "echo on; cat"])?;
    echo.expect("on")?;
    host.kill()?;
    if !host.processes().is_empty() || host.run(["true"]).is_ok() {
        return Err(Failure::new("a host that is off runs programs"));
    }
    if echo.wait()?.success() {
        return Err(echo.failure("succeeded, although its host has died"));
    }
    cluster.boot(host)?;
    ssh::start(cluster)?;
    driver.run(["ssh", "h3", "true"]).map(drop)
}

/// `lab down` clears away what `lab up` has left when it is killed at any moment.
fn crash(cluster: &Cluster) -> Result<(), Failure> {
    let place = cluster.folder.join("crash");
    fs::create_dir(&place).map_err(|error| Failure::new(format!("cannot make {}: {error}", place.display())))?;
    for mark in ["switch", "h0/init", "h1/boot.log", "complete"] {
        crash_at(&place, mark)?;
    }
    fs::remove_dir(&place).map_err(|error| Failure::new(format!("`lab down` has left something: {error}")))
}

/// Kills `lab up` as soon as it has made a file of that name, and ends the lab.
fn crash_at(place: &std::path::Path, mark: &str) -> Result<(), Failure> {
    let trouble = |error: std::io::Error| Failure::new(format!("cannot run xtask: {error}"));
    let lab = |verb: &str| {
        // Not by its path: cargo may have written a new xtask there, while it built the programs of other tests.
        let mut command = Command::new("/proc/self/exe");
        command.args(["lab", verb]).env("TMPDIR", place).stdout(Stdio::null());
        command
    };
    let mut up = lab("up").spawn().map_err(trouble)?;
    let has_mark = || fs::read_dir(place).into_iter().flatten().flatten().any(|lab| lab.path().join(mark).exists());
    tool::wait_for(&format!("`lab up` has made `{mark}`"), GUARD, || has_mark().then_some(()))?;
    up.kill().and_then(|()| up.wait()).map_err(trouble)?;
    tool::output(&mut lab("down"))?;
    let own = place.to_string_lossy();
    tool::wait_for("all of a lab that has crashed has ended", GUARD, || {
        (!proc::all().iter().any(|process| process.to_string().contains(&*own))).then_some(())
    })
}
