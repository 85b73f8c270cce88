//! [`ReplyReader`]: the answers that have arrived over a connection, for all the threads that wait for one.
//!
//! There is no thread for it. Of those that wait, one reads, and puts what is not for itself where the others find it; when
//! it has its own answer, another one reads on.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use procession_channels::PipeReceiver;
use procession_core::Control;
use procession_core::os::mutex::{lock, wait_once};
use procession_core::os::poll::{Pollable, poll};

use super::callbacks::{Callback, Next, ReadyCallback};
use super::limit::{Limit, is_over};
use super::pending_replies::{PendingReplies, Waited};
use super::reply_transport::ReplyTransport;
use crate::wire::claims::{ClaimSlot, Claims};
use crate::wire::error::CallError;
#[cfg(feature = "remote")]
use crate::wire::frame_reader::FrameReader;

/// The receiving half of a connection.
#[derive(Debug)]
pub(crate) struct ReplyReader {
    /// What has arrived and what is awaited. It is locked for a moment at a time.
    pending: Mutex<PendingReplies>,
    /// Notified when the reader has read something, or reads no longer.
    arrived: Condvar,
    /// Where replies come from. The thread that reads holds it as long as it waits.
    transport: Mutex<ReplyTransport>,
}

impl ReplyReader {
    /// For answers of a manager of this program.
    pub(crate) fn local(replies: Control, answers: PipeReceiver<()>) -> ReplyReader {
        ReplyReader::new(ReplyTransport::local(replies, answers), PendingReplies::new(Claims::slots()))
    }

    /// For replies of a manager of another program.
    #[cfg(feature = "remote")]
    pub(crate) fn remote(frames: FrameReader) -> ReplyReader {
        ReplyReader::new(ReplyTransport::remote(frames), PendingReplies::default())
    }

    fn new(transport: ReplyTransport, pending: PendingReplies) -> ReplyReader {
        ReplyReader { pending: Mutex::new(pending), arrived: Condvar::new(), transport: Mutex::new(transport) }
    }

    /// Expects an answer. Call before the call is sent. One that has a limit may get a place for its word.
    pub(crate) fn expect(&self, number: u64, is_limited: bool) -> ClaimSlot {
        self.lock().expect(number, is_limited)
    }

    /// Expects it no longer: it is thrown away when it comes.
    pub(crate) fn forget(&self, number: u64) {
        self.lock().forget(number);
    }

    /// Expects it no longer, because the call was taken back.
    pub(crate) fn end(&self, number: u64) {
        self.lock().end(number);
    }

    /// Waits for an answer.
    pub(super) fn wait(&self, number: u64, limit: Limit) -> Result<Waited, CallError> {
        self.wait_for(|pending| pending.look(number), limit)
    }

    /// Waits until one of several calls is answered, and returns which; `None` when none is in time. The answer stays where
    /// it is.
    pub(crate) fn wait_any(&self, numbers: &[u64], deadline: Option<Instant>) -> Result<Option<usize>, CallError> {
        let mut found = None;
        let look = |pending: &mut PendingReplies| {
            found = numbers.iter().position(|number| pending.has(*number));
            // Any value ends the wait. The reply stays where it is, for the caller that takes it.
            found.map(|_| Waited::Begun)
        };
        match self.wait_for(look, Limit::of(deadline))? {
            Waited::Closed => Err(CallError::ManagerGone),
            _ => Ok(found),
        }
    }

    /// Registers a callback for the reply to a call. Returns whether a thread is to be started that [listens](ReplyReader::listen).
    pub(super) fn call_back(&self, number: u64, callback: Callback) -> bool {
        self.lock().call_back(number, callback)
    }

    /// Calls callbacks while any is to come. `replace` starts a thread that does the same, and returns whether it could.
    pub(super) fn listen(&self, replace: impl Fn() -> bool) {
        while let Some((ready, is_last)) = self.next_ready() {
            if is_last && !replace() {
                self.lock().callbacks.dismiss();
            }
            // Without a lock: a callback is the user's code, and may call the manager.
            ready.call();
            // `next` does not count this thread while it calls, or has left its count to the thread in its place.
            self.lock().callbacks.enlist();
        }
    }

    /// Waits for a callback that is ready, and returns whether no other thread listens. `None` when none is to come.
    fn next_ready(&self) -> Option<(ReadyCallback, bool)> {
        loop {
            let mut next = Next::Wait;
            let look = |pending: &mut PendingReplies| {
                next = pending.callbacks.next();
                (!matches!(next, Next::Wait)).then_some(Waited::Begun)
            };
            // A lost connection makes all callbacks ready, so the error needs no handling of its own.
            let _lost_which_makes_all_ready = self.wait_for(look, Limit::Never);
            match next {
                Next::Call { ready, is_last } => return Some((ready, is_last)),
                Next::Leave => return None,
                Next::Wait => {}
            }
        }
    }

