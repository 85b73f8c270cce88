//! What several of the tests need.

use std::time::Duration;

use procession_channels::{Address, Client, Listener, SocketConnection};

/// A hang is a failure: nothing takes so long, however slow the machine.
pub(crate) const FOREVER: Duration = Duration::from_secs(120);

pub(crate) const KEY: &[u8] = b"swordfish";

/// An address in the abstract space that nobody else has.
pub(crate) fn anywhere() -> Address {
    Address::Abstract(Vec::new())
}

/// A port of this machine that nobody else has.
pub(crate) fn any_port() -> Address {
    "127.0.0.1:0".parse().unwrap()
}

/// The next connection, which has to come.
pub(crate) fn accepted(listener: &Listener) -> SocketConnection {
    listener.accept_timeout(FOREVER).unwrap().expect("a connection")
}

/// Two ends of a connection that went through the handshake.
pub(crate) fn connected(listener: &Listener) -> (SocketConnection, SocketConnection) {
    std::thread::scope(|s| {
        let client = s.spawn(|| Client::connect(listener.address(), KEY).unwrap());
        (accepted(listener), client.join().unwrap())
    })
}

/// Bytes of which no piece looks like another of the same length nearby.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..251).collect();
    let mut bytes = block.repeat(length / block.len() + 1);
    bytes.truncate(length);
    bytes
}

/// Lets the listener work until so many connections were refused.
pub(crate) fn until_refused(listener: &Listener, count: u64) {
    while listener.refused() < count {
        let accepted = listener.accept_timeout(Duration::from_millis(20)).unwrap();
        assert!(accepted.is_none(), "a stranger got in");
    }
}
