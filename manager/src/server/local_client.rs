//! [`LocalClient`]: one connected process, as the server sees it.

use std::collections::VecDeque;
use std::io;

use procession_channels::{Connection, TryRecvError};
use procession_core::Waitable;
use procession_core::codec::Message;
use procession_core::os::epoll::Epoll;
use procession_core::{Control, LinkError, Method, TryRecv};

use super::reply_queue::ReplyQueue;
use crate::wire::claims::{Claim, ClaimSlot, Claims};
use crate::wire::ids::ClientId;
use crate::wire::protocol::{ControlMessage, ReplyHeader};
use crate::wire::tuning::CALL_BATCH;

/// Marks the token of a client when it is its pipe that is ready, and there can be nothing new on its link.
pub(crate) const PIPE: u64 = 1 << 63;

/// A connection.
pub(crate) struct LocalClient {
    pub(crate) id: ClientId,
    /// The link on which the client sends what cannot go through the pipe. Its end is the end of the client.
    requests: Control,
    /// Messages that came over the link before the pipe has announced them.
    early: VecDeque<ControlMessage<Message>>,
    /// Whether there may be something on the link.
    control_ready: bool,
    /// The rest of the connection, once the client has sent it.
    queue: Option<ReplyQueue>,
    /// The methods that it has named, by their numbers.
    methods: Vec<Method>,
    /// Calls that were taken over and not begun: the bytes, and where each ends.
    calls: Vec<u8>,
    ends: VecDeque<usize>,
    begin: usize,
}

/// A message of a client.
pub(crate) enum Received {
    Control(Box<ControlMessage<Message>>),
    Call(Vec<u8>),
    /// Nothing more for now.
    Nothing,
    /// The end of all messages.
    End,
}

impl LocalClient {
    pub(crate) fn new(id: ClientId, requests: Control) -> LocalClient {
        let (early, ends) = (VecDeque::new(), VecDeque::new());
        LocalClient {
            id,
            requests,
            early,
            // The greeting may have come before the link was watched, so the first look goes there.
            control_ready: true,
            queue: None,
            methods: Vec::new(),
            calls: Vec::new(),
            ends,
            begin: 0,
        }
    }

