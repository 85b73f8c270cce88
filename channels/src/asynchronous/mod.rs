//! Waiting in a task of tokio, instead of a thread: `…_async` twins of what waits.
//!
//! A call first tries. Where that would wait, the descriptor is registered with tokio's reactor for as long as the call lasts, so
//! that no thread is used up. All calls are safe to cancel: a future that is dropped has received nothing and lost nothing.

mod reminder;
mod ring;

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use procession_core::Waitable;
use procession_core::os::poll::{Watched, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use reminder::Reminder;

/// A descriptor that tokio watches while one call waits.
///
/// It is a duplicate, because several tasks may wait for one thing, and tokio takes each descriptor once.
#[derive(Debug)]
pub(crate) struct Watch {
    descriptor: AsyncFd<Watched>,
    /// For what the descriptor may fail to tell of.
    reminder: Option<Reminder>,
}

/// Whether the descriptor of a thing tells of everything that one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    Everything,
    /// So one looks again from time to time.
    NotAll,
}

impl Watch {
    #[expect(
        deprecated,
        reason = "what took its place is unsafe, for the sake of descriptors that are not owned; this one is"
    )]
    pub(crate) fn new(what: &impl Waitable, interest: Interest, tells: Tells) -> io::Result<Watch> {
        let descriptor = AsyncFd::with_interest(what.pollable().watched()?, interest)?;
        Ok(Watch { descriptor, reminder: (tells == Tells::NotAll).then(Reminder::new) })
    }

    /// Says whether to look again from time to time.
    fn remind(&mut self, wanted: bool) {
        if wanted != self.reminder.is_some() {
            self.reminder = wanted.then(Reminder::new);
        }
    }

    /// Waits until something has happened, or it is time to look again anyway.
    pub(crate) async fn news(&mut self, interest: Interest) -> io::Result<()> {
        poll_fn(|cx| self.poll_news(interest, cx)).await
    }

    fn poll_news(&mut self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ready = if interest.is_readable() {
            self.descriptor.poll_read_ready(cx)
        } else {
            self.descriptor.poll_write_ready(cx)
        };
        match ready {
            Poll::Ready(Ok(mut guard)) => {
                guard.clear_ready();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.reminder.as_mut().map_or(Poll::Pending, |reminder| reminder.poll(cx.waker()).map(Ok)),
        }
    }
}

/// Tries until it succeeds, between tries waiting until `what` may be ready. An error is that of waiting.
pub(crate) async fn when_ready<R>(
    what: &impl Waitable,
    tells: Tells,
    mut attempt: impl FnMut() -> Option<R>,
) -> io::Result<R> {
    if let Some(result) = attempt() {
        return Ok(result);
    }
    let mut watch = Watch::new(what, Interest::READABLE, tells)?;
    // Somebody else may be faster again and again, and must not keep this task from giving way.
    let mut in_vain = false;
    loop {
        let is_ready = match what.arm() {
            Some(is_ready) => is_ready,
            // The kernel tells once, so whatever was there before has to be seen here.
            None => poll(&[what.pollable()], Some(Instant::now()))?[0],
        };
        if !is_ready {
            watch.remind(tells == Tells::NotAll || what.is_unsure());
            watch.news(Interest::READABLE).await?;
        } else if in_vain {
            give_way().await;
        }
        if let Some(result) = attempt() {
            return Ok(result);
        }
        in_vain = is_ready && !in_vain;
    }
}

/// Lets other tasks run once. Where something is there already, nobody tells of it.
async fn give_way() {
    let mut has_given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
