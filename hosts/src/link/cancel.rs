//! [`Cancel`]: the end of a pool, as a launch that is under way sees it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use procession_core::os::poll::{Pollable, poll};
use procession_core::os::wake::Waker;

/// Ready for ever once the pool has ended.
#[derive(Clone, Debug)]
pub(crate) struct Cancel(Arc<Waker>);

/// Held by the pool: cancels when it is dropped.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(Cancel);

impl Cancel {
    pub(crate) fn new() -> io::Result<(Cancel, CancelOnDrop)> {
        let cancel = Cancel(Arc::new(Waker::new()?));
        Ok((cancel.clone(), CancelOnDrop(cancel)))
    }

    /// Waits until one of `what` is ready, and returns which of them are.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) at the deadline, and an error of another kind when the pool has ended.
    pub(crate) fn poll(&self, what: &[Pollable<'_>], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
        let all: Vec<_> = what.iter().copied().chain([self.0.pollable()]).collect();
        let mut ready = poll(&all, deadline)?;
        if ready.pop() == Some(true) {
            return Err(io::Error::other("the pool has ended"));
        }
        if ready.contains(&true) { Ok(ready) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // Never drained, so each launch sees it, also one that begins later.
        self.0.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_dropped_pool_ends_each_wait() {
        let (cancel, pool) = Cancel::new().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let what = [Pollable::readable(reader.as_fd())];
        let soon = Some(Instant::now() + Duration::from_millis(1));
        assert_eq!(cancel.poll(&what, soon).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);
        assert_eq!(cancel.poll(&what, None).unwrap(), [true]);
        drop(pool);
        for _ in 0..2 {
            assert_eq!(cancel.clone().poll(&[], None).unwrap_err().to_string(), "the pool has ended");
        }
    }
}
