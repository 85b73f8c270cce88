//! The agent's attempts to reach its driver, at all of its addresses at once.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Connects to each address in a thread of its own. The connections come in the order in which they succeed, until `timeout` is over.
pub(crate) fn connect(addresses: &[SocketAddr], timeout: Duration) -> impl Iterator<Item = TcpStream> + use<> {
    let until = Instant::now() + timeout;
    let (sender, receiver) = mpsc::channel();
    for &address in addresses {
        let sender = sender.clone();
        let attempt = move || {
            let connected = TcpStream::connect_timeout(&address, timeout);
            // Small frames are never to wait for each other.
            let ready = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
            // The receiver may have what it wanted already.
            ready.ok().map(|socket| sender.send(socket))
        };
        // Without a thread this address is not tried, and the standard streams remain.
        let _untried = thread::Builder::new().name("connect".to_owned()).spawn(attempt);
    }
    std::iter::from_fn(move || receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn the_addresses_that_listen_are_reached() {
        let listeners = [0; 3].map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let mut addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap()).to_vec();
        let [_, _, closed] = listeners;
        drop(closed);
        let mut reached: Vec<_> =
            connect(&addresses, Duration::from_secs(30)).map(|socket| socket.peer_addr().unwrap()).collect();
        addresses.truncate(2);
        addresses.sort();
        reached.sort();
        assert_eq!(reached, addresses);
        assert_eq!(connect(&[], Duration::from_secs(30)).count(), 0);
    }
}
