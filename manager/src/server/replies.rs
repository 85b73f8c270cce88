//! What the server says: to clients near and far, and to methods that run in it.

use std::sync::Arc;

use procession_core::codec::{self, Message};

use super::job::{Job, Origin, Work};
use super::object_cell::{ObjectCell, Outcome};
use super::state::State;
use crate::table::Holder;
use crate::wire::ids::{CallId, ClientId};
use crate::wire::protocol::{Failure, ReplyHeader, ReplyStatus};

impl State {
    /// Sends an answer to whom it is due.
    pub(crate) fn answer(&mut self, origin: Origin, outcome: Outcome) {
        match origin {
            Origin::Client(call) => self.reply(call, outcome),
            Origin::InProcess(slot) => slot.fill(outcome),
            Origin::ExitHook(_) => {}
        }
    }

    /// Keeps a new value, and answers its number as the result.
    pub(super) fn keep(&mut self, job: &Job, cell: Arc<ObjectCell>) -> Outcome {
        let holder = Holder::Client(job.origin.caller());
        if self.is_deserted(&job.origin) {
            self.deferred_drops.push(cell);
            return Outcome::Failed(Failure::Cancelled);
        }
        let has_exit_hook = cell.exit_hook.is_some();
        let object = match &job.work {
            Work::Make { shared: Some(shared), .. } => {
                let object = self.table.insert(cell, Holder::Client(ClientId::SERVER), has_exit_hook);
                // Somebody else may have made it meanwhile.
                let first = *self.shared.entry(*shared).or_insert(object);
                if first != object {
                    let released = self.table.release(object, Holder::Client(ClientId::SERVER));
                    self.finish_release(released);
                }
                self.table.hold(first, holder);
                first
            }
            _ => self.table.insert(cell, holder, has_exit_hook),
        };
        codec::encode(&object)
            .map_or_else(|error| Outcome::Failed(Failure::BadResult(error.to_string())), Outcome::Returned)
    }

    /// Takes in one thing from a client of another program. Answers whether there may be more.
    pub(super) fn recv_remote(&mut self, token: u64) -> bool {
        let Some(remote_clients) = self.remote_clients.get_mut(&token) else { return false };
        let heard = if remote_clients.drain(&self.epoll, token) { remote_clients.recv().ok() } else { None };
        self.remote_active |= matches!(heard, Some(Some(_)));
        match heard {
            Some(Some(frame)) => match remote_clients.greet(&frame) {
                Some(greeted) => {
                    let outcome = greeted.map_or_else(Outcome::Failed, |()| Outcome::Returned(Message::default()));
                    self.say(ClientId(token), 0, outcome);
                    true
                }
                None if self.handle_remote(ClientId(token), frame) => true,
                None => {
                    self.on_client_exit(token);
                    false
                }
            },
            Some(None) => false,
            None => {
                self.on_client_exit(token);
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
        let (status, result) = match outcome {
            Outcome::Returned(result) => (ReplyStatus::Returned, result),
            Outcome::Failed(failure) => (ReplyStatus::Failed, codec::encode(&failure).unwrap_or_default()),
            Outcome::NotYet => return,
        };
        self.send(client, ReplyHeader { number, status }, result);
    }

    fn send(&mut self, client: ClientId, answer: ReplyHeader, result: Message) {
        let is_worth_it = if let Some(near) = self.clients.get_mut(&client.0) {
            let is_worth_it = near.reply(answer, result, &self.epoll);
            if near.is_stalled() {
                self.add_stalled(client.0);
            }
            is_worth_it
        } else if let Some(remote_clients) = self.remote_clients.get_mut(&client.0) {
            remote_clients.reply(answer, result, &self.epoll, client.0)
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
        let answer = ReplyHeader { number: call.number, status: ReplyStatus::Begun };
        self.send(call.client, answer, Message::default());
    }
}
