//! For crates that wait for many pipes at once, with a set of descriptors of their own: the manager's server.

use procession_core::os::poll::Pollable;

use crate::error::TrySendError;
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
    /// Adds bytes as one message without waking a receiver that sleeps: it finds them when it looks the next time, at the latest when
    /// it is woken by what is sent later, or by the end. Answers whether they were added, which they are not where room is scarce.
    ///
    /// # Errors
    ///
    /// As for [`try_send_bytes`](Self::try_send_bytes).
    #[doc(hidden)]
    pub fn leave_bytes(&self, bytes: &[u8]) -> Result<bool, TrySendError<()>> {
        self.outlet.leave(bytes).map_err(|unsent| TrySendError::new((), unsent))
    }

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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use procession_core::Waitable;
    use procession_core::os::poll::poll;

    use crate::record::INLINE;
    use crate::{PipeReceiver, one_way};

    fn is_rung(receiver: &PipeReceiver<()>) -> bool {
        poll(&[receiver.pollable()], Some(Instant::now())).unwrap()[0]
    }

    #[test]
    fn what_is_left_wakes_nobody_and_is_found_in_its_turn() {
        let (receiver, sender) = one_way::<()>().unwrap();
        assert!(!receiver.arm());
        assert!(sender.leave_bytes(b"left").unwrap());
        assert!(!is_rung(&receiver));
        sender.send_bytes(b"sent").unwrap();
        assert!(is_rung(&receiver));
        assert_eq!(receiver.recv_bytes().unwrap(), b"left");
        assert_eq!(receiver.recv_bytes().unwrap(), b"sent");
        assert!(!receiver.arm());
        assert!(sender.leave_bytes(b"last").unwrap());
        assert!(receiver.arm(), "who goes to sleep looks first");
        drop(sender);
        assert_eq!(receiver.recv_bytes().unwrap(), b"last");
    }

    #[test]
    fn nothing_is_left_where_room_is_scarce_so_that_others_can_wake_the_receiver() {
        let (receiver, sender) = one_way::<()>().unwrap();
        assert!(!sender.leave_bytes(&[0; INLINE + 1]).unwrap());
        assert!(!receiver.arm());
        while sender.leave_bytes(&[0; 100]).unwrap() {}
        assert!(!is_rung(&receiver));
        sender.try_send_bytes(b"there is room for this").unwrap();
        assert!(is_rung(&receiver));
    }
}
