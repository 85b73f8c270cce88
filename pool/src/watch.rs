//! [`Watch`]: what the pool's own thread sleeps over.

use std::io;
use std::time::Instant;

use procession_core::os::epoll::Epoll;
use procession_core::os::wake::Waker;

use crate::PoolError;
use crate::ids::WorkerId;
use crate::member::Member;

/// The token of the pool's own wake-up call. Workers' numbers begin at 1.
const WAKER: u64 = 0;

/// All that the kernel can wake the pool for: its workers' control links, their ends, and a call of its own.
#[derive(Debug)]
pub(crate) struct Watch {
    set: Epoll,
    waker: Waker,
}

/// What the kernel has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A worker has said something on its control link, or has room there.
    Speaks(WorkerId),
    Ended(WorkerId),
    /// It has written to its standard error.
    Writes(WorkerId),
}

impl Watch {
    pub(crate) fn new() -> io::Result<Watch> {
        let watch = Watch { set: Epoll::new()?, waker: Waker::new()? };
        watch.set.add(watch.waker.pollable(), WAKER)?;
        Ok(watch)
    }

    /// Ends the sleep of the pool's own thread, or its next one.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// As [`wait`](Watch::wait), and takes note of the wake-up call. Only the pool's own thread does so, for it is meant by it.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> io::Result<Vec<Sign>> {
        let (signs, is_called) = self.collect(deadline)?;
        if is_called {
            self.waker.drain();
        }
        Ok(signs)
    }

    /// Sleeps until something happens, or until the deadline; one in the past only looks.
    ///
    /// A wake-up call stays what it is. If a caller that only looks took note of it, the pool's own thread, which is about to wake
    /// up, would find nothing and sleep on, and nobody would look after the workers when that caller has gone.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> io::Result<Vec<Sign>> {
        Ok(self.collect(deadline)?.0)
    }

    /// Answers also whether there is a wake-up call.
    fn collect(&self, deadline: Option<Instant>) -> io::Result<(Vec<Sign>, bool)> {
        let tokens = self.set.wait(deadline)?;
        let mut signs = Vec::with_capacity(tokens.len());
        let mut is_called = false;
        for token in tokens {
            match token {
                WAKER => is_called = true,
                _ if token % 3 == 0 => signs.push(Sign::Speaks(WorkerId(token / 3))),
                _ if token % 3 == 1 => signs.push(Sign::Ended(WorkerId(token / 3))),
                _ => signs.push(Sign::Writes(WorkerId(token / 3))),
            }
        }
        Ok((signs, is_called))
    }

    pub(crate) fn add(&self, WorkerId(id): WorkerId, member: &Member) -> Result<(), PoolError> {
        let added = self.set.add(member.link(), 3 * id).and_then(|()| self.set.add(member.sentinel(), 3 * id + 1));
        let words = member.last_words.pollable().map_or(Ok(()), |words| self.set.add(words, 3 * id + 2));
        added.and(words).map_err(PoolError::system("watch a worker"))
    }

    /// Notes whether a worker's link is to be listened to, and written to.
    pub(crate) fn update(&self, WorkerId(id): WorkerId, member: &Member) {
        // One that is not in the set is not listened to any more.
        let _gone =
            if member.is_heard() { self.set.change(member.link(), 3 * id) } else { self.set.remove(member.link()) };
    }

    pub(crate) fn forget(&self, _: WorkerId, member: &Member) {
        // The link may have been taken out before.
        let _gone = self.set.remove(member.link());
        let _gone = self.set.remove(member.sentinel());
        let _gone = member.last_words.pollable().map(|words| self.set.remove(words));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_is_for_the_pool_s_own_thread_whoever_looks_before_it() {
        let watch = Watch::new().unwrap();
        watch.wake();
        assert_eq!(watch.wait(Some(Instant::now())).unwrap(), []);
        assert_eq!(watch.wait(Some(Instant::now())).unwrap(), []);
        // With nothing to wake it, this would be the end of the test runner's patience.
        let begin = Instant::now();
        assert_eq!(watch.sleep(Some(begin + Duration::from_secs(60))).unwrap(), []);
        assert!(begin.elapsed() < Duration::from_secs(60), "the call was lost");
        // It was one call.
        let begin = Instant::now();
        assert_eq!(watch.sleep(Some(begin + Duration::from_millis(1))).unwrap(), []);
        assert!(begin.elapsed() >= Duration::from_millis(1), "the call was not taken note of");
    }
}
