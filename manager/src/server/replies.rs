//! The replies of the server: to local and remote clients, and to methods that run in it.

use std::sync::Arc;

use procession_core::codec::{self, Message};

use super::job::Job;
#[cfg(feature = "remote")]
use super::job::Work;
use super::object_cell::{ObjectCell, Outcome};
use super::origin::Origin;
use super::state::State;
use crate::table::Holder;
use crate::wire::ids::{CallId, ClientId};
use crate::wire::protocol::{Failure, ReplyHeader, ReplyStatus};

impl State {
    /// Sends an outcome to where the call came from.
    pub(crate) fn answer(&mut self, origin: Origin, outcome: Outcome) {
        match origin {
            Origin::Client(call) => self.reply(call, outcome),
            Origin::InProcess(slot) => slot.fill(outcome),
            // There is no caller. A hook that panics has poisoned its object, which the next caller sees.
            Origin::ExitHook(_) => {}
        }
    }

    /// Keeps a new value, and returns its id as the outcome.
    pub(super) fn keep(&mut self, job: &Job, cell: Arc<ObjectCell>) -> Outcome {
        let holder = Holder::Client(job.origin.caller());
        // The client died while its object was made: no one else knows the id.
        if self.is_deserted(&job.origin) {
            self.deferred_drops.push(cell);
            return Outcome::Failed(Failure::Cancelled);
        }
        let has_exit_hook = cell.exit_hook.is_some();
        let object = match &job.work {
            #[cfg(feature = "remote")]
            Work::Make { shared: Some(shared), .. } => self.share(*shared, cell, holder),
            _ => self.table.insert(cell, holder, has_exit_hook),
        };
        Outcome::of(&object)
    }

    /// Sends the outcome of a call to its client, if it wants a reply.
    pub(super) fn reply(&mut self, call: CallId, outcome: Outcome) {
        // Number 0 is for calls without a reply.
        if call.number != 0 {
            self.send_outcome(call.client, call.number, outcome);
        }
    }

    /// Sends an outcome under a number, be it a call's or the greeting's.
    pub(super) fn send_outcome(&mut self, client: ClientId, number: u64, outcome: Outcome) {
        let (status, result) = match outcome {
            Outcome::Returned(result) => (ReplyStatus::Returned, result),
            Outcome::Failed(failure) => (ReplyStatus::Failed, codec::encode(&failure).unwrap_or_default()),
            // `end` parks or cancels such a job, so there is nothing to say yet.
            Outcome::NotYet => return,
        };
        self.send(client, ReplyHeader { number, status }, result);
    }

    /// Sends a reply to a client of either kind. One for a client that is gone is dropped.
    fn send(&mut self, client: ClientId, header: ReplyHeader, result: Message) {
        let mut can_answer = true;
        if let Some(local) = self.clients.get_mut(&client.0) {
            can_answer = local.reply(header, result, &self.epoll);
            if local.is_stalled() {
                self.stalled.add(client.0);
            }
        } else {
            #[cfg(feature = "remote")]
            if let Some(remote) = self.remote.clients.get_mut(&client.0) {
                can_answer = remote.reply(header, result, &self.epoll, client.0);
            }
        }
        if !can_answer {
            // Its turn comes: it is read to the end then, and ended.
            self.busy.push_back(client.0);
        }
    }

    /// Replies that the call which a client wants to cancel has begun.
    pub(crate) fn reply_begun(&mut self, call: CallId) {
        let header = ReplyHeader { number: call.number, status: ReplyStatus::Begun };
        self.send(call.client, header, Message::default());
    }
}
