//! The cable between a host and the switch: in, out, one way, slow.
//!
//! The filters sit at the switch's end or before the host's first look at a packet. So a program in the host notices nothing but
//! silence: none of its system calls fails.

use std::path::Path;
use std::process::{Command, Stdio};

use super::examples;
use super::host::{GUARD, Host};
use super::proc::Process;
use super::tool;
use crate::failure::Failure;

/// The name of a host's interface.
pub(super) const INTERFACE: &str = "e0";

/// The table of nftables with the filters.
const TABLE: &str = "lab";

/// Puts a cable between a host and the switch.
pub(super) fn connect(switch: Process, host: &Host) -> Result<(), Failure> {
    let init = host.init().ok_or_else(|| Failure::new(format!("{} is off", host.name)))?;
    let port = port(host);
    // That of a host which has ended goes away with it, but some time after it.
    let _ = in_switch(switch, &["ip", "link", "del", &port]);
    let id = init.id.to_string();
    // The same at each boot, as a machine's is, so that its neighbours find it again.
    let mac = format!("02:00:00:00:00:{:02x}", host.index);
    let host_end = ["peer", "name", INTERFACE, "address", &mac, "netns", &id];
    in_switch(switch, &[&["ip", "link", "add", &port, "type", "veth"], host_end.as_slice()].concat())?;
    in_switch(switch, &["ip", "link", "set", &port, "master", "br0", "up"])?;
    let address = format!("{}/24", host.address());
    host.run_in_network(&["ip", "addr", "add", &address, "dev", INTERFACE])?;
    host.run_in_network(&["ip", "link", "set", INTERFACE, "up"])?;
    Ok(())
}

/// Pulls the cable out.
pub(super) fn cut(switch: Process, host: &Host) -> Result<(), Failure> {
    in_switch(switch, &["ip", "link", "set", &port(host), "down"])
}

/// Puts the cable back in, and lets packets through in both directions.
pub(super) fn heal(switch: Process, host: &Host) -> Result<(), Failure> {
    in_switch(switch, &["ip", "link", "set", &port(host), "up"])?;
    // A table that is not there is made first, so that it can be deleted.
    let name = filter(host);
    let script = format!("table netdev {name}; delete table netdev {name}");
    in_switch(switch, &["nft", &script])?;
    if host.init().is_some() {
        host.run_in_network(&["nft", &script])?;
    }
    Ok(())
}

/// Drops what others send to the host. It still sends.
pub(super) fn deafen(host: &Host) -> Result<(), Failure> {
    host.run_in_network(&["nft", &drop_at(&filter(host), INTERFACE)]).map(drop)
}

/// Drops what the host sends. It still receives.
pub(super) fn mute(switch: Process, host: &Host) -> Result<(), Failure> {
    in_switch(switch, &["nft", &drop_at(&filter(host), &port(host))])
}

/// Delays each packet by `micros` µs, in both directions; 0 takes the delay away. Connections stay.
///
/// A program carries the packets between two TAP devices, of which one is at the bridge of all hosts and the other at a bridge with
/// the port of this host alone. `tc netem` would do the same, but is not in every kernel.
pub(super) fn delay(switch: Process, host: &Host, micros: u64) -> Result<(), Failure> {
    let (port, bridge, file) = (port(host), format!("b{}", host.index), host.folder().join("cable"));
    if let Some(cable) = Process::read(&file) {
        in_switch(switch, &["ip", "link", "set", &port, "master", "br0"])?;
        cable.signal("KILL")?;
        tool::wait_for("the cable has ended", GUARD, || (!cable.is_alive()).then_some(()))?;
        in_switch(switch, &["ip", "link", "del", &bridge])?;
        std::fs::remove_file(&file)
            .map_err(|error| Failure::new(format!("cannot remove {}: {error}", file.display())))?;
    }
    if micros == 0 {
        return Ok(());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err(Failure::skipped("there is no /dev/net/tun, which a cable with a delay takes"));
    }
    in_switch(switch, &["ip", "link", "add", &bridge, "type", "bridge"])?;
    let (near, far) = (format!("n{}", host.index), format!("f{}", host.index));
    start_cable(switch, &[&near, &far, &micros.to_string()])?.write(&file)?;
    for (device, master) in [(&near, &bridge), (&far, &"br0".into())] {
        in_switch(switch, &["ip", "link", "set", device, "master", master, "up"])?;
    }
    in_switch(switch, &["ip", "link", "set", &bridge, "up"])?;
    in_switch(switch, &["ip", "link", "set", &port, "master", &bridge])
}

/// Starts the program that carries packets, and waits until it has its devices.
fn start_cable(switch: Process, words: &[&str]) -> Result<Process, Failure> {
    let trouble = |error: std::io::Error| Failure::new(format!("cannot start the cable: {error}"));
    let mut command = Command::new("nsenter");
    command.args(["-t", &switch.id.to_string(), "-m", "-n", "-p", "--"]).arg(examples::build("cable")?).args(words);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(trouble)?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).map_err(trouble)?;
    }
    let children = Process::of(child.id()).into_iter().flat_map(Process::children);
    let cable = children.into_iter().next().filter(|_| line == "ready\n");
    cable.ok_or_else(|| Failure::new("the cable has ended at once, without a word"))
}

/// The script of `nft` that drops all packets as they arrive at a device.
fn drop_at(table: &str, device: &str) -> String {
    format!(
        "table netdev {table} {{ chain in {{ type filter hook ingress device {device} priority 0; policy drop; }}; }}"
    )
}

fn filter(host: &Host) -> String {
    format!("{TABLE}_{}", host.name)
}

/// The name of the switch's end of a host's cable.
fn port(host: &Host) -> String {
    format!("p{}", host.index)
}

/// Runs a program of the machine that sees the network of the switch.
fn in_switch(switch: Process, words: &[&str]) -> Result<(), Failure> {
    let id = switch.id.to_string();
    tool::run("nsenter", ["-t", &id, "-n", "--"].iter().chain(words)).map(drop)
}
