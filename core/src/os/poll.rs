//! Waiting for descriptors: one `ppoll` over anything that can become ready, with a deadline on the monotonic clock.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::libc;

use super::backoff::Backoff;
use crate::tuning::POLL_SPIN;

/// Something that [`poll`] can wait for. It shows whether it is ready, and lends nothing else of the descriptor.
///
/// ```
/// use procession_core::os::poll::{Pollable, poll};
/// use std::os::{fd::AsFd, unix::net::UnixStream};
///
/// let (here, _there) = UnixStream::pair()?;
/// let to_read = Pollable::readable(here.as_fd());
/// assert_eq!(poll(&[to_read, to_read.writable_too(true)], None)?, [false, true]);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pollable<'fd> {
    fd: RawFd,
    events: libc::c_short,
    lent: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> Pollable<'fd> {
    /// Ready when there is something to read, or when the other side is gone.
    ///
    /// ```
    /// use procession_core::os::poll::{Pollable, poll};
    /// use std::{io::Write, os::fd::AsFd};
    ///
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"!")?;
    /// assert_eq!(poll(&[Pollable::readable(reader.as_fd())], None)?, [true]);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn readable(fd: BorrowedFd<'fd>) -> Pollable<'fd> {
        Pollable { fd: fd.as_raw_fd(), events: libc::POLLIN, lent: PhantomData }
    }

    /// Also ready when there is room to write, if `wanted`.
    ///
    /// ```
    /// use procession_core::os::poll::{Pollable, poll};
    /// use std::os::{fd::AsFd, unix::net::UnixStream};
    ///
    /// let (here, _there) = UnixStream::pair()?;
    /// let kept = ["what is to be sent later"];
    /// let socket = Pollable::readable(here.as_fd()).writable_too(!kept.is_empty());
    /// assert_eq!(poll(&[socket], None)?, [true]);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn writable_too(mut self, wanted: bool) -> Pollable<'fd> {
        if wanted {
            self.events |= libc::POLLOUT;
        }
        self
    }

    /// The descriptor, and whether room to write counts too.
    /// A duplicate of the descriptor that one can have a reactor watch, for as long as one likes.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// use procession_core::os::poll::Pollable;
    /// use std::os::fd::{AsFd, AsRawFd};
    ///
    /// let (reader, _writer) = std::io::pipe()?;
    /// let watched = Pollable::readable(reader.as_fd()).watched()?;
    /// assert_ne!(watched.as_raw_fd(), reader.as_raw_fd());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn watched(self) -> io::Result<Watched> {
        self.parts().0.try_clone_to_owned().map(Watched)
    }

    pub(super) fn parts(self) -> (BorrowedFd<'fd>, bool) {
        // SAFETY: it was made from a borrow that lasts for `'fd`.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        (fd, self.events & libc::POLLOUT != 0)
    }
}

/// A descriptor to be watched: a reactor takes its number, and cannot read from it.
///
/// ```
/// use procession_core::os::poll::{Pollable, Watched};
/// use std::os::fd::AsFd;
///
/// let (reader, _writer) = std::io::pipe()?;
/// let _watched: Watched = Pollable::readable(reader.as_fd()).watched()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Watched(OwnedFd);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Waits until one is ready or the deadline has passed (`None`: for ever), and says of each whether it is ready.
///
/// A deadline in the past only looks. Hang-up and error count as ready: the read that follows will tell.
///
/// ```
/// use procession_core::os::poll::{Pollable, poll};
/// use std::os::fd::AsFd;
///
/// let (reader, writer) = std::io::pipe()?;
/// let now = std::time::Instant::now();
/// assert_eq!(poll(&[Pollable::readable(reader.as_fd())], Some(now))?, [false]);
/// drop(writer);
/// assert_eq!(poll(&[Pollable::readable(reader.as_fd())], None)?, [true]);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// What `ppoll` reports, interruptions aside.
pub fn poll(what: &[Pollable<'_>], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
    let mut fds: Vec<libc::pollfd> =
        what.iter().map(|one| libc::pollfd { fd: one.fd, events: one.events, revents: 0 }).collect();
    loop {
        // Computed anew in each round, so that signals do not prolong the wait.
        let left = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let timeout = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let count = libc::nfds_t::try_from(fds.len()).map_err(io::Error::other)?;
        // SAFETY: `fds` holds `count` entries that live across the call; the timeout is null or points to `left`.
        let ready = super::refusal::check(unsafe { libc::ppoll(fds.as_mut_ptr(), count, timeout, std::ptr::null()) });
        match ready {
            // Errors and hang-ups count as ready: the caller's next call on the descriptor reports them.
            Ok(_) => return Ok(fds.iter().map(|one| one.revents != 0).collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Looks for a moment whether one becomes ready, giving way to others between the looks: cheaper than sleeping and being
/// woken when it does, and a waste of that moment when it does not.
///
/// # Errors
///
/// As [`poll`].
///
/// ```
/// use procession_core::os::{poll::{poll, poll_briefly}, wake::Waker};
///
/// let waker = Waker::new()?;
/// assert!(!poll_briefly(waker.pollable(), None)?, "not at once");
/// waker.wake();
/// assert!(poll_briefly(waker.pollable(), None)? || poll(&[waker.pollable()], None)?[0]);
/// # std::io::Result::Ok(())
/// ```
pub fn poll_briefly(what: Pollable<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    let start = Instant::now();
    let left = deadline.map_or(POLL_SPIN, |deadline| deadline.saturating_duration_since(start).min(POLL_SPIN));
    let mut backoff = Backoff::new(left, 1);
    loop {
        // A deadline that has passed makes it a look that does not sleep.
        if poll(&[what], Some(start))?[0] {
            return Ok(true);
        }
        if backoff.pause().is_some_and(|now| backoff.is_over(now)) {
            return Ok(false);
        }
    }
}

/// The deadline that lies `timeout` ahead; `None`, which is for ever, when the clock cannot express it.
///
/// ```
/// use procession_core::os::poll::deadline_after;
/// use std::time::Duration;
///
/// let hour = deadline_after(Duration::from_secs(3600)).expect("the clock goes so far");
/// assert!(hour > std::time::Instant::now());
/// assert_eq!(deadline_after(Duration::MAX), None, "for ever");
/// ```
#[must_use]
pub fn deadline_after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

pub(crate) fn timespec(left: Duration) -> libc::timespec {
    let tv_sec = libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX);
    libc::timespec { tv_sec, tv_nsec: libc::c_long::from(left.subsec_nanos() as i32) }
}

/// Makes a call, and makes it again when a signal has interrupted it. Returns `None` where it would have slept and must not.
///
/// # Errors
///
/// Those of the call.
///
/// ```
/// use procession_core::os::poll::nonblocking;
/// use std::io::Read;
///
/// let (mut here, there) = std::os::unix::net::UnixStream::pair()?;
/// here.set_nonblocking(true)?;
/// assert_eq!(nonblocking(|| here.read(&mut [0]))?, None, "nothing has come");
/// drop(there);
/// assert_eq!(nonblocking(|| here.read(&mut [0]))?, Some(0), "the end");
/// # std::io::Result::Ok(())
/// ```
pub fn nonblocking(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
