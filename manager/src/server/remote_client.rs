//! [`RemoteClient`]: a client in another program, connected over a socket.
//!
//! It names methods by their numbers in a registry that both programs know, carries no descriptors, and may use only the
//! objects that it has obtained.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use procession_channels::{Listener, SocketConnection};
use procession_core::Method;
use procession_core::codec::{self, Message};
use procession_core::os::epoll::Epoll;
use procession_core::os::poll::Pollable;

use super::job::Shared;
use crate::wire::frame_reader::{self, FrameReader};
use crate::wire::ids::{IdMap, ObjectId};
use crate::wire::protocol::{Failure, ReplyHeader, ReplyStatus, RequestKind};
use crate::wire::tuning::MAX_UNSENT_REMOTE_BYTES;

/// The methods that a manager offers to other programs.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The fingerprint of the registry, which a client must name first.
    pub(crate) fingerprint: u64,
    /// The methods by their numbers, each with the only kind of call that it permits.
    pub(crate) methods: Vec<(RequestKind, Method)>,
}

/// The clients of other programs, and what is made for them.
#[derive(Default)]
pub(super) struct RemoteClients {
    pub(super) clients: IdMap<u64, RemoteClient>,
    /// The objects that all remote clients share.
    pub(super) shared: HashMap<Shared, ObjectId>,
    /// Listeners that have no thread yet.
    pub(super) listeners: Vec<(Listener, Arc<Schema>)>,
}

/// A client that is connected over a socket.
pub(crate) struct RemoteClient {
    /// The socket, and what has arrived on it.
    frames: FrameReader,
    pub(crate) schema: Arc<Schema>,
    is_known: bool,
    /// Whether it is given up.
    is_lost: bool,
    /// Bytes of replies for which the socket had no room; the first may be in the middle of a frame.
    unsent: VecDeque<u8>,
}

impl RemoteClient {
    pub(crate) fn new(socket: SocketConnection, schema: Arc<Schema>) -> io::Result<RemoteClient> {
        let frames = FrameReader::new(socket.into())?;
        Ok(RemoteClient { frames, schema, is_known: false, is_lost: false, unsent: VecDeque::new() })
    }

    /// Returns what the leader waits for: frames, and room while there are unsent bytes.
    pub(crate) fn pollable(&self) -> Pollable<'_> {
        // A socket with room is always writable, and would keep the leader awake while there is nothing to send.
        Pollable::readable(self.frames.as_fd()).writable_too(!self.unsent.is_empty())
    }

    /// Returns the next frame. `None` for now; an error for ever.
    pub(crate) fn recv(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.frames.next()
    }

    /// Takes the first frame for a greeting, and returns whether it was one.
    pub(crate) fn greet(&mut self, frame: &[u8]) -> Option<Result<(), Failure>> {
        if self.is_known {
            return None;
        }
        // The fingerprint is the whole greeting: the key was checked by the listener before.
        let theirs = <[u8; 8]>::try_from(frame).map(u64::from_le_bytes);
        // A client of another registry may greet again. Until it is known, no frame of it is taken for a call.
        self.is_known = theirs.is_ok_and(|theirs| theirs == self.schema.fingerprint);
        Some(if self.is_known { Ok(()) } else { Err(Failure::Nonsense("another registry".to_owned())) })
    }

    /// Returns the method of a number, if it is to be called in this way.
    pub(crate) fn method(&self, index: u32, kind: RequestKind) -> Option<Method> {
        let (registered, method) = self.schema.methods.get(usize::try_from(index).ok()?)?;
        // `Open` names a constructor, which the registry has as a `Make`.
        let fits = *registered == kind || matches!((registered, kind), (RequestKind::Make, RequestKind::Open));
        fits.then_some(*method)
    }

    /// Sends an answer. Returns whether the client is still worth listening to; what it says is not heard any more if not.
    pub(crate) fn reply(&mut self, answer: ReplyHeader, result: Message, epoll: &Epoll, token: u64) -> bool {
        self.is_lost |= !self.send(answer, result, epoll, token);
        !self.is_lost
    }

    /// Sends an answer, or keeps it for later. Returns `false` if the connection is lost, or too much is kept.
    fn send(&mut self, answer: ReplyHeader, result: Message, epoll: &Epoll, token: u64) -> bool {
        let frame = frame_of(answer, result);
        // Replies must not overtake the rest of the frame before them.
        if !self.unsent.is_empty() {
            // A client that takes nothing of so large a backlog will hardly take more.
            let is_patient = self.unsent.len() <= MAX_UNSENT_REMOTE_BYTES;
            if is_patient {
                self.unsent.extend(frame);
            }
            return is_patient;
        }
        let Ok(sent) = self.write(&frame) else { return false };
        if sent < frame.len() {
            self.unsent.extend(&frame[sent..]);
            // From now on its room is waited for as well, until `drain` has sent all.
            let _closed = epoll.change(self.pollable(), token);
        }
        true
    }

    /// Sends on what there was no room for. Returns whether the client is still there.
    pub(crate) fn drain(&mut self, epoll: &Epoll, token: u64) -> bool {
        if self.unsent.is_empty() || self.is_lost {
            return !self.is_lost;
        }
        loop {
            // The buffer is a ring of two pieces at most, so the loop ends after two writes.
            let piece = self.unsent.as_slices().0;
            let length = piece.len();
            let Ok(sent) = self.write(piece) else { return false };
            self.unsent.drain(..sent);
            if self.unsent.is_empty() {
                let _closed = epoll.change(self.pollable(), token);
                return true;
            }
            if sent < length {
                return true;
            }
        }
    }

    /// Writes what there is room for, and returns how much that was.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.frames.stream().write(&bytes[sent..]) {
                // Trying again would be a loop without an end.
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

/// An answer as it is sent. A result that cannot be is an error in its place.
fn frame_of(answer: ReplyHeader, result: Message) -> Vec<u8> {
    let (payload, descriptors) = result.into_parts();
    // Only this call fails. The connection stays, because other calls are in flight on it.
    if !descriptors.is_empty() {
        return frame_of_failure(answer, "it holds descriptors or proxies, which do not cross a network".to_owned());
    }
    let mut bytes = payload.into_vec();
    let length = bytes.len();
    answer.append_to(&mut bytes);
    frame_reader::frame(&bytes).unwrap_or_else(|| {
        frame_of_failure(answer, format!("it has {length} bytes, too many for one message to another program"))
    })
}

/// Returns the frame of an error in place of a result.
fn frame_of_failure(answer: ReplyHeader, text: String) -> Vec<u8> {
    let failure = codec::encode(&Failure::BadResult(text)).unwrap_or_default();
    let mut bytes = failure.into_parts().0.into_vec();
    ReplyHeader { status: ReplyStatus::Failed, ..answer }.append_to(&mut bytes);
    frame_reader::frame(&bytes).unwrap_or_default()
}
