//! [`Waker`]: an eventfd with which one thread wakes another that polls.

use std::io;
use std::os::fd::AsFd;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::descriptors::above_standard;
use super::poll::Pollable;
use super::refusal::refused;

/// Wakes the threads that poll it. Waking twice before the drain is waking once.
///
/// ```
/// use procession_core::os::poll::poll;
/// use procession_core::os::wake::Waker;
///
/// let waker = Waker::new()?;
/// waker.wake();
/// assert_eq!(poll(&[waker.pollable()], None)?, [true]);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Waker(EventFd);

impl Waker {
    /// Makes a waker that is not set.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// # use procession_core::os::{poll::poll, wake::Waker};
    /// let waker = Waker::new()?;
    /// assert_eq!(poll(&[waker.pollable()], Some(std::time::Instant::now()))?, [false]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Waker> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let counter = EventFd::from_value_and_flags(0, flags).map_err(|error| refused("eventfd2", error))?;
        let counter = above_standard(counter.into())?;
        // SAFETY: it is the descriptor of the counter that was just made, or a duplicate of it.
        Ok(Waker(unsafe { EventFd::from_owned_fd(counter) }))
    }

    /// Sets it. A counter that is full is set as well, so nothing can fail here.
    ///
    /// ```
    /// # use procession_core::os::{poll::poll, wake::Waker};
    /// let waker = Waker::new()?;
    /// waker.wake();
    /// waker.wake();
    /// waker.drain(); // once for both
    /// assert_eq!(poll(&[waker.pollable()], Some(std::time::Instant::now()))?, [false]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wake(&self) {
        // A full counter is readable: the other side is awake already, or will be.
        let _already_full = self.0.write(1);
    }

    /// Clears it. Call before looking at what the waking was about.
    ///
    /// ```
    /// # use procession_core::os::{poll::poll, wake::Waker};
    /// let waker = Waker::new()?;
    /// waker.wake();
    /// waker.drain();
    /// assert_eq!(poll(&[waker.pollable()], Some(std::time::Instant::now()))?, [false]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn drain(&self) {
        let _was_clear = self.0.read();
    }

    /// Ready while it is set.
    ///
    /// ```
    /// # use procession_core::os::{poll::poll, wake::Waker};
    /// let waker = Waker::new()?;
    /// assert_eq!(poll(&[waker.pollable()], Some(std::time::Instant::now()))?, [false]);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.0.as_fd())
    }
}
