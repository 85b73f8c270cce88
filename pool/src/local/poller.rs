//! [`Poller`]: the descriptors that the pool's own thread sleeps over.

use std::io;
use std::time::Instant;

use procession_core::os::epoll::Epoll;
use procession_core::os::poll::Pollable;
use procession_core::os::wake::Waker;

use super::worker_handle::WorkerHandle;
use crate::model::ids::WorkerId;
use crate::model::pool_error::PoolError;

/// The token of the waker. Workers' numbers begin at 1, and each worker has four tokens, of which the last is that of a host.
const WAKER: u64 = 0;

/// Polls the workers' control links, process descriptors and streams, and a waker.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Epoll,
    waker: Waker,
}

/// A report of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// A worker's control link can be read, or has space again.
    ControlReadable(WorkerId),
    Exited(WorkerId),
    StderrReadable(WorkerId),
    /// The link with this number, to the other side of a host, can be read, or has space again.
    HostReadable(usize),
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        let poller = Poller { epoll: Epoll::new()?, waker: Waker::new()? };
        poller.epoll.add(poller.waker.pollable(), WAKER)?;
        Ok(poller)
    }

    /// Ends the current [`sleep`](Poller::sleep) of the pool's own thread, or the next one.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Sleeps until a report comes, or until the deadline, and clears the waker. Only the pool's own thread may call it.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> io::Result<Vec<Readiness>> {
        let (readiness, is_woken) = self.wait(deadline)?;
        if is_woken {
            self.waker.drain();
        }
        Ok(readiness)
    }

    /// Returns the reports that there are.
    ///
    /// The waker stays set. If a caller that only looks cleared it, the pool's own thread, which is about to wake up, would find
    /// nothing and sleep on, and no thread would handle the workers when that caller has gone.
    pub(crate) fn poll(&self) -> io::Result<Vec<Readiness>> {
        Ok(self.wait(Some(Instant::now()))?.0)
    }

    /// Returns also whether the waker is set.
    fn wait(&self, deadline: Option<Instant>) -> io::Result<(Vec<Readiness>, bool)> {
        // A token is four times the number of a worker or host, plus which descriptor it is.
        let tokens = self.epoll.wait(deadline)?;
        let mut readiness = Vec::with_capacity(tokens.len());
        let mut is_woken = false;
        for token in tokens {
            match token {
                WAKER => is_woken = true,
                _ => readiness.push(match token % 4 {
                    0 => Readiness::ControlReadable(WorkerId(token / 4)),
                    1 => Readiness::Exited(WorkerId(token / 4)),
                    2 => Readiness::StderrReadable(WorkerId(token / 4)),
                    _ => Readiness::HostReadable((token / 4) as usize),
                }),
            }
        }
        Ok((readiness, is_woken))
    }

    /// Watches a worker's link and process, and its standard error if that is captured.
    pub(crate) fn add(&self, WorkerId(id): WorkerId, handle: &WorkerHandle) -> Result<(), PoolError> {
        let link = self.epoll.add(handle.link(), 4 * id);
        let added = link.and_then(|()| self.epoll.add(handle.sentinel(), 4 * id + 1));
        let stderr = handle.stderr_tail.pollable().map_or(Ok(()), |stderr| self.epoll.add(stderr, 4 * id + 2));
        added.and(stderr).map_err(PoolError::system("watch a worker"))
    }

    /// Updates whether a worker's link is polled, and for space.
    pub(crate) fn update(&self, WorkerId(id): WorkerId, handle: &WorkerHandle) {
        let link = handle.link();
        // An error means that the link was removed before.
        let _gone = if handle.is_readable() { self.epoll.change(link, 4 * id) } else { self.epoll.remove(link) };
    }

    /// Watches the link of a host.
    pub(crate) fn add_host(&self, host: usize, link: Pollable<'_>) -> io::Result<()> {
        self.epoll.add(link, host_token(host))
    }

    /// Updates whether the link of a host is watched for space.
    pub(crate) fn update_host(&self, host: usize, link: Pollable<'_>) {
        // An error means that the link has failed, which a read reports.
        let _gone = self.epoll.change(link, host_token(host));
    }

    /// Stops watching the link of a host.
    pub(crate) fn remove_host(&self, link: Pollable<'_>) {
        let _gone = self.epoll.remove(link);
    }

    /// Stops watching a worker. Its descriptors are closed after that.
    pub(crate) fn remove(&self, handle: &WorkerHandle) {
        // An error means that the descriptor was removed before.
        let _gone = self.epoll.remove(handle.link());
        let _gone = self.epoll.remove(handle.sentinel());
        let _gone = handle.stderr_tail.pollable().map(|stderr| self.epoll.remove(stderr));
    }
}

fn host_token(host: usize) -> u64 {
    4 * host as u64 + 3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wake_reaches_the_pool_s_own_thread_after_other_threads_have_polled() {
        let poller = Poller::new().unwrap();
        poller.wake();
        assert_eq!(poller.poll().unwrap(), []);
        assert_eq!(poller.poll().unwrap(), []);
        // A guard against hanging: without the wake it would sleep for so long.
        let begin = Instant::now();
        assert_eq!(poller.sleep(Some(begin + Duration::from_secs(60))).unwrap(), []);
        assert!(begin.elapsed() < Duration::from_secs(60), "the wake was lost");
        // It was one wake.
        let begin = Instant::now();
        assert_eq!(poller.sleep(Some(begin + Duration::from_millis(1))).unwrap(), []);
        assert!(begin.elapsed() >= Duration::from_millis(1), "the wake was not cleared");
    }
}
