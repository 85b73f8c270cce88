//! [`Door`]: a listening socket of the driver, and the peers that have not proved yet that they know the key.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

use procession_core::os::poll::Pollable;
use procession_core::{LinkError, SealError, SealedControl, SealedHandshake};

use super::key::Key;
use crate::tuning::{MAX_STRANGERS, STRANGER_TIMEOUT};

/// A listening socket. Of a stranger it holds a handshake of fixed size, which never waits: a silent one holds up no other.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    key: Key,
    /// Oldest first.
    strangers: VecDeque<Stranger>,
}

#[derive(Debug)]
struct Stranger {
    handshake: SealedHandshake,
    until: Instant,
}

impl Door {
    /// Opens a door at the first of the addresses that can be had; the port 0 stands for a free one.
    pub(crate) fn open(addresses: &[SocketAddr], key: Key) -> io::Result<Door> {
        let listener = TcpListener::bind(addresses)?;
        listener.set_nonblocking(true)?;
        Ok(Door { listener, key, strangers: VecDeque::new() })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the link to a peer that knows the key, if one has come.
    ///
    /// # Errors
    ///
    /// A peer that knows the key runs another executable or another version, or the listening socket is broken. Strangers are no error,
    /// and neither is a full table of descriptors: they make room.
    pub(crate) fn next(&mut self, now: Instant) -> Result<Option<SealedControl>, SealError> {
        self.accept(now).map_err(broken)?;
        self.strangers.retain(|stranger| stranger.until > now);
        for at in (0..self.strangers.len()).rev() {
            match self.strangers[at].handshake.advance() {
                Ok(None) => continue,
                Ok(Some(link)) => {
                    self.strangers.remove(at);
                    return Ok(Some(link));
                }
                Err(error) => {
                    self.strangers.remove(at);
                    if is_of_a_friend(&error) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Ready when [`next`](Door::next) may return a peer.
    pub(crate) fn pollables(&self) -> impl Iterator<Item = Pollable<'_>> {
        let listener = [Pollable::readable(self.listener.as_fd())];
        listener.into_iter().chain(self.strangers.iter().filter_map(|stranger| stranger.handshake.pollable()))
    }

    /// Returns when [`next`](Door::next) is to be called although nothing is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.strangers.front().map(|oldest| oldest.until)
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                // A connection that breaks at once is of no one.
                Ok((socket, _)) => drop(self.admit(socket, now)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The peer has gone before it was accepted.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                // The kernel keeps the connection, and a stranger gives its descriptors for it.
                Err(error) => drop(self.remove_stranger().ok_or(error)?),
            }
        }
    }

    fn admit(&mut self, socket: TcpStream, now: Instant) -> Result<(), SealError> {
        // Small frames are never to wait for each other.
        socket.set_nodelay(true).map_err(broken)?;
        let reader = socket.try_clone().map_err(broken)?;
        let handshake = SealedHandshake::responder(reader.into(), socket.into(), self.key.bytes())?;
        if self.strangers.len() >= MAX_STRANGERS {
            self.remove_stranger();
        }
        self.strangers.push_back(Stranger { handshake, until: now + STRANGER_TIMEOUT });
        Ok(())
    }

    /// Removes the oldest stranger that has not shown the key, or the oldest if all have.
    fn remove_stranger(&mut self) -> Option<Stranger> {
        // A flood of connections is cheap to make, so it is not to push out a peer that has come further.
        let silent = self.strangers.iter().position(|stranger| !stranger.handshake.has_shown_key());
        self.strangers.remove(silent.unwrap_or(0))
    }
}

fn broken(error: io::Error) -> SealError {
    SealError::Link(LinkError::Io(error))
}

/// These are compared only after both sides have shown that they know the key.
fn is_of_a_friend(error: &SealError) -> bool {
    matches!(error, SealError::Executable { .. } | SealError::Version { .. } | SealError::Unreadable(_))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;
    use std::thread;
    use std::time::Duration;

    use procession_core::os::poll::poll;

    use super::*;

    fn door() -> (Door, SocketAddr, Key) {
        let key = Key::random().unwrap();
        let door = Door::open(&[(Ipv4Addr::LOCALHOST, 0).into()], key.clone()).unwrap();
        let address = door.address().unwrap();
        (door, address, key)
    }

    /// Waits for a peer, as a launch does.
    fn wait(door: &mut Door) -> SealedControl {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let now = Instant::now();
            assert!(now < end, "no peer came");
            if let Some(link) = door.next(now).unwrap() {
                return link;
            }
            let until = door.deadline().map_or(end, |at| at.min(end));
            poll(&door.pollables().collect::<Vec<_>>(), Some(until)).unwrap();
        }
    }

    /// An agent that sends one word.
    fn agent(address: SocketAddr, key: Key) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            let socket = TcpStream::connect(address).unwrap();
            let reader = socket.try_clone().unwrap();
            let mut link = SealedControl::initiate(reader.into(), socket.into(), key.bytes(), None).unwrap();
            link.post("hello").unwrap();
        })
    }

    #[test]
    fn an_agent_comes_in_past_a_thousand_silent_strangers() {
        let (mut door, address, key) = door();
        let mut strangers = Vec::new();
        for _ in 0..1000 {
            strangers.push(TcpStream::connect(address).unwrap());
            assert!(door.next(Instant::now()).unwrap().is_none());
            assert!(door.strangers.len() <= MAX_STRANGERS);
        }
        let agent = agent(address, key);
        assert_eq!(wait(&mut door).recv::<String>(None).unwrap().as_deref(), Some("hello"));
        agent.join().unwrap();
    }

    #[test]
    fn a_peer_that_has_shown_the_key_is_not_pushed_out() {
        let (mut door, address, key) = door();
        // It goes no further until it is advanced.
        let socket = TcpStream::connect(address).unwrap();
        let reader = socket.try_clone().unwrap();
        let mut peer = SealedHandshake::initiator(reader.into(), socket.into(), key.bytes()).unwrap();
        let now = Instant::now();
        while !door.strangers.iter().any(|stranger| stranger.handshake.has_shown_key()) {
            poll(&door.pollables().collect::<Vec<_>>(), Some(now + STRANGER_TIMEOUT)).unwrap();
            assert!(door.next(now).unwrap().is_none());
        }
        let mut strangers = Vec::new();
        for _ in 0..2 * MAX_STRANGERS {
            strangers.push(TcpStream::connect(address).unwrap());
            assert!(door.next(now).unwrap().is_none());
        }
        let peer = thread::spawn(move || {
            loop {
                if let Some(mut link) = peer.advance().unwrap() {
                    return link.post("hello").unwrap();
                }
                poll(&[peer.pollable().unwrap()], Some(Instant::now() + Duration::from_secs(30))).unwrap();
            }
        });
        assert_eq!(wait(&mut door).recv::<String>(None).unwrap().as_deref(), Some("hello"));
        peer.join().unwrap();
    }

    #[test]
    fn strangers_that_speak_are_dropped() {
        let (mut door, address, key) = door();
        let mut http = TcpStream::connect(address).unwrap();
        http.write_all(&[b'G'; 1000]).unwrap();
        let other = agent(address, Key::random().unwrap());
        let agent = agent(address, key);
        assert_eq!(wait(&mut door).recv::<String>(None).unwrap().as_deref(), Some("hello"));
        agent.join().unwrap();
        drop(door);
        // Its error is not a panic of this test.
        assert!(other.join().is_err());
        // The end, or a reset because of the bytes that were not read.
        assert_eq!(http.read(&mut [0]).unwrap_or(0), 0);
    }

    #[test]
    fn strangers_that_leave_or_stay_silent_are_dropped() {
        let (mut door, address, _) = door();
        let gone = TcpStream::connect(address).unwrap();
        let _silent = TcpStream::connect(address).unwrap();
        let now = Instant::now();
        while door.strangers.len() < 2 {
            assert!(door.next(now).unwrap().is_none());
        }
        drop(gone);
        while door.strangers.len() > 1 {
            assert!(door.next(now).unwrap().is_none());
        }
        assert!(door.next(now + STRANGER_TIMEOUT + Duration::from_secs(1)).unwrap().is_none());
        assert!(door.strangers.is_empty());
    }
}
