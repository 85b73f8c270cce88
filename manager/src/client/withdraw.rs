//! Taking back calls whose time is over, or finding that they have happened.
//!
//! A call has either happened, and then its answer is the answer, however late; or it never will. Which of the two is decided by
//! the call's [word](crate::wire::claims), at once. Only of a call that runs at that very moment, and goes on running, the outcome
//! remains open; and of one to a manager of another program that does not respond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::codec::{self, Message};
use procession_core::os::signal::is_stopped;

use super::connection::Connection;
use super::limit::Limit;
use super::pending_replies::Waited;
use super::request::{MethodRef, Request, Sent};
use crate::wire::claims::{ClaimSlot, Claims, Stage};
use crate::wire::error::CallError;
use crate::wire::ids::ObjectId;
use crate::wire::protocol::RequestKind;
use crate::wire::tuning::{REMOTE_CANCEL_TIMEOUT, RUNNING_CALL_TIMEOUT, STAGE_POLL_INTERVAL, TRY_TIMEOUT};

impl Connection {
    /// Takes a call back whose time is over. If it has happened, its answer is the answer.
    pub(super) fn give_up(
        self: &Arc<Connection>,
        sent: Sent,
        objects: &[ObjectId],
        only_tries: bool,
    ) -> Result<Message, CallError> {
        let Some(claims) = self.claims.as_ref().filter(|_| sent.slot != ClaimSlot::default()) else {
            return self.take_back(sent, objects);
        };
        // Most tries end here, and pay for no look at the clock.
        if only_tries && let Some(reply) = self.look_for(sent, STAGE_POLL_INTERVAL)? {
            return reply;
        }
        let since = Instant::now();
        let mut is_stopped = only_tries && self.is_stopped();
        while since.elapsed() < more(claims.stage(sent.slot, sent.number), only_tries, is_stopped) {
            if let Some(reply) = self.look_for(sent, STAGE_POLL_INTERVAL)? {
                return reply;
            }
            is_stopped = self.is_stopped();
        }
        // From here on the manager cannot begin it; a reply that came just before still counts.
        let was = self.withdraw(sent);
        if let Some(reply) = self.look_for(sent, Duration::ZERO)? {
            return reply;
        }
        if was.has_begun() {
            return self.leave(sent);
        }
        self.replies.end(sent.number);
        // Only for tidiness: it would not be run in any case.
        let _gone = self.cancel(sent, objects);
        Err(CallError::Timeout { started: false })
    }

    /// Takes a call back that has no word, by asking for it.
    fn take_back(self: &Arc<Connection>, sent: Sent, objects: &[ObjectId]) -> Result<Message, CallError> {
        self.cancel(sent, objects)?;
        let mut until = Instant::now() + REMOTE_CANCEL_TIMEOUT;
        loop {
            match self.replies.wait(sent.number, Limit::At(until))? {
                Waited::Reply(answer) => return answer.map_err(CallError::from_failure),
                Waited::Closed => return Err(CallError::ManagerGone),
                // It runs, so the time for the network is over: from here on the limit is that of a local call.
                Waited::Begun => until = until.min(Instant::now() + RUNNING_CALL_TIMEOUT),
                Waited::TimeIsUp => return self.leave(sent),
            }
        }
    }

    /// Leaves a call to itself that may go on. An object that it makes is let go of when it is there.
    fn leave(self: &Arc<Connection>, sent: Sent) -> Result<Message, CallError> {
        // Without a proxy for it the object would live as long as this process.
        if sent.makes {
            let this = Arc::clone(self);
            let let_go = move |made: Result<Message, CallError>| {
                if let Some(object) = made.ok().and_then(|made| codec::decode(made).ok()) {
                    this.release(object);
                }
            };
            self.call_back(sent, Box::new(let_go));
        } else {
            self.replies.forget(sent.number);
        }
        Err(CallError::Timeout { started: true })
    }

    /// Takes a call back, if it does not run by now. Returns how far it was.
    pub(super) fn withdraw(&self, sent: Sent) -> Stage {
        let claims = self.claims.as_ref().filter(|_| sent.slot != ClaimSlot::default());
        claims.map_or(Stage::Running, |claims| claims.withdraw(sent.slot, sent.number))
    }

    /// Returns whether the manager's process has been stopped by a signal or a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        self.claims.as_ref().and_then(Claims::manager_pid).is_some_and(is_stopped)
    }

    /// Returns the reply if it comes within the time; `None` if it does not.
    fn look_for(&self, sent: Sent, limit: Duration) -> Result<Option<Result<Message, CallError>>, CallError> {
        match self.replies.wait(sent.number, Limit::For(limit))? {
            Waited::Reply(answer) => Ok(Some(answer.map_err(CallError::from_failure))),
            Waited::Closed => Err(CallError::ManagerGone),
            Waited::Begun | Waited::TimeIsUp => Ok(None),
        }
    }

    /// Asks the manager to take a call out of the queues of its objects.
    fn cancel(self: &Arc<Connection>, sent: Sent, objects: &[ObjectId]) -> Result<(), CallError> {
        let request = Request::new(RequestKind::Cancel, sent.number, MethodRef::None, &[]);
        self.notify(&request, codec::encode(objects)?)
    }
}

/// Returns the time beyond its limit that a call of this stage may take.
fn more(stage: Stage, only_tries: bool, is_stopped: bool) -> Duration {
    match (stage, only_tries) {
        // A stopped manager finishes nothing, and may be stopped for hours.
        _ if is_stopped => Duration::ZERO,
        (Stage::Sent | Stage::Waiting, true) => TRY_TIMEOUT,
        (Stage::Sent, false) | (Stage::Running, _) => RUNNING_CALL_TIMEOUT,
        // It is known to wait, or not about to end, so the caller gets its limit and no more.
        (Stage::Waiting, false) | (Stage::Tried | Stage::Promised | Stage::Withdrawn, _) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_tries_waits_for_the_manager_and_not_for_the_condition() {
        assert_eq!(more(Stage::Tried, true, false), Duration::ZERO);
        assert_eq!(more(Stage::Sent, true, true), Duration::ZERO);
        assert_eq!(more(Stage::Promised, false, false), Duration::ZERO, "a task of a pool may take hours");
        assert!(more(Stage::Sent, true, false) > more(Stage::Sent, false, false));
    }
}
