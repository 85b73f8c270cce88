//! [`Epoll`]: waiting for thousands of descriptors at a price that does not depend on how many they are.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::descriptors::above_standard;
use super::poll::Pollable;
use super::refusal::refused;

/// Number of descriptors that one call reports.
const BATCH: usize = 64;

/// A set of descriptors, each with a number of the owner's choosing.
///
/// ```
/// use procession_core::os::{epoll::Epoll, poll::Pollable};
/// use std::os::fd::AsFd;
///
/// let (reader, writer) = std::io::pipe()?;
/// let set = Epoll::new()?;
/// set.add(Pollable::readable(reader.as_fd()), 7)?;
/// drop(writer);
/// assert_eq!(set.wait(None)?, [7]);
/// set.remove(Pollable::readable(reader.as_fd()))?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Epoll(nix::sys::epoll::Epoll);

impl Epoll {
    /// Makes an empty set.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// let set = procession_core::os::epoll::Epoll::new()?;
    /// assert!(set.wait(Some(std::time::Instant::now()))?.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Epoll> {
        let set = nix::sys::epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let set = set.map_err(|error| refused("epoll_create1", error))?;
        Ok(Epoll(nix::sys::epoll::Epoll(above_standard(set.0)?)))
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// It is in the set, or cannot be waited for, or the limit on watched descriptors.
    ///
    /// ```
    /// use procession_core::os::{epoll::Epoll, poll::Pollable};
    /// use std::{io::ErrorKind, os::fd::AsFd};
    ///
    /// let (reader, _writer) = std::io::pipe()?;
    /// let set = Epoll::new()?;
    /// set.add(Pollable::readable(reader.as_fd()), 1)?;
    /// let twice = set.add(Pollable::readable(reader.as_fd()), 2);
    /// assert_eq!(twice.unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn add(&self, what: Pollable<'_>, token: u64) -> io::Result<()> {
        Ok(self.0.add(what.parts().0, event(what, token))?)
    }

    /// Changes what one of the set is waited for: for room to write too from now on, or no longer.
    ///
    /// # Errors
    ///
    /// It is not in the set.
    ///
    /// ```
    /// use procession_core::os::{epoll::Epoll, poll::Pollable};
    /// use std::{os::fd::AsFd, time::Instant};
    ///
    /// let (here, _there) = std::os::unix::net::UnixStream::pair()?;
    /// let set = Epoll::new()?;
    /// let socket = Pollable::readable(here.as_fd());
    /// set.add(socket, 1)?;
    /// assert!(set.wait(Some(Instant::now()))?.is_empty(), "nothing to read");
    /// set.change(socket.writable_too(true), 1)?;
    /// assert_eq!(set.wait(None)?, [1], "but room to write");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn change(&self, what: Pollable<'_>, token: u64) -> io::Result<()> {
        Ok(self.0.modify(what.parts().0, &mut event(what, token))?)
    }

    /// Takes one out. Closing the last copy of the descriptor does so too.
    ///
    /// # Errors
    ///
    /// It is not in the set.
    ///
    /// ```
    /// use procession_core::os::{epoll::Epoll, poll::Pollable};
    /// use std::os::fd::AsFd;
    ///
    /// let (reader, writer) = std::io::pipe()?;
    /// drop(writer);
    /// let set = Epoll::new()?;
    /// set.add(Pollable::readable(reader.as_fd()), 1)?;
    /// set.remove(Pollable::readable(reader.as_fd()))?;
    /// assert!(set.wait(Some(std::time::Instant::now()))?.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn remove(&self, what: Pollable<'_>) -> io::Result<()> {
        Ok(self.0.delete(what.parts().0)?)
    }

    /// Waits until some are ready or the deadline has passed (`None`: for ever), and returns their numbers. A deadline in the
    /// past only looks.
    ///
    /// # Errors
    ///
    /// What the kernel reports, interruptions aside.
    ///
    /// ```
    /// use procession_core::os::{epoll::Epoll, poll::Pollable, wake::Waker};
    ///
    /// let wakers = [Waker::new()?, Waker::new()?, Waker::new()?];
    /// let set = Epoll::new()?;
    /// for (waker, token) in wakers.iter().zip(0..) {
    ///     set.add(waker.pollable(), token)?;
    /// }
    /// wakers[2].wake();
    /// assert_eq!(set.wait(None)?, [2]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait(&self, deadline: Option<Instant>) -> io::Result<Vec<u64>> {
        let mut events = [EpollEvent::empty(); BATCH];
        loop {
            match self.0.wait(&mut events, timeout(deadline)) {
                // Milliseconds are all that the kernel counts here, so a long wait may end early.
                Ok(0) if deadline.is_none_or(|at| at > Instant::now()) => {}
                Ok(count) => return Ok(events[..count].iter().map(EpollEvent::data).collect()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Epoll {
    /// Ready to read while any of the set is ready.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

fn event(what: Pollable<'_>, token: u64) -> EpollEvent {
    // Level-triggered, as `poll` is: a caller that takes only a part is woken again.
    let mut flags = EpollFlags::EPOLLIN;
    flags.set(EpollFlags::EPOLLOUT, what.parts().1);
    EpollEvent::new(flags, token)
}

/// The time left, rounded up so that the end of it is not waited for in circles.
fn timeout(deadline: Option<Instant>) -> EpollTimeout {
    let Some(at) = deadline else { return EpollTimeout::NONE };
    let left = at.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    i32::try_from(left).ok().and_then(|left| EpollTimeout::try_from(left).ok()).unwrap_or(EpollTimeout::MAX)
}
