//! The messages between clients and a manager's server.
//!
//! ```text
//! client                                 server
//!   Hello(replies, pipe, claims) ────►     the link, the pipe and the words for everything else
//!   Learn(index, method) ────────────►     once for each method, before its first call
//!   Claim(object, key) ──────────────►     a proxy has arrived in a message; the key dies with it
//!   Ticket(object, listener) ────────────►     a proxy leaves in a message
//!   call ────────────────────────────►
//!        ◄──────────────────────── answer  one for each call, in the order in which they end
//! ```
//!
//! A call and its answer are plain bytes in shared memory, and travel over a pipe: the argument or the result as the codec wrote
//! it, then a trailer of fixed size. What comes last needs no copying when it is added. The rest goes over control links, where
//! methods may be named and descriptors carried, and so do calls and answers with descriptors; an empty frame in the pipe says
//! when it is the turn of what the link has brought, so there is one order for all. Nothing in the pipe is believed: a method is
//! named there by a number, and what it is called on is looked at by the method itself.

use std::sync::atomic::AtomicU64;

use procession_channels::Connection;
use procession_core::codec::Message;
use procession_core::{Control, ControlListener, ControlTicket, Method};
use procession_process::Panic;
use procession_sync::Shared;
use serde::{Deserialize, Serialize};

use crate::wire::claims::ClaimSlot;
use crate::wire::ids::ObjectId;

/// From a client.
#[derive(Serialize, Deserialize)]
pub(crate) enum ControlMessage<M> {
    /// First.
    Hello {
        /// The link for what the server sends with descriptors.
        replies: Control,
        /// The server's end of the pipe, for both directions.
        pipe: Connection<(), ()>,
        /// The words of the client's calls.
        claims: Shared<[AtomicU64]>,
    },
    Learn {
        index: u32,
        method: Method,
    },
    Claim {
        object: ObjectId,
        key: ControlTicket,
    },
    Ticket {
        object: ObjectId,
        listener: ControlListener,
    },
    /// A call with descriptors.
    Frame(M),
    #[cfg(feature = "remote")]
    /// Listen for other programs. Answered as the call of that number, with the address.
    Serve {
        number: u64,
        address: String,
        key: Vec<u8>,
        fingerprint: u64,
        methods: Vec<(u8, Method)>,
    },
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Run a method that may change the subject.
    Exclusive,
    /// Run a method that only reads the subject.
    Shared,
    /// Run a method that may change the subject, as soon as its condition holds.
    Conditional,
    /// Run a method that only reads the object, in the order in which the calls of a client were sent.
    Sequential,
    /// Make the object that all clients share under a name, unless it is there. The method is the one that makes it.
    Open,
    /// Make an object. The subject is the number of the method to call when a client is gone, plus one; 0 for none.
    Make,
    /// Run the steps in the argument, with all their objects held.
    Steps,
    /// Take back the call with the subject's number, if it has not begun.
    Cancel,
    /// Give back a reference to the subject. Not answered.
    Release,
    /// Declare the subject sound.
    ClearPoison,
    /// Count the objects, the references, and the references to the target.
    Count,
    /// End.
    Shutdown,
}

// In the order of the declaration: `append_to` writes the kind as its number there, which is an index here.
const ALL: [RequestKind; 12] = [
    RequestKind::Exclusive,
    RequestKind::Shared,
    RequestKind::Conditional,
    RequestKind::Sequential,
    RequestKind::Open,
    RequestKind::Make,
    RequestKind::Steps,
    RequestKind::Cancel,
    RequestKind::Release,
    RequestKind::ClearPoison,
    RequestKind::Count,
    RequestKind::Shutdown,
];

impl RequestKind {
    /// Returns the kind that is written as this number.
    pub(crate) fn of(number: u8) -> Option<RequestKind> {
        ALL.get(usize::from(number)).copied()
    }

    /// Returns whether the method cannot change the object, so that its panic poisons nothing.
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, RequestKind::Shared | RequestKind::Sequential)
    }
}

/// The end of a call's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    pub(crate) kind: RequestKind,
    /// The number that the client has learned the method by.
    pub(crate) method: u32,
    /// The object, or what else the kind says.
    pub(crate) target: u64,
    /// The client's number for the call.
    pub(crate) number: u64,
    /// The call's word, by which it can be taken back.
    pub(crate) slot: ClaimSlot,
}

impl RequestHeader {
    // Target 8, number 8, method 4, slot 2, kind 1.
    const SIZE: usize = 23;

