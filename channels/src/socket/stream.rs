//! Reading and writing a stream socket: once, or until a deadline. The flags of the socket itself are never changed, because
//! other processes may hold it too.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{self, MsgFlags};
use procession_core::os::poll::{Pollable, poll};

/// Whether a call may sleep in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    None,
    Endless,
}

impl Patience {
    /// Sleeping in the kernel spares a system call where nothing limits it.
    pub(super) fn until(deadline: Option<Instant>) -> Patience {
        if deadline.is_some() { Patience::None } else { Patience::Endless }
    }

    fn flags(self) -> MsgFlags {
        match self {
            Patience::None => MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            Patience::Endless => MsgFlags::MSG_NOSIGNAL,
        }
    }
}

/// Reads what is there: 0 at the end of the stream, `None` when nothing is there yet.
pub(super) fn receive(socket: BorrowedFd<'_>, space: &mut [u8], patience: Patience) -> io::Result<Option<usize>> {
    retried(|| socket::recv(socket.as_raw_fd(), space, patience.flags()))
}

/// Writes as much as there is room for; `None` when there is none.
pub(super) fn transmit(socket: BorrowedFd<'_>, bytes: &[IoSlice<'_>], patience: Patience) -> io::Result<Option<usize>> {
    retried(|| socket::sendmsg::<()>(socket.as_raw_fd(), bytes, &[], patience.flags(), None))
}

/// Waits until there is something to read, or the deadline has passed.
pub(super) fn await_readable(socket: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    Ok(poll(&[Pollable::readable(socket)], deadline)?[0])
}

/// Waits until there is room to write, or the deadline has passed.
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

/// The time left, rounded up so that the end of it is not waited for in circles.
fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(at) = deadline else { return PollTimeout::NONE };
    let left = at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    i32::try_from(left).ok().and_then(|left| PollTimeout::try_from(left).ok()).unwrap_or(PollTimeout::MAX)
}

fn retried(mut call: impl FnMut() -> nix::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
