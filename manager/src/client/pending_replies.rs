//! [`PendingReplies`]: the replies that have arrived over a connection, and the calls that await them.

use procession_core::codec::{self, Handles, Message};

use super::callbacks::{Callback, Callbacks};
use crate::wire::claims::ClaimSlot;
use crate::wire::error::CallError;
use crate::wire::ids::IdMap;
use crate::wire::protocol::{Failure, ReplyHeader, ReplyStatus};

/// The replies that have arrived, and those that are awaited.
#[derive(Debug, Default)]
pub(super) struct PendingReplies {
    /// The calls whose replies a thread will take.
    expected: IdMap<u64, (ReplySlot, ClaimSlot)>,
    /// The places for words of calls that are free.
    free: Vec<ClaimSlot>,
    /// The slots of calls whose replies no thread will take, and which may still arrive.
    lingering: IdMap<u64, ClaimSlot>,
    /// The callbacks that replies are for.
    pub(super) callbacks: Callbacks,
    /// Whether a thread reads.
    pub(super) is_read: bool,
    /// Whether no more replies will come. Those that have arrived can still be taken.
    pub(super) is_closed: bool,
    /// The number of threads that wait for the replies that it will bring.
    pub(super) sleepers: usize,
}

/// How waiting for a reply has ended.
#[derive(Debug)]
pub(super) enum Waited {
    Reply(Result<Message, Failure>),
    /// The call that was to be cancelled has begun.
    Begun,
    TimeIsUp,
    Closed,
}

/// A reply, or the state before there is one.
#[derive(Debug, Default)]
enum ReplySlot {
    #[default]
    Nothing,
    /// The call cannot be cancelled any more.
    Begun,
    Ready(Result<Message, Failure>),
}

impl PendingReplies {
    /// Makes an empty one with claims for calls.
    pub(super) fn new(slots: impl Iterator<Item = ClaimSlot>) -> PendingReplies {
        PendingReplies { free: slots.collect(), ..PendingReplies::default() }
    }

    /// Expects the answer to a call. One that has a limit gets a place for its word, as long as there are any.
    pub(super) fn expect(&mut self, number: u64, is_limited: bool) -> ClaimSlot {
        // Where all words are in use the call gets none, and is taken back by asking the manager.
        let slot = if is_limited { self.free.pop() } else { None }.unwrap_or_default();
        // A reply without an entry is dropped, so the entry is made before the call is sent.
        self.expected.insert(number, (ReplySlot::Nothing, slot));
        slot
    }

    /// Expects it no longer, although the call may be done.
    pub(super) fn forget(&mut self, number: u64) {
        match self.expected.remove(&number) {
            Some((ReplySlot::Ready(_), slot)) => self.give_back(slot),
            // The manager may still look at the word, so the slot is not free before the reply has come.
            Some((_, slot)) if slot != ClaimSlot::default() => drop(self.lingering.insert(number, slot)),
            _ => {}
        }
    }

    /// Expects it no longer, because there will be none.
    pub(super) fn end(&mut self, number: u64) {
        if let Some((_, slot)) = self.expected.remove(&number) {
            self.give_back(slot);
        }
    }

    /// Frees the word of a call, if it had one.
    fn give_back(&mut self, slot: ClaimSlot) {
        if slot != ClaimSlot::default() {
            self.free.push(slot);
        }
    }

    /// Registers a callback for the reply to a call. Returns whether a thread is to be started that does so.
    pub(super) fn call_back(&mut self, number: u64, callback: Callback) -> bool {
        let answer = match self.look(number) {
            Some(Waited::Reply(answer)) => answer.map_err(CallError::from_failure),
            _ if self.is_closed => Err(CallError::ManagerGone),
            _ => {
                // From now on the reply is the callback's. Its word stays in use until the reply has come.
                self.forget(number);
                return self.callbacks.add(number, callback);
            }
        };
        self.callbacks.add_ready(callback, answer);
        true
    }

    /// Takes the state of a call, which is expected no longer if that is its reply.
    pub(super) fn look(&mut self, number: u64) -> Option<Waited> {
        match self.expected.get_mut(&number).map(|(slot, _)| std::mem::take(slot))? {
            ReplySlot::Nothing => None,
            // Reported once: `take` has reset the entry, because the caller goes on waiting for the reply itself.
            ReplySlot::Begun => Some(Waited::Begun),
            ReplySlot::Ready(answer) => {
                self.end(number);
                Some(Waited::Reply(answer))
            }
        }
    }

    /// Returns whether there is the answer to a call.
    pub(super) fn has(&self, number: u64) -> bool {
        matches!(self.expected.get(&number), Some((ReplySlot::Ready(_), _)))
    }

    /// Records that no more replies will come.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.callbacks.close();
    }

    /// Puts a reply where it belongs. A reply that is not expected is dropped.
    pub(super) fn put(&mut self, bytes: &[u8], descriptors: impl Into<Handles>) {
        let descriptors = descriptors.into();
        // A manager that sends what is not a frame cannot be trusted with the rest of the stream.
        let Some((end, answer)) = ReplyHeader::read(bytes) else { return self.close() };
        let number = answer.number;
        if answer.status != ReplyStatus::Begun
            && let Some(slot) = self.lingering.remove(&number)
        {
            self.give_back(slot);
        }
        if let Some((slot, _)) = self.expected.get_mut(&number) {
            // What has been answered had begun before, and nothing that is said of it later takes the answer away.
            if !matches!(slot, ReplySlot::Ready(_)) {
                *slot = ReplySlot::read(answer.status, &bytes[..end], descriptors);
            }
        } else if self.callbacks.wants(number)
            && let ReplySlot::Ready(answer) = ReplySlot::read(answer.status, &bytes[..end], descriptors)
        {
            self.callbacks.answer(number, answer.map_err(CallError::from_failure));
        }
    }
}

impl ReplySlot {
    fn read(status: ReplyStatus, bytes: &[u8], descriptors: Handles) -> ReplySlot {
        match status {
            ReplyStatus::Returned => ReplySlot::Ready(Ok(Message::new(bytes.to_vec(), descriptors))),
            ReplyStatus::Begun => ReplySlot::Begun,
            ReplyStatus::Failed => ReplySlot::Ready(Err(codec::decode_from(bytes, Vec::new())
                .unwrap_or_else(|error| Failure::Nonsense(format!("the manager's answer is no valid one: {error}"))))),
        }
    }
}
