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

    /// Ends the sleep of whoever sleeps.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Sleeps until something happens, or until the deadline; one in the past only looks.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> io::Result<Vec<Sign>> {
        let tokens = self.set.wait(deadline)?;
        let mut signs = Vec::with_capacity(tokens.len());
        for token in tokens {
            match token {
                WAKER => self.waker.drain(),
                _ if token % 3 == 0 => signs.push(Sign::Speaks(WorkerId(token / 3))),
                _ if token % 3 == 1 => signs.push(Sign::Ended(WorkerId(token / 3))),
                _ => signs.push(Sign::Writes(WorkerId(token / 3))),
            }
        }
        Ok(signs)
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
