//! For crates that wait for many pipes at once, with a set of descriptors of their own: the manager's server.

use procession_core::os::poll::Pollable;

use crate::pipe_receiver::PipeReceiver;
use crate::pipe_sender::PipeSender;

impl<T> PipeReceiver<T> {
    /// Whether there is nothing to receive right now. Asks shared memory only, and does not notice the end of the stream.
    #[doc(hidden)]
    #[must_use]
    pub fn looks_empty(&self) -> bool {
        self.inlet.links().is_empty()
    }

    /// Makes the descriptor readable when there is something to receive; `true` when there is already, or will never be. `None`
    /// when it could not be done, because the process at the other side takes its time in the middle of sending: it may have been
    /// stopped. The descriptor may not tell then, so look again before long. This takes a few milliseconds at the longest.
    #[doc(hidden)]
    #[must_use]
    pub fn try_arm(&self) -> Option<bool> {
        self.inlet.arm_for_others()
    }

    /// As [`try_arm`](Self::try_arm), where nobody can be in the way for long.
    #[doc(hidden)]
    #[must_use]
    pub fn arm(&self) -> bool {
        loop {
            if let Some(ready) = self.try_arm() {
                return ready;
            }
        }
    }
}

impl<T> PipeSender<T> {
    /// Makes the descriptor readable when there is room; `true` when there is already, or will never be.
    #[doc(hidden)]
    #[must_use]
    pub fn arm(&self) -> bool {
        self.outlet.arm()
    }

    /// What becomes ready as [`arm`](PipeSender::arm) speaks of.
    #[doc(hidden)]
    #[must_use]
    pub fn bell(&self) -> Pollable<'_> {
        self.outlet.socket().pollable()
    }
}