    /// Returns whether a call is answered, or never will be.
    pub(crate) fn has(&self, number: u64) -> bool {
        let _news = self.drain();
        let pending = self.lock();
        pending.is_closed || pending.has(number)
    }

    /// Waits until a call is answered, or never will be. Returns whether it was in time. The answer stays where it is.
    pub(crate) fn has_by(&self, number: u64, deadline: Option<Instant>) -> bool {
        let look = |pending: &mut PendingReplies| pending.has(number).then_some(Waited::Begun);
        !matches!(self.wait_for(look, Limit::of(deadline)), Ok(Waited::TimeIsUp))
    }

    /// Waits until `look` finds something, no more replies will come, or the time is over. Whenever no other thread reads, this
    /// one does.
    fn wait_for(
        &self,
        mut look: impl FnMut(&mut PendingReplies) -> Option<Waited>,
        mut limit: Limit,
    ) -> Result<Waited, CallError> {
        let mut pending = self.lock();
        loop {
            // Before the end of the connection: a reply that came before the end still counts.
            if let Some(waited) = look(&mut pending) {
                return Ok(waited);
            }
            if pending.is_closed {
                return Ok(Waited::Closed);
            }
            if !pending.is_read {
                let is_late;
                (pending, is_late) = self.read(pending, limit)?;
                if is_late {
                    return Ok(look(&mut pending).unwrap_or(Waited::TimeIsUp));
                }
                // What has come was another call's: from now on the clock counts.
                limit.deadline();
            } else if limit.deadline().is_some_and(is_over) {
                return Ok(Waited::TimeIsUp);
            } else {
                pending = self.sleep(pending, limit.deadline());
            }
        }
    }

    /// Reads for all. Returns whether nothing has come in time.
    fn read<'a>(
        &'a self,
        mut pending: MutexGuard<'a, PendingReplies>,
        limit: Limit,
    ) -> Result<(MutexGuard<'a, PendingReplies>, bool), CallError> {
        // Other threads sleep while this one reads: two readers could deliver replies out of order.
        pending.is_read = true;
        drop(pending);
        let mut transport = self.transport();
        // Without the lock of the replies: meanwhile other threads expect replies of their own, and send.
        let is_there = transport.wait(limit.left());
        let is_late = matches!(is_there, Ok(false));
        pending = self.lock();
        pending.is_read = false;
        // Sorting happens with both locks held, so a thread that finds nothing and sleeps afterwards is woken.
        let sorted = is_there.and_then(|is_there| if is_there { transport.sort_into(&mut pending) } else { Ok(()) });
        drop(transport);
        if sorted.is_err() {
            pending.close();
        }
        // Also when nothing has come: this thread may leave, and then one of the sleepers has to read on.
        self.notify_sleepers(&pending);
        sorted.map(|()| (pending, is_late))
    }

    /// Takes in what has arrived, without waiting, unless another thread reads anyway.
    pub(crate) fn drain(&self) -> Result<(), CallError> {
        let mut pending = self.lock();
        if pending.is_read || pending.is_closed {
            return Ok(());
        }
        // The locks are taken in the other order than in `read`. That cannot block: as `is_read` is false, no thread has the
        // transport, or is about to take it.
        let sorted = self.transport().sort_into(&mut pending);
        if sorted.is_err() {
            pending.close();
        }
        self.notify_sleepers(&pending);
        sorted
    }

    /// Waits until `other` is ready, or it is time to look here again.
    pub(crate) fn poll_with(&self, other: Pollable<'_>, timeout: Duration) -> Result<(), CallError> {
        let soon = Instant::now().checked_add(timeout);
        poll(&[other], soon).map(drop).map_err(|error| CallError::from_io(&error))
    }

    /// Returns whether the manager is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits for news from the thread that reads.
    fn sleep<'a>(
        &self,
        mut pending: MutexGuard<'a, PendingReplies>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, PendingReplies> {
        pending.sleepers += 1;
        let mut pending = wait_once(&self.arrived, pending, deadline);
        pending.sleepers -= 1;
        pending
    }

    /// Wakes the threads that do not read: their reply may be there, or one of them has to read.
    fn notify_sleepers(&self, pending: &PendingReplies) {
        // Waking costs a system call, also where no thread sleeps.
        if pending.sleepers > 0 {
            self.arrived.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingReplies> {
        lock(&self.pending)
    }

    fn transport(&self) -> MutexGuard<'_, ReplyTransport> {
        lock(&self.transport)
    }
}
