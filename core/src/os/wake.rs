//! [`Waker`]: an eventfd with which one thread wakes another that polls.

use std::io;
use std::os::fd::AsFd;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::poll::Pollable;

/// Wakes whoever polls it. Waking twice before the drain is waking once.
#[derive(Debug)]
pub struct Waker(EventFd);

impl Waker {
    /// Makes a waker that is not set.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    pub fn new() -> io::Result<Waker> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Waker(EventFd::from_value_and_flags(0, flags)?))
    }

    /// Sets it. A counter that is full is set as well, so nothing can fail here.
    pub fn wake(&self) {
        let _already_full = self.0.write(1);
    }

    /// Clears it. Call before looking at what the waking was about.
    pub fn drain(&self) {
        let _was_clear = self.0.read();
    }

    /// Ready while it is set.
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        Pollable::readable(self.0.as_fd())
    }
}
