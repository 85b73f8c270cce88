//! [`when_ready`]: tries again whenever a descriptor has become ready.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use procession_core::Waitable;
use procession_core::os::poll::{Watched, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::periodic_waker::PeriodicWaker;

/// A descriptor that tokio watches while one call waits.
///
/// It is a duplicate: several tasks may wait for one descriptor, and tokio takes each once.
#[derive(Debug)]
pub(crate) struct Watch {
    descriptor: AsyncFd<Watched>,
    /// For events that do not make the descriptor ready.
    periodic: Option<PeriodicWaker>,
}

/// Which of the awaited events make the descriptor ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    Complete,
    /// Not all of them, so the task looks again from time to time.
    Partial,
}

impl Watch {
    #[expect(
        deprecated,
        reason = "what took its place is unsafe, for the sake of descriptors that are not owned; this one is"
    )]
    pub(crate) fn new(what: &impl Waitable, interest: Interest, coverage: Coverage) -> io::Result<Watch> {
        let descriptor = AsyncFd::with_interest(what.pollable().watched()?, interest)?;
        Ok(Watch { descriptor, periodic: (coverage == Coverage::Partial).then(PeriodicWaker::new) })
    }

    /// Sets whether to look again from time to time.
    fn set_periodic(&mut self, wanted: bool) {
        if wanted != self.periodic.is_some() {
            self.periodic = wanted.then(PeriodicWaker::new);
        }
    }

    /// Waits until the descriptor has become ready, or it is time to look again anyway.
    pub(crate) async fn ready(&mut self, interest: Interest) -> io::Result<()> {
        poll_fn(|cx| self.poll_ready(interest, cx)).await
    }

    fn poll_ready(&mut self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ready = if interest.is_readable() {
            self.descriptor.poll_read_ready(cx)
        } else {
            self.descriptor.poll_write_ready(cx)
        };
        match ready {
            Poll::Ready(Ok(mut guard)) => {
                // Cleared before the attempt: what comes from now on makes it ready again.
                guard.clear_ready();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.periodic.as_mut().map_or(Poll::Pending, |periodic| periodic.poll(cx.waker()).map(Ok)),
        }
    }
}

/// Tries until it succeeds, and waits between tries until `what` may be ready. An error is one of waiting.
pub(crate) async fn when_ready<R>(
    what: &impl Waitable,
    coverage: Coverage,
    mut attempt: impl FnMut() -> Option<R>,
) -> io::Result<R> {
    if let Some(result) = attempt() {
        return Ok(result);
    }
    // Before arming: a change between the two must be seen by the reactor.
    let mut watch = Watch::new(what, Interest::READABLE, coverage)?;
    let mut lost_race = false;
    loop {
        let is_ready = match what.arm() {
            Some(is_ready) => is_ready,
            // Tokio reports changes only, so what was there before has to be seen here.
            None => poll(&[what.pollable()], Some(Instant::now()))?[0],
        };
        if !is_ready {
            watch.set_periodic(coverage == Coverage::Partial || what.is_unsure());
            watch.ready(Interest::READABLE).await?;
        } else if lost_race {
            // Other receivers may be faster again and again; that must not keep the other tasks of this thread from running.
            yield_now().await;
        }
        if let Some(result) = attempt() {
            return Ok(result);
        }
        lost_race = is_ready && !lost_race;
    }
}

/// Lets other tasks run once.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
