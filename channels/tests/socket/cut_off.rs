//! A machine that is gone without a word: its network was cut, so nothing comes any more, not even the end.

use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use procession_channels::{Address, Client, Listener, SocketConnection, SocketRecvError};
use procession_process::Process;

use crate::support::KEY;

const LIMIT: Duration = Duration::from_secs(2);
const GUARD: Duration = Duration::from_secs(120);

/// Moves this process into a network of its own; `None` where that is not permitted.
fn into_a_network_of_its_own() -> Option<()> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).ok()?;
    fs::write("/proc/self/setgroups", "deny").ok()?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).ok()?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).ok()?;
    link("up")
}

/// Has the only link of the network go up or down.
fn link(state: &str) -> Option<()> {
    Command::new("ip").args(["link", "set", "lo", state]).status().ok().filter(|status| status.success()).map(drop)
}

fn connect(listener: &Listener) -> (SocketConnection, SocketConnection) {
    thread::scope(|scope| {
        let there = scope.spawn(|| listener.accept().expect("somebody connects"));
        let client = Client::builder().key(KEY).peer_timeout(LIMIT);
        (client.connect(listener.address()).expect("it listens"), there.join().expect("no panic"))
    })
}

/// What two sides of two connections learn when the network is cut: one that waits, and one that waits for an answer.
fn wait_for_the_lost(_: ()) -> Option<[String; 2]> {
    into_a_network_of_its_own()?;
    let port: Address = "127.0.0.1:0".parse().expect("an address");
    let listener = Listener::builder().key(KEY).peer_timeout(LIMIT).bind(port).expect("a port");
    let ((idle, _kept), (_also_kept, asking)) = (connect(&listener), connect(&listener));
    link("down")?;
    asking.send_bytes(b"is anybody there?").expect("the kernel takes it");
    let outcome = |connection: &SocketConnection| match connection.recv_bytes_timeout(GUARD) {
        Err(SocketRecvError::Unreachable) => "unreachable".to_owned(),
        other => format!("{other:?}"),
    };
    Some([outcome(&idle), outcome(&asking)])
}

#[test]
fn a_machine_that_is_gone_is_noticed() {
    let child = Process::spawn(wait_for_the_lost, ()).expect("it starts");
    match child.join().expect("it ends") {
        Some(outcomes) => assert_eq!(outcomes, ["unreachable", "unreachable"]),
        None => println!("not tried: no network of one's own can be had here"),
    }
}