    /// Adds itself to an argument.
    pub(crate) fn append_to(self, frame: &mut Vec<u8>) {
        frame.extend_from_slice(&self.target.to_le_bytes());
        frame.extend_from_slice(&self.number.to_le_bytes());
        frame.extend_from_slice(&self.method.to_le_bytes());
        frame.extend_from_slice(&self.slot.0.to_le_bytes());
        frame.push(self.kind as u8);
    }

    /// Takes a frame apart: where the argument ends, and what is asked for. `None` if it is no frame.
    pub(crate) fn read(frame: &[u8]) -> Option<(usize, RequestHeader)> {
        let end = frame.len().checked_sub(RequestHeader::SIZE)?;
        let (target, rest) = frame[end..].split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (method, rest) = rest.split_first_chunk::<4>()?;
        let (slot, rest) = rest.split_first_chunk::<2>()?;
        // An unknown kind makes it no frame, and its client is cut off.
        let kind = RequestKind::of(*rest.first()?)?;
        let [target, number] = [target, number].map(|bytes| u64::from_le_bytes(*bytes));
        let (method, slot) = (u32::from_le_bytes(*method), ClaimSlot(u16::from_le_bytes(*slot)));
        Some((end, RequestHeader { kind, method, target, number, slot }))
    }
}

/// A step of a [`RequestKind::Steps`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// One object, or two for a method on both.
    pub(crate) objects: (ObjectId, Option<ObjectId>),
    pub(crate) method: u32,
    pub(crate) argument: Message,
}

/// The end of an answer's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyHeader {
    /// The client's number for the call.
    pub(crate) number: u64,
    /// What the bytes before the header are.
    pub(crate) status: ReplyStatus,
}

/// The meaning of the payload of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyStatus {
    /// The result.
    Returned,
    /// A [`Failure`].
    Failed,
    /// Nothing: the call that was to be cancelled has begun, and its answer comes when it ends.
    Begun,
}

impl ReplyHeader {
    // Number 8, status 1.
    const SIZE: usize = 9;

    /// Adds itself to a result.
    pub(crate) fn append_to(self, frame: &mut Vec<u8>) {
        frame.extend_from_slice(&self.number.to_le_bytes());
        frame.push(self.status as u8);
    }

    /// Takes a frame apart. `None` if it is no frame.
    pub(crate) fn read(frame: &[u8]) -> Option<(usize, ReplyHeader)> {
        let end = frame.len().checked_sub(ReplyHeader::SIZE)?;
        let (number, rest) = frame[end..].split_first_chunk::<8>()?;
        // The numbers are those of the declaration of `ReplyStatus`, as `append_to` writes them.
        let status = match rest.first()? {
            0 => ReplyStatus::Returned,
            1 => ReplyStatus::Failed,
            2 => ReplyStatus::Begun,
            _ => return None,
        };
        Some((end, ReplyHeader { number: u64::from_le_bytes(*number), status }))
    }
}

/// Why a call brought no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Panicked(Panic),
    /// An earlier call has panicked, as the text says, and may have left the object half changed.
    Poisoned(String),
    /// There is no such object.
    Gone,
    /// The object is not of the type that the method works on.
    WrongType(String),
    /// The argument could not be read.
    BadArgument(String),
    /// The method has run, and its result could not be sent.
    BadResult(String),
    /// It was cancelled before it had begun.
    Cancelled,
    /// A method called, in the server, an object that it was itself working on.
    Itself,
    /// The client has asked for something that there is not.
    Nonsense(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written(
            argument in prop::collection::vec(any::<u8>(), 0..50),
            (kind, method, target, number) in (0..ALL.len(), any::<u32>(), any::<u64>(), any::<u64>()),
            slot in any::<u16>(),
        ) {
            let header = RequestHeader { kind: ALL[kind], method, target, number, slot: ClaimSlot(slot) };
            prop_assert_eq!(header.kind as usize, kind);
            let mut frame = argument.clone();
            header.append_to(&mut frame);
            prop_assert_eq!(RequestHeader::read(&frame), Some((argument.len(), header)));
            let answer = ReplyHeader { number, status: ReplyStatus::Failed };
            let mut frame = argument.clone();
            answer.append_to(&mut frame);
            prop_assert_eq!(ReplyHeader::read(&frame), Some((argument.len(), answer)));
        }

        #[test]
        fn garbage_is_no_frame_or_some_frame_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some((end, _)) = RequestHeader::read(&bytes) {
                prop_assert_eq!(end + RequestHeader::SIZE, bytes.len());
            }
            if let Some((end, _)) = ReplyHeader::read(&bytes) {
                prop_assert_eq!(end + ReplyHeader::SIZE, bytes.len());
            }
        }
    }
}
