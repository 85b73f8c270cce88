//! How a TCP connection notices that the other machine is gone: one that lost power, or its network, sends nothing any more.
//!
//! Where nothing is under way, the kernel probes from time to time whether the other side is still there. Where something was sent and is
//! not confirmed, it gives up after a number of retransmissions. Both take about as long as the limit. A peer that is there and
//! only does not read confirms all the same, so it is never given up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname, setsockopt, sockopt};
use procession_core::os::tcp;

use crate::tuning::{MAX_RETRANSMISSION_PAUSE, MIN_RETRANSMISSION_PAUSE};

/// Retransmissions of the same bytes after which the kernel gives up (`tcp_retries2`).
const MAX_RETRANSMISSIONS: u32 = 15;
/// Bounds of the kernel for probes.
const MAX_SECONDS: u64 = 32_767;
const MAX_PROBES: u64 = 127;

/// When to probe an idle peer: the first time after `idle` seconds, then every `pause` seconds, `count` times in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Probes {
    idle: u32,
    pause: u32,
    count: u32,
}

impl Probes {
    fn within(limit: Duration) -> Probes {
        let seconds = limit.as_secs_f64().ceil() as u64;
        // A third of the limit until the first probe, then one each sixth: five answers may get lost.
        let idle = (seconds / 3).clamp(1, MAX_SECONDS);
        let pause = (seconds / 6).clamp(1, MAX_SECONDS);
        let count = seconds.saturating_sub(idle).div_ceil(pause).clamp(1, MAX_PROBES);
        Probes { idle: idle as u32, pause: pause as u32, count: count as u32 }
    }
}

/// Has the kernel give up the peer of a TCP socket that has been silent for `limit`; `None` for never. Leaves other sockets
/// alone: their peers are on this machine.
pub(super) fn set_keep_alive(socket: &impl AsFd, limit: Option<Duration>) -> io::Result<()> {
    if !is_tcp(socket.as_fd())? {
        return Ok(());
    }
    // Switched off for `None`: the socket may have been set before.
    setsockopt(socket, sockopt::KeepAlive, &limit.is_some())?;
    if let Some(limit) = limit {
        let Probes { idle, pause, count } = Probes::within(limit);
        setsockopt(socket, sockopt::TcpKeepIdle, &idle)?;
        setsockopt(socket, sockopt::TcpKeepInterval, &pause)?;
        setsockopt(socket, sockopt::TcpKeepCount, &count)?;
    }
    limit_attempts(socket, limit)
}

/// Limits how long unconfirmed bytes are sent again.
fn limit_attempts(socket: &impl AsFd, limit: Option<Duration>) -> io::Result<()> {
    let pause = limit.map_or(MAX_RETRANSMISSION_PAUSE, |limit| limit / MAX_RETRANSMISSIONS);
    let is_known = pause >= MIN_RETRANSMISSION_PAUSE
        && tcp::set_longest_pause(socket.as_fd(), pause.min(MAX_RETRANSMISSION_PAUSE)).is_ok();
    // The limit that every kernel knows also gives up peers that confirm but do not read for as long.
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
    use crate::tuning::PEER_TIMEOUT;

    #[test]
    fn an_idle_peer_is_probed_until_the_limit() {
        for seconds in [1, 2, 5, 9, 60, 61, 3600, 100_000] {
            let Probes { idle, pause, count } = Probes::within(Duration::from_secs(seconds));
            let all = u64::from(idle) + u64::from(pause) * u64::from(count);
            assert!((seconds..=seconds + seconds / 3 + 1).contains(&all), "{seconds} {all}");
        }
        assert_eq!(Probes::within(Duration::ZERO), Probes { idle: 1, pause: 1, count: 1 });
        assert_eq!(Probes::within(Duration::MAX).idle, 32_767);
    }

    #[test]
    fn the_kernel_probes_peers_on_other_machines() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has one")).expect("it listens");
        set_keep_alive(&stream, Some(PEER_TIMEOUT)).expect("it can be probed");
        assert!(getsockopt(&stream, sockopt::KeepAlive).expect("it is a socket"));
        let of = (getsockopt(&stream, sockopt::TcpKeepIdle), getsockopt(&stream, sockopt::TcpKeepInterval));
        assert_eq!(of, (Ok(20), Ok(10)));
        // Too little for fifteen attempts.
        set_keep_alive(&stream, Some(Duration::from_secs(3))).expect("it can be probed");
        assert_eq!(getsockopt(&stream, sockopt::TcpUserTimeout), Ok(3000));
        set_keep_alive(&stream, None).expect("it can be left alone");
        assert!(!getsockopt(&stream, sockopt::KeepAlive).expect("it is a socket"));
        assert_eq!(getsockopt(&stream, sockopt::TcpUserTimeout), Ok(0));
        let (near, _other) = UnixStream::pair().expect("a pair");
        set_keep_alive(&near, Some(PEER_TIMEOUT)).expect("nothing is to be done");
    }
}
