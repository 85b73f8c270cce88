//! What std and nix do not know of TCP sockets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::libc;

use super::refusal::check;

/// `TCP_RTO_MAX_MS`: the C library does not know it yet.
const RTO_MAX_MS: libc::c_int = 44;

/// Sets the longest pause between two attempts to send what the other side has not confirmed. The kernel gives up after 15 of them.
///
/// # Errors
///
/// The kernel is older than 6.15 and does not know this; the pause is not from one second to two minutes; this is no such socket.
///
/// ```
/// use procession_core::os::tcp;
/// use std::os::fd::AsFd;
/// use std::time::Duration;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// if let Err(error) = tcp::set_longest_pause(listener.as_fd(), Duration::from_secs(4)) {
///     eprintln!("an old kernel: {error}");
/// }
/// # std::io::Result::Ok(())
/// ```
pub fn set_longest_pause(socket: BorrowedFd<'_>, pause: Duration) -> io::Result<()> {
    let millis = libc::c_int::try_from(pause.as_millis()).unwrap_or(libc::c_int::MAX);
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed, and the kernel reads one number of that size.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, RTO_MAX_MS, (&raw const millis).cast(), len)
    })
    .map(drop)
}
