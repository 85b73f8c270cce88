//! How a TCP connection notices that the other machine is gone: one that lost power, or its network, says nothing any more.
//!
//! Where nothing is under way, the kernel asks from time to time whether the other side is still there. Where something was sent and is
//! not confirmed, it gives up after a number of attempts. Both take about as long as the limit says. A peer that is there and
//! only does not read confirms all the same, so it is never given up, however long it takes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname, setsockopt, sockopt};
use procession_core::os::tcp;

/// How long the other machine may be silent, unless another time was set.
pub(super) const PEER_TIMEOUT: Duration = Duration::from_secs(60);

/// After so many attempts to send the same bytes the kernel gives up (`tcp_retries2`).
const ATTEMPTS: u32 = 15;
/// What the kernel allows between two attempts.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// The longest times, in seconds, and the most questions that the kernel takes.
const MOST_SECONDS: u64 = 32_767;
const MOST_QUESTIONS: u64 = 127;

/// When to ask an idle peer: after so many seconds, again after so many, and so often in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Questions {
    idle: u32,
    pause: u32,
    count: u32,
}

impl Questions {
    fn within(limit: Duration) -> Questions {
        let seconds = limit.as_secs_f64().ceil() as u64;
        let idle = (seconds / 3).clamp(1, MOST_SECONDS);
        let pause = (seconds / 6).clamp(1, MOST_SECONDS);
        let count = seconds.saturating_sub(idle).div_ceil(pause).clamp(1, MOST_QUESTIONS);
        Questions { idle: idle as u32, pause: pause as u32, count: count as u32 }
    }
}

/// Has the kernel give up the peer of a TCP socket that has been silent for so long; `None` for never. Other sockets are left
/// alone: their peers are on this machine.
pub(super) fn watch(socket: &impl AsFd, limit: Option<Duration>) -> io::Result<()> {
    if !is_tcp(socket.as_fd())? {
        return Ok(());
    }
    setsockopt(socket, sockopt::KeepAlive, &limit.is_some())?;
    if let Some(limit) = limit {
        let Questions { idle, pause, count } = Questions::within(limit);
        setsockopt(socket, sockopt::TcpKeepIdle, &idle)?;
        setsockopt(socket, sockopt::TcpKeepInterval, &pause)?;
        setsockopt(socket, sockopt::TcpKeepCount, &count)?;
    }
    limit_attempts(socket, limit)
}

/// Limits how long is sent what nobody confirms.
fn limit_attempts(socket: &impl AsFd, limit: Option<Duration>) -> io::Result<()> {
    let pause = limit.map_or(LONGEST_PAUSE, |limit| limit / ATTEMPTS);
    let is_known = pause >= SHORTEST_PAUSE && tcp::set_longest_pause(socket.as_fd(), pause.min(LONGEST_PAUSE)).is_ok();
    // The limit that every kernel knows also gives up peers that confirm but do not read for so long.
    let millis = limit.filter(|_| !is_known).map_or(0, |limit| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
    Ok(setsockopt(socket, sockopt::TcpUserTimeout, &millis)?)
}

fn is_tcp(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let name: SockaddrStorage = getsockname(std::os::fd::AsRawFd::as_raw_fd(&socket))?;
    Ok(matches!(name.family(), Some(AddressFamily::Inet | AddressFamily::Inet6)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use nix::sys::socket::getsockopt;

    use super::*;

    #[test]
    fn an_idle_peer_is_asked_for_as_long_as_the_limit_says() {
        for seconds in [1, 2, 5, 9, 60, 61, 3600, 100_000] {
            let Questions { idle, pause, count } = Questions::within(Duration::from_secs(seconds));
            let all = u64::from(idle) + u64::from(pause) * u64::from(count);
            assert!((seconds..=seconds + seconds / 3 + 1).contains(&all), "{seconds} {all}");
        }
        assert_eq!(Questions::within(Duration::ZERO), Questions { idle: 1, pause: 1, count: 1 });
        assert_eq!(Questions::within(Duration::MAX).idle, 32_767);
    }

    #[test]
    fn the_kernel_watches_peers_on_other_machines() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has one")).expect("it listens");
        watch(&stream, Some(PEER_TIMEOUT)).expect("it can be watched");
        assert!(getsockopt(&stream, sockopt::KeepAlive).expect("it is a socket"));
        let of = (getsockopt(&stream, sockopt::TcpKeepIdle), getsockopt(&stream, sockopt::TcpKeepInterval));
        assert_eq!(of, (Ok(20), Ok(10)));
        // Too little for fifteen attempts.
        watch(&stream, Some(Duration::from_secs(3))).expect("it can be watched");
        assert_eq!(getsockopt(&stream, sockopt::TcpUserTimeout), Ok(3000));
        watch(&stream, None).expect("it can be left alone");
        assert!(!getsockopt(&stream, sockopt::KeepAlive).expect("it is a socket"));
        assert_eq!(getsockopt(&stream, sockopt::TcpUserTimeout), Ok(0));
        let (near, _other) = UnixStream::pair().expect("a pair");
        watch(&near, Some(PEER_TIMEOUT)).expect("nothing is to be done");
    }
}
