//! [`PendingHandshakes`]: the connections that have not finished their handshake. All of them advance at once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::os::epoll::Epoll;
use procession_core::os::poll::{Pollable, deadline_after};

use super::address::Address;
use super::authentication::Secret;
use super::error::HandshakeError;
use super::handshake::Handshake;
use super::refusals::Refusals;

/// The handshakes under way, by their token, which grows: the first is the oldest.
#[derive(Debug, Default)]
pub(super) struct PendingHandshakes {
    pending: BTreeMap<u64, Pending>,
    last_token: u64,
}

#[derive(Debug)]
struct Pending {
    handshake: Handshake,
    /// `None` if the clock cannot express it.
    deadline: Option<Instant>,
}

/// What all handshakes of a listener are limited by.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeLimits {
    pub(super) timeout: Duration,
    pub(super) max_pending: usize,
}

impl PendingHandshakes {
    /// Begins a handshake, in place of the oldest if there are too many.
    pub(super) fn accept(
        &mut self,
        socket: OwnedFd,
        secret: &Arc<Secret>,
        limits: HandshakeLimits,
        set: &Epoll,
        refusals: &Refusals,
    ) {
        if self.pending.len() >= limits.max_pending {
            self.evict_oldest(refusals);
        }
        // Asked now: after a failure the socket is closed, and its peer unknown.
        let peer = Address::of_peer(&socket);
        let started = Handshake::listener(socket, secret.clone());
        let token = self.last_token + 1;
        let watched = started.and_then(|handshake| {
            // Watched after the challenge was sent, so that a token is only ever of a handshake that is under way.
            set.add(Pollable::readable(handshake.as_fd()), token)?;
            Ok(handshake)
        });
        match watched {
            Ok(handshake) => {
                self.pending.insert(token, Pending { handshake, deadline: deadline_after(limits.timeout) });
                self.last_token = token;
            }
            Err(error) => refusals.add(peer, error),
        }
    }

    /// Advances a handshake of which something has arrived, and returns its socket when it has succeeded.
    pub(super) fn advance(&mut self, token: u64, set: &Epoll, refusals: &Refusals) -> Option<OwnedFd> {
        let done = self.pending.get_mut(&token)?.handshake.advance();
        if matches!(done, Ok(false)) {
            return None;
        }
        // Taken out before anything else can fail, so that a failed handshake never stays among the pending ones.
        let handshake = self.pending.remove(&token)?.handshake;
        match done.and_then(|_| Ok(set.remove(Pollable::readable(handshake.as_fd()))?)) {
            Ok(()) => Some(handshake.into_socket()),
            Err(error) => {
                refusals.add(Address::of_peer(&handshake), error);
                None
            }
        }
    }

    /// Drops the handshakes whose time is over, and returns the socket of one that turns out to have succeeded.
    ///
    /// A peer is not dropped because this process was busy: one that has sent a whole message meanwhile gets its time once more. A
    /// handshake has three messages, so this comes to an end.
    pub(super) fn expire(&mut self, limits: HandshakeLimits, set: &Epoll, refusals: &Refusals) -> Option<OwnedFd> {
        let now = Instant::now();
        let is_over = |pending: &Pending| pending.deadline.is_some_and(|at| at <= now);
        // Collected first: advancing them changes the map.
        let expired: Vec<u64> = self.pending.iter().filter(|(_, one)| is_over(one)).map(|(&token, _)| token).collect();
        for token in expired {
            let messages_received = self.pending.get(&token).map_or(0, |one| one.handshake.messages_received());
            if let Some(socket) = self.advance(token, set, refusals) {
                return Some(socket);
            }
            match self.pending.get_mut(&token) {
                Some(one) if one.handshake.messages_received() > messages_received => {
                    one.deadline = deadline_after(limits.timeout)
                }
                Some(_) => self.refuse(token, HandshakeError::TimedOut, refusals),
                None => {}
            }
        }
        None
    }

    /// Returns when the first of them runs out of time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.values().filter_map(|one| one.deadline).min()
    }

    /// Drops the oldest of those that have sent nothing, or the oldest of all. Returns whether there was one.
    pub(super) fn evict_oldest(&mut self, refusals: &Refusals) -> bool {
        // A peer that has sent something is more likely an honest one than a silent stranger.
        let silent = self.pending.iter().find(|(_, one)| one.handshake.messages_received() == 0);
        let Some(token) = silent.or_else(|| self.pending.first_key_value()).map(|(&token, _)| token) else {
            return false;
        };
        self.refuse(token, HandshakeError::Crowded, refusals);
        true
    }

    fn refuse(&mut self, token: u64, error: HandshakeError, refusals: &Refusals) {
        if let Some(one) = self.pending.remove(&token) {
            refusals.add(Address::of_peer(&one.handshake), error);
        }
    }
}

/// Returns whether the reason is that too many descriptors are open.
pub(super) fn is_fd_limit(error: &io::Error) -> bool {
    let limits = [nix::errno::Errno::EMFILE, nix::errno::Errno::ENFILE];
    limits.iter().any(|&limit| error.raw_os_error() == Some(limit as i32))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::super::connection::SocketConnection;
    use super::super::digest::Digest;
    use super::*;

    #[test]
    fn a_listener_that_was_busy_does_not_blame_those_who_answered() {
        // Everybody is late at once.
        let limits = HandshakeLimits { timeout: Duration::ZERO, max_pending: 10 };
        let secret = Arc::new(Secret { key: b"key".to_vec(), legacy: false });
        let (set, refusals, mut pending) = (Epoll::new().unwrap(), Refusals::default(), PendingHandshakes::default());
        let (silent, good) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        for socket in [silent.1, good.1] {
            pending.accept(socket.into(), &secret, limits, &set, &refusals);
        }
        let good = SocketConnection::from(good.0);
        let challenge = good.recv_bytes().unwrap();
        let mac = Digest::Sha256.mac(b"key", challenge.strip_prefix(b"#CHALLENGE#").unwrap());
        good.send_bytes(&[b"{sha256}", &mac[..]].concat()).unwrap();

        assert!(pending.expire(limits, &set, &refusals).is_none());
        let refused = refusals.take();
        assert!(matches!(refused[..], [ref one] if matches!(one.error, HandshakeError::TimedOut)), "{refused:?}");
        assert_eq!(good.recv_bytes().unwrap(), b"#WELCOME#");
        // It was given time once more, which is over too, and it has said nothing since.
        assert!(pending.expire(limits, &set, &refusals).is_none());
        assert!(pending.pending.is_empty());
    }

    #[test]
    fn the_oldest_of_the_silent_goes_first() {
        let limits = HandshakeLimits { timeout: Duration::from_secs(3600), max_pending: 2 };
        let secret = Arc::new(Secret { key: b"key".to_vec(), legacy: true });
        let (set, refusals, mut pending) = (Epoll::new().unwrap(), Refusals::default(), PendingHandshakes::default());
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        let mut peers = Vec::new();
        for (here, there) in pairs {
            pending.accept(there.into(), &secret, limits, &set, &refusals);
            let here = SocketConnection::from(here);
            let challenge = here.recv_bytes().unwrap();
            if peers.is_empty() {
                // The first is the oldest, and the only one that speaks.
                let mac = Digest::Md5.mac(b"key", challenge.strip_prefix(b"#CHALLENGE#").unwrap());
                here.send_bytes(&mac).unwrap();
                assert!(pending.advance(1, &set, &refusals).is_none());
            }
            peers.push(here);
        }
        assert_eq!(pending.pending.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(refusals.count(), 1);
    }
}
