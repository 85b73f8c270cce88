//! [`ReplyTransport`]: the way on which answers come, from a manager of this program or of another one.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use procession_channels::{PipeReceiver, RecvError, TryRecvError};
use procession_core::codec::Message;
use procession_core::os::backoff::{AdaptiveSpin, Backoff};
use procession_core::os::poll::{Pollable, deadline_after, poll};
use procession_core::{Control, TryRecv};

use super::pending_replies::PendingReplies;
use crate::wire::error::CallError;
use crate::wire::frame_reader::FrameReader;
use crate::wire::tuning::{REPLY_BATCH, SPIN_TIME};
#[cfg(feature = "remote")]
use crate::wire::tuning::{SPIN_MAX_MISSES, SPIN_RETRY_EVERY};

/// The way that answers come.
#[derive(Debug)]
pub(super) enum ReplyTransport {
    /// From a manager of this program.
    Local(Box<LocalReplies>),
    /// From a manager of another one; with how often staying awake was in misses lately.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "nothing connects to other programs"))]
    Remote(Box<FrameReader>, AdaptiveSpin),
}

#[derive(Debug)]
pub(super) struct LocalReplies {
    answers: PipeReceiver<()>,
    replies: Control,
    batch: Batch,
}

/// Replies that were taken over from the pipe, in their order.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The end of each.
    ends: Vec<usize>,
    /// The number of them that have been put where they belong, and the beginning of the next.
    done: usize,
    begin: usize,
}

impl ReplyTransport {
    /// From a manager of this program.
    pub(super) fn local(replies: Control, answers: PipeReceiver<()>) -> ReplyTransport {
        ReplyTransport::Local(Box::new(LocalReplies { answers, replies, batch: Batch::default() }))
    }

    /// From a manager of another one.
    #[cfg(feature = "remote")]
    pub(super) fn remote(frames: FrameReader) -> ReplyTransport {
        ReplyTransport::Remote(Box::new(frames), AdaptiveSpin::new(SPIN_MAX_MISSES, SPIN_RETRY_EVERY))
    }

    /// Waits until there is an answer, or there will never be one. Returns whether it was in time.
    pub(super) fn wait(&mut self, left: Duration) -> Result<bool, CallError> {
        match self {
            ReplyTransport::Local(local) => local.wait(left),
            ReplyTransport::Remote(frames, spin) => match wait_remote(frames, spin, left) {
                // The end is something to be taken in, too.
                Err(error) if is_end(&error) => Ok(true),
                waited => waited.map_err(|error| CallError::from_io(&error)),
            },
        }
    }

    /// Takes in what has arrived.
    pub(super) fn sort_into(&mut self, pending: &mut PendingReplies) -> Result<(), CallError> {
        match self {
            ReplyTransport::Local(local) => local.sort_into(pending),
            ReplyTransport::Remote(frames, _) => loop {
                match frames.next() {
                    Ok(Some(bytes)) => pending.put(&bytes, Vec::new()),
                    Ok(None) => return Ok(()),
                    Err(error) if is_end(&error) => {
                        pending.close();
                        return Ok(());
                    }
                    Err(error) => return Err(CallError::from_io(&error)),
                }
            },
        }
    }
}

/// Waits for a socket: awake for a moment, as long as that has paid lately, then asleep.
fn wait_remote(frames: &mut FrameReader, spin: &AdaptiveSpin, left: Duration) -> io::Result<bool> {
    if spin.should_spin() {
        // A look is a system call, so the clock is read, and the core yielded, after each.
        let mut backoff = Backoff::new(SPIN_TIME.min(left), 1);
        loop {
            if frames.pull()? {
                spin.record(true);
                return Ok(true);
            }
            if backoff.pause().is_some_and(|now| backoff.is_over(now)) {
                break;
            }
        }
    }
    spin.record(false);
    Ok(poll(&[Pollable::readable(frames.as_fd())], deadline_after(left))?[0])
}

/// Returns whether an error means that the manager is gone, and not that this side has failed.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

impl LocalReplies {
    /// Waits for the pipe, or for the link while a reply that the pipe has announced is not there.
    fn wait(&self, left: Duration) -> Result<bool, CallError> {
        if !self.batch.is_done() {
            // The next answer is one that comes over the link, and is not there yet.
            let ready = poll(&[self.replies.pollable()], deadline_after(left));
            return ready.map(|ready| ready[0]).map_err(|error| CallError::from_io(&error));
        }
        match self.answers.poll(left) {
            Ok(is_there) => Ok(is_there),
            // The end is something to be taken in: `sort_into` finds it, and closes.
            Err(RecvError::Disconnected) => Ok(true),
            Err(error) => Err(CallError::Connection(error.to_string())),
        }
    }

    /// Takes in what there is, and waits for nothing: the caller holds locks that other threads want.
    fn sort_into(&mut self, pending: &mut PendingReplies) -> Result<(), CallError> {
        let LocalReplies { answers, replies, batch } = self;
        loop {
            // The rest of the last batch first: its next reply had been announced, and was not on the link yet.
            if !batch.put_into(pending, replies)? {
                return Ok(());
            }
            match answers.try_recv_many_bytes(REPLY_BATCH, &mut batch.bytes, &mut batch.ends) {
                Ok(_) => {}
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    pending.close();
                    return Ok(());
                }
                Err(error) => return Err(CallError::Connection(error.to_string())),
            }
            if !batch.put_into(pending, replies)? || answers.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Batch {
    /// Returns whether all replies of the batch are where they belong.
    fn is_done(&self) -> bool {
        self.done == self.ends.len()
    }

    /// Puts the answers where they belong. An empty one says that the next is to be had from the link. Returns whether all are
    /// put; if not, the link is what to wait for.
    fn put_into(&mut self, pending: &mut PendingReplies, replies: &mut Control) -> Result<bool, CallError> {
        while let Some(end) = self.ends.get(self.done) {
            let answer = self.bytes.get(self.begin..*end).unwrap_or_default();
            if !answer.is_empty() {
                pending.put(answer, Vec::new());
            } else {
                match replies.try_recv::<Message>().map_err(CallError::from_link)? {
                    TryRecv::Value(message) => {
                        let (answer, descriptors) = message.into_parts();
                        pending.put(&answer, descriptors);
                    }
                    TryRecv::Empty => return Ok(false),
                    TryRecv::End => pending.close(),
                }
            }
            // After the reply was put: one that the link does not have yet is looked for again from the same place.
            self.begin = *end;
            self.done += 1;
        }
        self.bytes.clear();
        self.ends.clear();
        (self.done, self.begin) = (0, 0);
        Ok(true)
    }
}
