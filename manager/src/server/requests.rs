//! From the messages of clients to jobs.

use procession_core::Method;
use procession_core::codec::{self, Handles, Message};

use super::job::{Argument, Job, Step, Work};
use super::object_cell::Outcome;
use super::origin::Origin;
use super::state::State;
use crate::table::Holder;
use crate::wire::claims::{Claim, ClaimSlot, Claims};
use crate::wire::ids::{CallId, ClientId, ObjectId};
use crate::wire::protocol::{self, ControlMessage, Failure, RequestHeader, RequestKind};

impl State {
    /// Handles a control message. A client whose message cannot be understood is cut off.
    pub(crate) fn handle(&mut self, token: u64, message: ControlMessage<Message>) {
        let holder = Holder::Client(ClientId(token));
        let Some(client) = self.clients.get_mut(&token) else { return };
        let is_understood = match message {
            ControlMessage::Hello { replies, pipe, claims } => {
                // A client that connects is about to call, so it is polled from the start.
                self.awake.push(token);
                client.greet(replies, pipe, Claims::adopt(claims), &self.epoll).is_ok()
            }
            ControlMessage::Learn { index, method } => client.learn(index, method),
            // The key is dropped after the reference was added, so the object cannot go in between.
            ControlMessage::Claim { object, key: _key } => {
                self.table.hold(object, holder);
                true
            }
            ControlMessage::Ticket { object, listener } => self.add_ticket_listener(listener, object).is_ok(),
            #[cfg(feature = "remote")]
            ControlMessage::Serve { number, address, key, fingerprint, methods } => {
                let call = CallId { client: ClientId(token), number };
                self.handle_serve(call, &address, &key, fingerprint, methods)
            }
            ControlMessage::Frame(message) => {
                let (payload, descriptors) = message.into_parts();
                self.handle_call(ClientId(token), payload.into_vec(), descriptors)
            }
        };
        if !is_understood {
            self.on_client_exit(token);
        }
    }

    /// Begins a call. Returns whether it could be understood.
    pub(crate) fn handle_call(&mut self, client: ClientId, bytes: Vec<u8>, descriptors: impl Into<Handles>) -> bool {
        let Some((end, header)) = RequestHeader::read(&bytes) else { return false };
        let call = CallId { client, number: header.number };
        let argument = Argument { bytes, end, descriptors: descriptors.into() };
        let is_done_at_once =
            matches!(header.kind, RequestKind::ClearPoison | RequestKind::Count | RequestKind::Shutdown);
        // These are carried out here and not as a job, so the claim is taken here.
        if is_done_at_once && self.claim(call, header.slot).is_some_and(|claim| !claim.try_begin()) {
            return true;
        }
        match header.kind {
            RequestKind::Exclusive | RequestKind::Shared | RequestKind::Conditional | RequestKind::Sequential => {
                self.begin_call(call, header, argument)
            }
            RequestKind::Make => self.begin_make(call, header, argument),
            #[cfg(feature = "remote")]
            RequestKind::Open => self.begin_open(call, header, argument),
            #[cfg(not(feature = "remote"))]
            RequestKind::Open => return false,
            RequestKind::Steps => self.begin_steps(call, header, argument),
            RequestKind::Cancel => return self.handle_cancel(call, header, &argument),
            RequestKind::Release => {
                let released = self.table.release(ObjectId(header.target), Holder::Client(client));
                self.finish_release(released);
            }
            RequestKind::ClearPoison => {
                let is_there = self.table.set_poison(ObjectId(header.target), None);
                let outcome =
                    if is_there { Outcome::Returned(Message::default()) } else { Outcome::Failed(Failure::Gone) };
                self.answer(Origin::Client(call), outcome);
            }
            RequestKind::Count => self.answer_count(call, ObjectId(header.target)),
            RequestKind::Shutdown => {
                self.is_over = true;
                self.answer(Origin::Client(call), Outcome::Returned(Message::default()));
            }
        }
        true
    }

    /// Begins a call of one method on one object.
    fn begin_call(&mut self, call: CallId, header: RequestHeader, argument: Argument) {
        let origin = Origin::Client(call);
        let Some(method) = self.method(call.client, header.method, header.kind) else {
            return self.refuse_number(origin);
        };
        let work = Work::Call { kind: header.kind, method, argument };
        let claim = self.claim(call, header.slot);
        self.start(Job::new(origin, Some(ObjectId(header.target)), work).claimed(claim));
    }

