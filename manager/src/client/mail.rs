//! [`Mail`]: the answers that have come over a connection, and who wants them.

use std::collections::HashMap;

use procession_core::codec::{self, Handles, Message};

use super::callbacks::{Callback, Callbacks};
use super::inbox::Waited;
use crate::claims::Place;
use crate::error::CallError;
use crate::wire::{Answer, Failure, Verdict};

/// What has come, and who wants it.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// The calls for whose answers somebody will look.
    expected: HashMap<u64, (Letter, Place)>,
    /// The places for words of calls that are free.
    free: Vec<Place>,
    /// Those of calls whose answers nobody will look for, but which may still be to come.
    lingering: HashMap<u64, Place>,
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
    /// With room for the words of calls, where the manager can look at them.
    pub(super) fn new(places: impl Iterator<Item = Place>) -> Mail {
        Mail { free: places.collect(), ..Mail::default() }
    }

    /// Expects the answer to a call. One that has a limit gets a place for its word, as long as there are any.
    pub(super) fn expect(&mut self, number: u64, is_limited: bool) -> Place {
        let place = if is_limited { self.free.pop() } else { None }.unwrap_or_default();
        self.expected.insert(number, (Letter::Nothing, place));
        place
    }

    /// Expects it no longer, although the call may be done.
    pub(super) fn forget(&mut self, number: u64) {
        match self.expected.remove(&number) {
            Some((Letter::Answer(_), place)) => self.give_back(place),
            Some((_, place)) if place != Place::default() => drop(self.lingering.insert(number, place)),
            _ => {}
        }
    }

    /// Expects it no longer, because there will be none.
    pub(super) fn end(&mut self, number: u64) {
        if let Some((_, place)) = self.expected.remove(&number) {
            self.give_back(place);
        }
    }

    fn give_back(&mut self, place: Place) {
        if place != Place::default() {
            self.free.push(place);
        }
    }

    /// Has a callback called with the answer to a call. Answers whether a thread is to be started that does so.
    pub(super) fn call_back(&mut self, number: u64, callback: Callback) -> bool {
        let due = match self.look(number) {
            Some(Waited::Answer(answer)) => answer.map_err(CallError::from_failure),
            _ if self.is_closed => Err(CallError::ManagerGone),
            _ => {
                self.forget(number);
                return self.callbacks.add(number, callback);
            }
        };
        self.callbacks.add_due(callback, due);
        true
    }

    /// What there is for a call, which is expected no longer if it is its answer.
    pub(super) fn look(&mut self, number: u64) -> Option<Waited> {
        match self.expected.get_mut(&number).map(|(letter, _)| std::mem::take(letter))? {
            Letter::Nothing => None,
            Letter::Begun => Some(Waited::Begun),
            Letter::Answer(answer) => {
                self.end(number);
                Some(Waited::Answer(answer))
            }
        }
    }

    /// Whether there is the answer to a call.
    pub(super) fn has(&self, number: u64) -> bool {
        matches!(self.expected.get(&number), Some((Letter::Answer(_), _)))
    }

    /// Notes that nothing more will come.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.callbacks.close();
    }

    /// Puts an answer where it belongs. One that nobody wants is thrown away.
    pub(super) fn put(&mut self, bytes: &[u8], descriptors: impl Into<Handles>) {
        let descriptors = descriptors.into();
        let Some((end, answer)) = Answer::read(bytes) else { return self.close() };
        let number = answer.number;
        if answer.verdict != Verdict::Begun
            && let Some(place) = self.lingering.remove(&number)
        {
            self.give_back(place);
        }
        if let Some((letter, _)) = self.expected.get_mut(&number) {
            // What has been answered had begun before, and nothing that is said of it later takes the answer away.
            if !matches!(letter, Letter::Answer(_)) {
                *letter = Letter::read(answer.verdict, &bytes[..end], descriptors);
            }
        } else if self.callbacks.wants(number)
            && let Letter::Answer(answer) = Letter::read(answer.verdict, &bytes[..end], descriptors)
        {
            self.callbacks.answer(number, answer.map_err(CallError::from_failure));
        }
    }
}

impl Letter {
    fn read(verdict: Verdict, bytes: &[u8], descriptors: Handles) -> Letter {
        match verdict {
            Verdict::Returned => Letter::Answer(Ok(Message::new(bytes.to_vec(), descriptors))),
            Verdict::Begun => Letter::Begun,
            Verdict::Failed => Letter::Answer(Err(codec::decode_from(bytes, Vec::new())
                .unwrap_or_else(|error| Failure::Nonsense(format!("the manager's answer is no valid one: {error}"))))),
        }
    }
}
