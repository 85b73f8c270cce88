//! [`Mail`]: the answers that have come over a connection, and who wants them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use procession_core::Control;
use procession_core::codec::{self, Message};

use super::callbacks::{Callback, Callbacks};
use super::inbox::Waited;
use crate::error::CallError;
use crate::wire::{Answer, Failure, Verdict};

/// What has come, and who wants it.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// The calls for whose answers somebody will look.
    expected: HashMap<u64, Letter>,
    pub(super) callbacks: Callbacks,
    /// Whether a thread reads.
    pub(super) is_read: bool,
    pub(super) is_closed: bool,
    /// How many wait for what that thread will bring.
    pub(super) sleepers: usize,
}

/// An answer, or what is known before there is one.
#[derive(Debug, Default)]
enum Letter {
    #[default]
    Nothing,
    /// The call cannot be cancelled any more.
    Begun,
    Answer(Result<Message, Failure>),
}

impl Mail {
    /// Expects the answer to a call.
    pub(super) fn expect(&mut self, number: u64) {
        self.expected.insert(number, Letter::Nothing);
    }

    /// Expects it no longer.
    pub(super) fn forget(&mut self, number: u64) {
        self.expected.remove(&number);
    }

    /// Has a callback called with the answer to a call. Answers whether a thread is to be started that does so.
    pub(super) fn call_back(&mut self, number: u64, callback: Callback) -> bool {
        let due = match self.look(number) {
            Some(Waited::Answer(answer)) => answer.map_err(CallError::from_failure),
            _ if self.is_closed => Err(CallError::ManagerGone),
            _ => {
                self.expected.remove(&number);
                return self.callbacks.add(number, callback);
            }
        };
        self.callbacks.add_due(callback, due);
        true
    }

    /// What there is for a call, which is expected no longer if it is its answer.
    pub(super) fn look(&mut self, number: u64) -> Option<Waited> {
        match self.expected.get_mut(&number).map(std::mem::take)? {
            Letter::Nothing => None,
            Letter::Begun => Some(Waited::Begun),
            Letter::Answer(answer) => {
                self.expected.remove(&number);
                Some(Waited::Answer(answer))
            }
        }
    }

    /// Whether there is the answer to a call.
    pub(super) fn has(&self, number: u64) -> bool {
        matches!(self.expected.get(&number), Some(Letter::Answer(_)))
    }

    /// Notes that nothing more will come.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.callbacks.close();
    }

    /// Puts a batch of answers where they belong. An empty one says that the next is to be had from the link.
    pub(super) fn put_all(&mut self, bytes: &[u8], ends: &[usize], replies: &mut Control) -> Result<(), CallError> {
        let mut begin = 0;
        for end in ends {
            let answer = bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            if !answer.is_empty() {
                self.put(answer, Vec::new());
            } else if let Some(message) = replies.recv::<Message>(None).map_err(CallError::from_link)? {
                let (answer, descriptors) = message.into_parts();
                self.put(&answer, descriptors);
            }
        }
        Ok(())
    }

    /// Puts an answer where it belongs. One that nobody wants is thrown away.
    pub(super) fn put(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) {
        let Some((end, answer)) = Answer::read(bytes) else { return self.close() };
        let number = answer.number;
        if let Some(letter) = self.expected.get_mut(&number) {
            *letter = Letter::read(answer.verdict, &bytes[..end], descriptors);
        } else if self.callbacks.wants(number)
            && let Letter::Answer(answer) = Letter::read(answer.verdict, &bytes[..end], descriptors)
        {
            self.callbacks.answer(number, answer.map_err(CallError::from_failure));
        }
    }
}

impl Letter {
    fn read(verdict: Verdict, bytes: &[u8], descriptors: Vec<OwnedFd>) -> Letter {
        match verdict {
            Verdict::Returned => Letter::Answer(Ok(Message::new(bytes.to_vec(), descriptors))),
            Verdict::Begun => Letter::Begun,
            Verdict::Failed => Letter::Answer(Err(codec::decode_from(bytes, Vec::new())
                .unwrap_or_else(|error| Failure::Nonsense(format!("the manager's answer is no valid one: {error}"))))),
        }
    }
}
