//! Reading and writing a stream socket: once, or until a deadline. The flags of the socket itself are never changed, because
//! other processes may hold it too.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{self, MsgFlags};
use procession_core::os::poll::{Pollable, nonblocking, poll};

/// Whether a call may sleep in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    No,
    Yes,
}

impl Blocking {
    /// Sleeping in the kernel spares a system call where there is no deadline.
    pub(super) fn until(deadline: Option<Instant>) -> Blocking {
        if deadline.is_some() { Blocking::No } else { Blocking::Yes }
    }

    fn flags(self) -> MsgFlags {
        match self {
            Blocking::No => MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            Blocking::Yes => MsgFlags::MSG_NOSIGNAL,
        }
    }
}

/// Reads what is there. Returns 0 at the end of the stream, and `None` if nothing is there yet.
pub(super) fn receive(socket: BorrowedFd<'_>, space: &mut [u8], blocking: Blocking) -> io::Result<Option<usize>> {
    nonblocking(|| Ok(socket::recv(socket.as_raw_fd(), space, blocking.flags())?))
}

/// Writes as much as there is space for. Returns `None` if the buffer is full.
pub(super) fn transmit(socket: BorrowedFd<'_>, bytes: &[IoSlice<'_>], blocking: Blocking) -> io::Result<Option<usize>> {
    nonblocking(|| Ok(socket::sendmsg::<()>(socket.as_raw_fd(), bytes, &[], blocking.flags(), None)?))
}

/// Waits until there is something to read. Returns `false` at the deadline.
pub(super) fn await_readable(socket: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    Ok(poll(&[Pollable::readable(socket)], deadline)?[0])
}

/// Waits until there is space to write. Returns `false` at the deadline.
pub(super) fn await_writable(socket: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let mut what = [PollFd::new(socket, PollFlags::POLLOUT)];
        match nix::poll::poll(&mut what, timeout(deadline)) {
            Ok(0) if deadline.is_some_and(|at| at <= Instant::now()) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Returns the time that is left, rounded up so that the last moment of it is not polled for.
fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(at) = deadline else { return PollTimeout::NONE };
    let left = at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    i32::try_from(left).ok().and_then(|left| PollTimeout::try_from(left).ok()).unwrap_or(PollTimeout::MAX)
}