    /// Returns the claim of a call, if its client has given it a word.
    fn claim(&self, call: CallId, slot: ClaimSlot) -> Option<Claim> {
        // Clients of other programs share no memory with the server, so their calls have no claims.
        if slot == ClaimSlot::default() { None } else { self.clients.get(&call.client.0)?.claim(slot, call.number) }
    }

    /// Begins to make an object. It needs no turn, and is in the table only when its value is there.
    fn begin_make(&mut self, call: CallId, header: RequestHeader, argument: Argument) {
        let origin = Origin::Client(call);
        let number = |target: u64| u32::try_from(target).ok();
        // Three cases: no hook (0), a method that the client has introduced, and a number that refuses the call.
        let exit_hook = header
            .target
            .checked_sub(1)
            .and_then(number)
            .map(|index| self.method(call.client, index, RequestKind::Exclusive));
        let (Some(method), Some(exit_hook)) = (
            self.method(call.client, header.method, RequestKind::Make),
            exit_hook.map_or(Some(None), |one| one.map(Some)),
        ) else {
            return self.refuse_number(origin);
        };
        let claim = self.claim(call, header.slot);
        self.start(
            Job::new(
                origin,
                None,
                Work::Make {
                    method,
                    exit_hook,
                    #[cfg(feature = "remote")]
                    shared: None,
                    argument,
                },
            )
            .claimed(claim),
        );
    }

    /// Begins a transaction, whose steps are the argument.
    fn begin_steps(&mut self, call: CallId, header: RequestHeader, argument: Argument) {
        let origin = Origin::Client(call);
        let steps: Vec<protocol::Step> = match codec::decode_from(&argument.bytes[..argument.end], argument.descriptors)
        {
            Ok(steps) => steps,
            Err(error) => return self.answer(origin, Outcome::Failed(Failure::BadArgument(error.to_string()))),
        };
        let step = |step: protocol::Step| {
            // A step names its method by number, as a call does: nothing that a client has written is called as it stands.
            let method = self.method(call.client, step.method, RequestKind::Exclusive)?;
            Some(Step { objects: step.objects, method, argument: step.argument })
        };
        let steps: Option<Vec<Step>> = steps.into_iter().map(step).collect();
        let Some(steps) = steps else { return self.refuse_number(origin) };
        let claim = self.claim(call, header.slot);
        self.start(Job::of_steps(origin, steps).claimed(claim));
    }

    /// Takes a call back. The argument lists the objects for which it may wait. Returns whether the request could be understood.
    fn handle_cancel(&mut self, call: CallId, header: RequestHeader, argument: &Argument) -> bool {
        let Ok(objects) = codec::decode_from::<Vec<ObjectId>>(&argument.bytes[..argument.end], Vec::new()) else {
            return false;
        };
        let wanted = CallId { client: call.client, number: header.target };
        // A cancelled call has its reply by now. One that has ended gets this word in vain: its client ignores it after the
        // result.
        if !self.cancel(|origin| origin.is(wanted), &objects) {
            self.reply_begun(wanted);
        }
        true
    }

    /// Replies with the numbers of objects, of references, and of references to one object.
    fn answer_count(&mut self, call: CallId, object: ObjectId) {
        let (objects, references) = self.table.count();
        let counts = (objects as u64, references, self.table.references(object));
        self.answer(Origin::Client(call), Outcome::of(&counts));
    }

    #[cfg_attr(
        not(feature = "remote"),
        expect(unused_variables, reason = "remote clients may call a method in one way")
    )]
    pub(super) fn method(&self, client: ClientId, index: u32, kind: RequestKind) -> Option<Method> {
        match self.clients.get(&client.0) {
            Some(client) => client.method(index),
            #[cfg(feature = "remote")]
            None => self.remote.clients.get(&client.0)?.method(index, kind),
            #[cfg(not(feature = "remote"))]
            None => None,
        }
    }

    /// Replies that the number of a method is unknown. The client stays connected.
    pub(super) fn refuse_number(&mut self, origin: Origin) {
        let text = "the call names a method that its client has not introduced".to_owned();
        self.answer(origin, Outcome::Failed(Failure::Nonsense(text)));
    }
}
