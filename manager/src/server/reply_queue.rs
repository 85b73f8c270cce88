//! [`ReplyQueue`]: the ways between a client and the server beside the link for requests, and the answers that wait there for room.
//!
//! Answers go out in the order in which they were added. One that cannot be sent, whatever the reason, is replaced by a failure
//! that says so, so that its caller does not wait in vain, and other calls do not notice.

use std::collections::VecDeque;

use procession_channels::{PipeReceiver, PipeSender, TrySendError};
use procession_core::codec::{self, Message};
use procession_core::{Control, LinkError};

use crate::wire::claims::Claims;
use crate::wire::protocol::{Failure, ReplyHeader, ReplyStatus};
use crate::wire::tuning::MAX_UNSENT_LOCAL_BYTES;

/// The ways.
pub(super) struct ReplyQueue {
    /// The link for replies with descriptors.
    pub(super) replies: Control,
    /// The receiving end of the pipe, for calls.
    pub(super) calls: PipeReceiver<()>,
    /// The sending end of the pipe, for replies.
    pub(super) answers: PipeSender<()>,
    /// The words of the calls that can be taken back.
    pub(super) claims: Claims,
    /// Replies for which there was no room.
    unsent: VecDeque<Unsent>,
    unsent_bytes: usize,
    /// Whether room is waited for.
    pub(super) is_waiting: bool,
    /// Whether there is room, and the client is in the way.
    pub(super) is_stalled: bool,
    /// Whether the unsent replies are so large that the client is not read from.
    pub(super) is_full: bool,
    /// Whether an answer was lost, so that its caller would wait in vain.
    pub(super) is_lost: bool,
}

/// An answer that is not out yet.
struct Unsent {
    answer: ReplyHeader,
    /// The bytes for the pipe; empty where the reply goes over the link.
    bytes: Vec<u8>,
    control: ControlPart,
}

/// The part of a reply that goes over the link.
enum ControlPart {
    Nothing,
    /// All of it. What descriptors travel with goes over the link, and an empty frame in the pipe says when.
    Message(Message),
    /// The link has it, and it need not be out yet.
    Posted,
}

impl ReplyQueue {
    pub(super) fn new(
        replies: Control,
        calls: PipeReceiver<()>,
        answers: PipeSender<()>,
        claims: Claims,
    ) -> ReplyQueue {
        ReplyQueue {
            replies,
            calls,
            answers,
            claims,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            is_waiting: false,
            is_stalled: false,
            is_full: false,
            is_lost: false,
        }
    }

    /// Returns whether the unsent replies are so large that the client should not be read from.
    pub(super) fn has_plenty(&self) -> bool {
        self.unsent_bytes > MAX_UNSENT_LOCAL_BYTES
    }

    /// Adds an answer, and sends it if nothing is before it.
    pub(super) fn add(&mut self, answer: ReplyHeader, result: Message) {
        let (payload, descriptors) = result.into_parts();
        let mut bytes = payload.into_vec();
        answer.append_to(&mut bytes);
        if descriptors.is_empty() {
            // The usual case: room in the pipe, and no copy.
            if self.unsent.is_empty() && self.answers.try_send_bytes(&bytes).is_ok() {
                return;
            }
            return self.queue(Unsent { answer, bytes, control: ControlPart::Nothing });
        }
        let message = Message::new(bytes, descriptors);
        self.queue(Unsent { answer, bytes: Vec::new(), control: ControlPart::Message(message) });
    }

    /// Adds an answer at the end. It is sent by [`flush`](ReplyQueue::flush).
    fn queue(&mut self, unsent: Unsent) {
        self.unsent_bytes += unsent.bytes.len();
        self.unsent.push_back(unsent);
    }

    /// Sends what there is room for. Returns whether that is all; if not, the descriptors tell when there is more room, or it is
    /// held up.
    pub(super) fn flush(&mut self) -> bool {
        // Each attempt finds out anew whether the client is in the way.
        self.is_stalled = false;
        while let Some(mut first) = self.unsent.pop_front() {
            self.unsent_bytes -= first.bytes.len();
            match self.send(&mut first) {
                Ok(true) => {}
                Ok(false) => {
                    self.unsent_bytes += first.bytes.len();
                    self.unsent.push_front(first);
                    return false;
                }
                // Not even a failure can be sent. Its caller would wait for ever, so the connection is given up.
                Err(_) if first.is_failure() => self.is_lost = true,
                // The failure takes the place of the result, so the order of the replies stays.
                Err(text) => {
                    let failure = Unsent::failure(first.answer, text);
                    self.unsent_bytes += failure.bytes.len();
                    self.unsent.push_front(failure);
                }
            }
        }
        true
    }

    /// Sends one answer. Returns whether it is out. An error is for ever.
    fn send(&mut self, unsent: &mut Unsent) -> Result<bool, String> {
        // The link before the pipe: the client reads the link as soon as it has the empty frame.
        if !matches!(unsent.control, ControlPart::Nothing) {
            match self.send_over_link(unsent) {
                // The end of its requests shows that a client is gone.
                Err(LinkError::Disconnected) => return Ok(true),
                Err(error) => return Err(error.to_string()),
                Ok(false) => return Ok(false),
                Ok(true) => {}
            }
        }
        self.send_through_pipe(&unsent.bytes)
    }

    /// Only one message is in the link at a time: so it is known which one it is that cannot be sent.
    fn send_over_link(&mut self, unsent: &mut Unsent) -> Result<bool, LinkError> {
        if let ControlPart::Message(message) = &unsent.control {
            let posted = self.replies.post(message);
            // Before the error is looked at: what is in the link must not be posted twice.
            unsent.control = ControlPart::Posted;
            posted?;
        }
        self.replies.flush()
    }

    /// Sends through the pipe, or arms it to report room. Returns whether the bytes are out; to a client that is gone they count
    /// as out.
    fn send_through_pipe(&mut self, bytes: &[u8]) -> Result<bool, String> {
        // Room may come between the attempt and the arming, and then no event would announce it.
        for _ in 0..2 {
            match self.answers.try_send_bytes(bytes) {
                Ok(()) | Err(TrySendError::Disconnected(())) => return Ok(true),
                Err(TrySendError::Full(())) if !self.answers.arm_for_space() => return Ok(false),
                // There is room by now, or there was all the time.
                Err(TrySendError::Full(())) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        self.is_stalled = true;
        Ok(false)
    }
}

impl Unsent {
    /// Makes the answer that a result could not be sent, and why.
    fn failure(answer: ReplyHeader, text: String) -> Unsent {
        let failure = codec::encode(&Failure::BadResult(text)).unwrap_or_default();
        let answer = ReplyHeader { status: ReplyStatus::Failed, ..answer };
        let mut bytes = failure.into_parts().0.into_vec();
        answer.append_to(&mut bytes);
        Unsent { answer, bytes, control: ControlPart::Nothing }
    }

    fn is_failure(&self) -> bool {
        self.answer.status == ReplyStatus::Failed
    }
}
