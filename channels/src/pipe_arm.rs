//! For crates that wait for many pipes at once, with a set of descriptors of their own: the manager's server.

use std::os::fd::{AsFd, BorrowedFd};

use crate::pipe_receiver::PipeReceiver;
use crate::pipe_sender::PipeSender;

impl<T> PipeReceiver<T> {
    /// Whether there is nothing to receive right now. Asks shared memory only, and does not notice the end of the stream.
    #[doc(hidden)]
    #[must_use]
    pub fn looks_empty(&self) -> bool {
        self.inlet.links().is_empty()
    }

    /// Makes the descriptor readable when there is something to receive; `true` when there is already, or will never be.
    #[doc(hidden)]
    #[must_use]
    pub fn arm(&self) -> bool {
        self.inlet.arm_for_others()
    }
}

impl<T> PipeSender<T> {
    /// Makes the descriptor readable when there is room; `true` when there is already, or will never be.
    #[doc(hidden)]
    #[must_use]
    pub fn arm(&self) -> bool {
        self.outlet.arm()
    }

    /// The descriptor that [`arm`](PipeSender::arm) speaks of.
    #[doc(hidden)]
    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.outlet.socket().as_fd()
    }
}
