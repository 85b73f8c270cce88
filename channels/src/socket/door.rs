//! [`Door`]: the connections that have not finished their handshake. All of them go forward at once.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use procession_core::os::epoll::Epoll;
use procession_core::os::poll::{Pollable, deadline_after};

use super::address::Address;
use super::auth::Secret;
use super::error::HandshakeError;
use super::handshake::Talk;
use super::listener::Refusal;

/// How many refusals are remembered.
const REMEMBERED: usize = 64;

/// Those who wait, by their number, which grows: the first is the oldest.
#[derive(Debug, Default)]
pub(super) struct Door {
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
}

#[derive(Debug)]
struct Waiting {
    talk: Talk,
    /// `None` when the clock cannot express it.
    deadline: Option<Instant>,
}

/// What holds for all who wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    pub(super) timeout: Duration,
    pub(super) most: usize,
}

/// Those who did not get in.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<(u64, VecDeque<Refusal>)>);

impl Door {
    /// Lets one begin its handshake, in place of another if there are too many.
    pub(super) fn admit(
        &mut self,
        socket: OwnedFd,
        secret: &Arc<Secret>,
        manners: Manners,
        set: &Epoll,
        refusals: &Refusals,
    ) {
        if self.waiting.len() >= manners.most {
            self.evict(refusals);
        }
        let peer = Address::of_peer(&socket);
        let begun = Talk::listener(socket, secret.clone());
        let token = self.last + 1;
        let watched = begun.and_then(|talk| {
            set.add(Pollable::readable(talk.as_fd()), token)?;
            Ok(talk)
        });
        match watched {
            Ok(talk) => {
                self.waiting.insert(token, Waiting { talk, deadline: deadline_after(manners.timeout) });
                self.last = token;
            }
            Err(error) => refusals.note(peer, error),
        }
    }

    /// Goes on with one of whom something has arrived, and answers its socket when it is through.
    pub(super) fn advance(&mut self, token: u64, set: &Epoll, refusals: &Refusals) -> Option<OwnedFd> {
        let done = self.waiting.get_mut(&token)?.talk.advance();
        if matches!(done, Ok(false)) {
            return None;
        }
        let talk = self.waiting.remove(&token)?.talk;
        match done.and_then(|_| Ok(set.remove(Pollable::readable(talk.as_fd()))?)) {
            Ok(()) => Some(talk.into_socket()),
            Err(error) => {
                refusals.note(Address::of_peer(&talk), error);
                None
            }
        }
    }

    /// Drops those whose time is over, and answers the socket of one who turns out to be through.
    ///
    /// Nobody is dropped because this process had other things to do: who has sent a whole message in the meantime gets
    /// its time once more. There are three messages in a handshake, so this comes to an end.
    pub(super) fn expire(&mut self, manners: Manners, set: &Epoll, refusals: &Refusals) -> Option<OwnedFd> {
        let now = Instant::now();
        let is_over = |waiting: &Waiting| waiting.deadline.is_some_and(|at| at <= now);
        let over: Vec<u64> = self.waiting.iter().filter(|(_, one)| is_over(one)).map(|(&token, _)| token).collect();
        for token in over {
            let heard = self.waiting.get(&token).map_or(0, |one| one.talk.heard());
            if let Some(socket) = self.advance(token, set, refusals) {
                return Some(socket);
            }
            match self.waiting.get_mut(&token) {
                Some(one) if one.talk.heard() > heard => one.deadline = deadline_after(manners.timeout),
                Some(_) => self.refuse(token, HandshakeError::TimedOut, refusals),
                None => {}
            }
        }
        None
    }