    /// Returns whether there is something in shared memory.
    pub(crate) fn has_calls(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_full && !queue.calls.is_empty())
    }

    /// Records that one of its descriptors is ready.
    pub(crate) fn mark_control_ready(&mut self) {
        self.control_ready = true;
    }

    /// Makes its descriptors ready when it says something. Returns whether it has done so already; `None` where it could not be
    /// done, because the client was stopped in the midst of something: then look again before long.
    pub(crate) fn arm(&self) -> Option<bool> {
        match &self.queue {
            Some(queue) if !queue.is_full => queue.calls.try_arm_for_items(),
            _ => Some(false),
        }
    }

    /// Returns whether replies wait for room that no event will announce, so that they need another look before long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.is_stalled)
    }

    /// Returns its next message. Links and pipe fail alike: the client is gone, or as good as gone.
    pub(crate) fn recv(&mut self, epoll: &Epoll) -> Result<Received, LinkError> {
        // Replies first: room for them may be what this look is about, and a client that takes none is not read for ever.
        if self.queue.as_ref().is_some_and(|queue| queue.is_waiting) {
            self.drain(epoll)?;
        }
        if self.is_lost() {
            return Ok(Received::End);
        }
        if self.queue.as_ref().is_some_and(|queue| queue.is_full) {
            return Ok(Received::Nothing);
        }
        // The pipe decides the order: a message on the link waits for the empty frame that announces it.
        if let Some(frame) = self.next_call()? {
            return if frame.is_empty() { self.next_message() } else { Ok(Received::Call(frame)) };
        }
        // Most looks end here, without a system call for a link that has nothing.
        if !self.control_ready {
            return Ok(Received::Nothing);
        }
        match self.requests.try_recv()? {
            // Before the greeting there is no pipe that could announce anything.
            TryRecv::Value(message) if self.queue.is_none() => Ok(Received::Control(Box::new(message))),
            TryRecv::Value(message) => {
                // The link was faster than the pipe. The message waits until the pipe announces it.
                self.early.push_back(message);
                self.recv(epoll)
            }
            TryRecv::Empty => {
                self.control_ready = false;
                Ok(Received::Nothing)
            }
            // Whatever it has sent before is there by now.
            TryRecv::End if self.has_calls() => self.recv(epoll),
            TryRecv::End => Ok(Received::End),
        }
    }

    /// Takes over the other ways of the connection.
    pub(crate) fn greet(
        &mut self,
        replies: Control,
        pipe: Connection<(), ()>,
        claims: Option<Claims>,
        epoll: &Epoll,
    ) -> io::Result<()> {
        let claims = claims.ok_or_else(|| io::Error::other("the words of its calls are of another size"))?;
        // The client needs it to find out whether this process was stopped.
        claims.store_manager_pid();
        let (answers, calls) = pipe.split();
        // The mark spares the link a look when only the pipe is ready.
        epoll.add(calls.pollable(), self.id.0 | PIPE)?;
        self.queue = Some(ReplyQueue::new(replies, calls, answers, claims));
        Ok(())
    }

    /// Returns the claim of one of its calls.
    pub(crate) fn claim(&self, slot: ClaimSlot, number: u64) -> Option<Claim> {
        self.queue.as_ref().and_then(|queue| Claim::of(&queue.claims, slot, number))
    }

    /// Registers a method. Returns whether its number is the next, because numbers have no gaps.
    pub(crate) fn learn(&mut self, index: u32, method: Method) -> bool {
        let is_next = usize::try_from(index) == Ok(self.methods.len());
        if is_next {
            self.methods.push(method);
        }
        is_next
    }

    /// Returns the method that the client has introduced under a number.
    pub(crate) fn method(&self, index: u32) -> Option<Method> {
        self.methods.get(usize::try_from(index).ok()?).copied()
    }

    /// Sends an answer. A client that is gone is noticed by the end of its requests. Returns whether it is worth listening to: one
    /// that can be sent nothing, not even that there is nothing, is not.
    pub(crate) fn reply(&mut self, answer: ReplyHeader, result: Message, epoll: &Epoll) -> bool {
        let Some(queue) = &mut self.queue else { return true };
        queue.add(answer, result);
        // While replies wait for room, its event flushes them; an attempt for each new reply would be in vain.
        if !queue.is_waiting && !queue.flush() {
            queue.is_waiting = true;
            let _closed = self.watch_room(epoll);
        }
        if self.queue.as_ref().is_some_and(|queue| queue.has_plenty() && !queue.is_full) {
            let _closed = self.stop_listening(epoll);
        }
        !self.is_lost()
    }

    /// Returns whether a reply was lost, so that the client is not worth listening to.
    fn is_lost(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.is_lost)
    }

    /// Waits for nothing of it any more. Its descriptors may live on in a copy of its process.
    pub(crate) fn close(self, epoll: &Epoll) {
        let _known = epoll.remove(self.requests.pollable());
        if let Some(queue) = &self.queue {
            let _known = epoll.remove(queue.calls.pollable());
            let _known = epoll.remove(queue.answers.space_pollable());
            let _known = epoll.remove(queue.replies.pollable());
        }
    }

    /// Returns the next frame of the pipe; `None` if there is none now. An empty one announces a message on the link.
    fn next_call(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        if self.ends.is_empty() && !self.take_calls()? {
            return Ok(None);
        }
        let Some(end) = self.ends.pop_front() else { return Ok(None) };
        let frame = self.calls.get(self.begin..end).unwrap_or_default().to_vec();
        self.begin = end;
        Ok(Some(frame))
    }

    /// Takes calls over from shared memory. Returns whether there were any.
    fn take_calls(&mut self) -> Result<bool, LinkError> {
        let Some(queue) = self.queue.as_ref().filter(|queue| !queue.calls.is_empty()) else { return Ok(false) };
        // All of the last batch has begun by now, so the buffer is free, and keeps its memory.
        self.calls.clear();
        self.begin = 0;
        let mut ends = Vec::from(std::mem::take(&mut self.ends));
        // Many calls cost one lock of the pipe.
        let taken = queue.calls.try_recv_many_bytes(CALL_BATCH, &mut self.calls, &mut ends);
        self.ends = ends.into();
        match taken {
            Ok(count) => Ok(count > 0),
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(LinkError::Disconnected),
            Err(error) => Err(LinkError::Garbled(error.to_string())),
        }
    }

    /// Returns the message on the link that the pipe has announced.
    fn next_message(&mut self) -> Result<Received, LinkError> {
        if let Some(message) = self.early.pop_front() {
            return Ok(Received::Control(Box::new(message)));
        }
        match self.requests.try_recv()? {
            TryRecv::Value(message) => Ok(Received::Control(Box::new(message))),
            // A client empties its link before it announces a message in the pipe, so this one breaks the protocol.
            TryRecv::Empty => Err(LinkError::Garbled("it announced a message that it had not sent".to_owned())),
            TryRecv::End => Ok(Received::End),
        }
    }

    /// Sends on what there was no room for, and listens to the client again when all of it is out.
    fn drain(&mut self, epoll: &Epoll) -> Result<(), LinkError> {
        let Some(queue) = &mut self.queue else { return Ok(()) };
        if !queue.flush() {
            return Ok(());
        }
        queue.is_waiting = false;
        let _known = epoll.remove(queue.answers.space_pollable());
        let _known = epoll.remove(queue.replies.pollable());
        if queue.is_full {
            queue.is_full = false;
            self.control_ready = true;
            epoll.add(self.requests.pollable(), self.id.0).map_err(LinkError::Io)?;
            epoll.add(queue.calls.pollable(), self.id.0 | PIPE).map_err(LinkError::Io)?;
        }
        Ok(())
    }

    /// Has the kernel report room for replies, in the pipe or on the link. `drain` ends that.
    fn watch_room(&self, epoll: &Epoll) -> io::Result<()> {
        let Some(queue) = &self.queue else { return Ok(()) };
        epoll.add(queue.answers.space_pollable(), self.id.0)?;
        epoll.add(queue.replies.pollable(), self.id.0)
    }

    /// Reads no more of a client until it has taken all its replies.
    fn stop_listening(&mut self, epoll: &Epoll) -> io::Result<()> {
        let Some(queue) = &mut self.queue else { return Ok(()) };
        // Replies can pile up only as long as requests are read, so the client that does not take them is not read.
        queue.is_full = true;
        epoll.remove(self.requests.pollable())?;
        epoll.remove(queue.calls.pollable())
    }
}
