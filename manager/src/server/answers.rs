//! What the server says: to clients near and far, and to methods that run in it.

use std::sync::Arc;

use procession_core::codec::{self, Message};

use super::cell::{Cell, Outcome};
use super::job::{Job, Origin, Work};
use super::state::State;
use crate::ids::{CallId, ClientId};
use crate::table::Holder;
use crate::wire::{Answer, Failure, Verdict};

impl State {
    /// Sends an answer to whom it is due.
    pub(crate) fn answer(&mut self, origin: Origin, outcome: Outcome) {
        match origin {
            Origin::Client(call) => self.reply(call, outcome),
            Origin::Resident(slot) => slot.fill(outcome),
            Origin::Departure(_) => {}
        }
    }

    /// Keeps a new value, and answers its number as the result.
    pub(super) fn keep(&mut self, job: &Job, cell: Arc<Cell>) -> Outcome {
        let holder = Holder::Client(job.origin.caller());
        if self.is_deserted(&job.origin) {
            self.garbage.push(cell);
            return Outcome::Failed(Failure::Cancelled);
        }
        let is_attentive = cell.departure.is_some();
        let object = match &job.work {
            Work::Make { shared: Some(shared), .. } => {
                let object = self.table.insert(cell, Holder::Client(ClientId::SERVER), is_attentive);
                // Somebody else may have made it meanwhile.
                let first = *self.shared.entry(*shared).or_insert(object);
                if first != object {
                    let released = self.table.release(object, Holder::Client(ClientId::SERVER));
                    self.settle(released);
                }
                self.table.hold(first, holder);
                first
            }
            _ => self.table.insert(cell, holder, is_attentive),
        };
        codec::encode(&object)
            .map_or_else(|error| Outcome::Failed(Failure::BadResult(error.to_string())), Outcome::Returned)
    }

    /// Takes in one thing from a client of another program. Answers whether there may be more.
    pub(super) fn hear_distant(&mut self, token: u64) -> bool {
        let Some(distant) = self.distant.get_mut(&token) else { return false };
        let heard = if distant.drain(&self.epoll, token) { distant.hear().ok() } else { None };
        self.is_lively |= matches!(heard, Some(Some(_)));
        match heard {
            Some(Some(frame)) => match distant.greet(&frame) {
                Some(greeted) => {
                    let outcome = greeted.map_or_else(Outcome::Failed, |()| Outcome::Returned(Message::default()));
                    self.say(ClientId(token), 0, outcome);
                    true
                }
                None if self.obey_distant(ClientId(token), frame) => true,
                None => {
                    self.depart(token);
                    false
                }
            },
            Some(None) => false,
            None => {
                self.depart(token);
                false
            }
        }
    }

    pub(super) fn reply(&mut self, call: CallId, outcome: Outcome) {
        // Number 0 is for calls whose answers nobody wants.
        if call.number != 0 {
            self.say(call.client, call.number, outcome);
        }
    }

    fn say(&mut self, client: ClientId, number: u64, outcome: Outcome) {
        let (verdict, result) = match outcome {
            Outcome::Returned(result) => (Verdict::Returned, result),
            Outcome::Failed(failure) => (Verdict::Failed, codec::encode(&failure).unwrap_or_default()),
            Outcome::NotYet => return,
        };
        self.send(client, Answer { number, verdict }, result);
    }

    fn send(&mut self, client: ClientId, answer: Answer, result: Message) {
        let is_worth_it = if let Some(near) = self.clients.get_mut(&client.0) {
            let is_worth_it = near.reply(answer, result, &self.epoll);
            if near.is_held_up() {
                self.look_again(client.0);
            }
            is_worth_it
        } else if let Some(distant) = self.distant.get_mut(&client.0) {
            distant.reply(answer, result, &self.epoll, client.0)
        } else {
            true
        };
        if !is_worth_it {
            // It is heard to the end when its turn comes, and ended then.
            self.busy.push_back(client.0);
        }
    }

    /// Tells a client that the call which it wants to cancel has begun.
    pub(crate) fn reply_begun(&mut self, call: CallId) {
        let answer = Answer { number: call.number, verdict: Verdict::Begun };
        self.send(call.client, answer, Message::default());
    }
}