    /// When the first of them runs out of time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|one| one.deadline).min()
    }

    /// Drops the oldest of those who have said nothing, or the oldest of all; says whether there was one.
    pub(super) fn evict(&mut self, refusals: &Refusals) -> bool {
        let silent = self.waiting.iter().find(|(_, one)| one.talk.heard() == 0);
        let Some(token) = silent.or_else(|| self.waiting.first_key_value()).map(|(&token, _)| token) else {
            return false;
        };
        self.refuse(token, HandshakeError::Crowded, refusals);
        true
    }

    fn refuse(&mut self, token: u64, error: HandshakeError, refusals: &Refusals) {
        if let Some(one) = self.waiting.remove(&token) {
            refusals.note(Address::of_peer(&one.talk), error);
        }
    }
}

impl Refusals {
    pub(super) fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn take(&self) -> Vec<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.drain(..).collect()
    }

    fn note(&self, peer: Option<Address>, error: HandshakeError) {
        if matches!(error, HandshakeError::Legacy) {
            Self::tell_of_old_dialects(peer.as_ref());
        }
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, latest) = &mut *inside;
        *count += 1;
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(Refusal { peer, error });
    }

    /// Says once on standard error why a program of an old Python does not get in. It is told that its key is wrong, which is not so, and
    /// whoever waits in `accept` would wait in silence.
    fn tell_of_old_dialects(peer: Option<&Address>) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let from = peer.map_or_else(String::new, |peer| format!(" from {peer}"));
            let text = format!(
                "procession: a connection{from} was refused, because it authenticates with MD5, as Python before 3.12 does: allow that \
                 with `Listener::builder().legacy(true)`, or update it. (`take_refusals` tells of each; this is said once.)\n"
            );
            let _nobody_reads_it = io::stderr().write_all(text.as_bytes());
        });
    }
}

/// Whether the reason is that too many descriptors are open.
pub(super) fn is_limit(error: &io::Error) -> bool {
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
        let manners = Manners { timeout: Duration::ZERO, most: 10 };
        let secret = Arc::new(Secret { key: b"key".to_vec(), legacy: false });
        let (set, refusals, mut door) = (Epoll::new().unwrap(), Refusals::default(), Door::default());
        let (silent, good) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        for socket in [silent.1, good.1] {
            door.admit(socket.into(), &secret, manners, &set, &refusals);
        }
        let good = SocketConnection::from(good.0);
        let challenge = good.recv_bytes().unwrap();
        let mac = Digest::Sha256.mac(b"key", challenge.strip_prefix(b"#CHALLENGE#").unwrap());
        good.send_bytes(&[b"{sha256}", &mac[..]].concat()).unwrap();

        assert!(door.expire(manners, &set, &refusals).is_none());
        let refused = refusals.take();
        assert!(matches!(refused[..], [ref one] if matches!(one.error, HandshakeError::TimedOut)), "{refused:?}");
        assert_eq!(good.recv_bytes().unwrap(), b"#WELCOME#");
        // It was given time once more, which is over too, and it has said nothing since.
        assert!(door.expire(manners, &set, &refusals).is_none());
        assert!(door.waiting.is_empty());
    }

    #[test]
    fn the_oldest_of_the_silent_goes_first() {
        let manners = Manners { timeout: Duration::from_secs(3600), most: 2 };
        let secret = Arc::new(Secret { key: b"key".to_vec(), legacy: true });
        let (set, refusals, mut door) = (Epoll::new().unwrap(), Refusals::default(), Door::default());
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        let mut peers = Vec::new();
        for (here, there) in pairs {
            door.admit(there.into(), &secret, manners, &set, &refusals);
            let here = SocketConnection::from(here);
            let challenge = here.recv_bytes().unwrap();
            if peers.is_empty() {
                // The first is the oldest, and the only one that speaks.
                let mac = Digest::Md5.mac(b"key", challenge.strip_prefix(b"#CHALLENGE#").unwrap());
                here.send_bytes(&mac).unwrap();
                assert!(door.advance(1, &set, &refusals).is_none());
            }
            peers.push(here);
        }
        assert_eq!(door.waiting.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(refusals.count(), 1);
    }
}
