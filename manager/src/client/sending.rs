//! How a [`Connection`] sends: calls that may wait for room, and what must go out in any case.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use procession_core::codec::Message;

use super::connection::{Connection, Request, Sent, Which};
use super::inbox::Inbox;
use super::outgoing::{Outgoing, SLICE, not_over_a_network};
use crate::claims::Place;
use crate::error::CallError;
use crate::wire::{Ask, Kind, Signal};

/// How long a thread that finds another one sending lets it be.
const NUDGE: Duration = Duration::from_micros(100);

impl Connection {
    /// Calls without waiting for more than room to send it, until then. It can be taken back later if there is a limit, or
    /// there may be one.
    pub(crate) fn post(
        self: &Arc<Connection>,
        request: &Request<'_>,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Sent, CallError> {
        // Whoever only tries has time enough to send it.
        let deadline = deadline.map(|at| at.max(Instant::now() + SLICE));
        let mut sent = self.expect(deadline.is_some() || request.may_be_limited);
        sent.makes = matches!(request.kind, Kind::Make | Kind::Open);
        let Request { kind, subject, .. } = *request;
        let ask = Ask { kind, method: 0, subject, number: sent.number, place: sent.place };
        match self.transmit(request.which, argument, ask, deadline) {
            Ok(true) => Ok(sent),
            failed => {
                // What was posted and is not out yet must not be done when it arrives.
                self.withdraw(sent);
                self.inbox.end(sent.number);
                failed.and(Err(CallError::Timeout { started: false }))
            }
        }
    }

    /// Calls, and wants no answer. If there is no room for it now, it goes out when there is.
    pub(crate) fn tell(self: &Arc<Connection>, request: &Request<'_>, argument: Message) -> Result<(), CallError> {
        self.say(request, argument, Outgoing::owe)
    }

    /// As [`tell`](Self::tell), where the manager may hear it when it hears something else from this process, or its end.
    pub(crate) fn mention(self: &Arc<Connection>, request: &Request<'_>, argument: Message) -> Result<(), CallError> {
        self.say(request, argument, Outgoing::leave)
    }

    fn say(
        self: &Arc<Connection>,
        request: &Request<'_>,
        argument: Message,
        send: impl FnOnce(&mut Outgoing, &Inbox, Vec<u8>) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let (payload, descriptors) = argument.into_parts();
        let mut bytes = payload.into_vec();
        let mut outgoing = self.outgoing()?;
        if !descriptors.is_empty() {
            return Err(not_over_a_network());
        }
        let method = outgoing.number_of_which(&self.inbox, request.which)?;
        let Request { kind, subject, .. } = *request;
        Ask { kind, method, subject, number: 0, place: Place::default() }.append_to(&mut bytes);
        send(&mut outgoing, &self.inbox, bytes)?;
        self.see_to_backlog(outgoing);
        Ok(())
    }

    /// Sends a call. Answers whether it was in time; if not, the manager will do nothing.
    fn transmit(
        self: &Arc<Connection>,
        which: Which,
        argument: Message,
        mut ask: Ask,
        deadline: Option<Instant>,
    ) -> Result<bool, CallError> {
        let (payload, descriptors) = argument.into_parts();
        let (mut bytes, mut is_whole) = (payload.into_vec(), false);
        loop {
            let Some(mut outgoing) = self.outgoing_until(deadline)? else { return Ok(false) };
            if outgoing.settle(&self.inbox, SLICE)? {
                if !is_whole {
                    ask.method = outgoing.number_of_which(&self.inbox, which)?;
                    ask.append_to(&mut bytes);
                    is_whole = true;
                }
                if !descriptors.is_empty() {
                    if outgoing.is_far() {
                        return Err(not_over_a_network());
                    }
                    outgoing.pass(&self.inbox, &Signal::Frame(&Message::new(bytes, descriptors)))?;
                    self.see_to_backlog(outgoing);
                    return Ok(true);
                }
                if outgoing.offer(&self.inbox, &bytes, SLICE)? {
                    self.see_to_backlog(outgoing);
                    return Ok(true);
                }
            }
            drop(outgoing);
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(false);
            }
        }
    }

    pub(super) fn expect(&self, is_limited: bool) -> Sent {
        let number = self.calls.fetch_add(1, Relaxed) + 1;
        let place = self.inbox.expect(number, is_limited);
        if let (Some(claims), true) = (&self.claims, place != Place::default()) {
            claims.send(place, number);
        }
        Sent { number, place, makes: false }
    }

    pub(super) fn outgoing(&self) -> Result<MutexGuard<'_, Outgoing>, CallError> {
        self.check_owner()?;
        Ok(self.outgoing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The way out, unless others are there until then. Nobody is there for longer than a moment at a time.
    fn outgoing_until(&self, deadline: Option<Instant>) -> Result<Option<MutexGuard<'_, Outgoing>>, CallError> {
        let Some(at) = deadline else { return self.outgoing().map(Some) };
        self.check_owner()?;
        loop {
            match self.outgoing.try_lock() {
                Ok(outgoing) => return Ok(Some(outgoing)),
                Err(TryLockError::Poisoned(outgoing)) => return Ok(Some(outgoing.into_inner())),
                Err(TryLockError::WouldBlock) if at <= Instant::now() => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(NUDGE),
            }
        }
    }

    /// Has what there was no room for sent by a thread of its own.
    fn see_to_backlog(self: &Arc<Connection>, mut outgoing: MutexGuard<'_, Outgoing>) {
        if !outgoing.has_backlog() || outgoing.is_seen_to {
            return;
        }
        let this = Arc::clone(self);
        let see_to_it = move || {
            loop {
                let Ok(mut outgoing) = this.outgoing() else { return };
                if !matches!(outgoing.settle(&this.inbox, SLICE), Ok(false)) {
                    outgoing.is_seen_to = false;
                    return;
                }
                drop(outgoing);
                std::thread::sleep(NUDGE);
            }
        };
        // Without a thread it goes out before the next call.
        outgoing.is_seen_to =
            std::thread::Builder::new().name("procession-backlog".to_owned()).spawn(see_to_it).is_ok();
    }

    pub(super) fn send(self: &Arc<Connection>, signal: &Signal<&Message>) -> Result<(), CallError> {
        let mut outgoing = self.outgoing()?;
        outgoing.pass(&self.inbox, signal)?;
        self.see_to_backlog(outgoing);
        Ok(())
    }
}
