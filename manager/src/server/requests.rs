//! From what a client says to what the server does.

use std::sync::Arc;

use procession_channels::{Address, Listener};
use procession_core::Method;
use procession_core::codec::{self, Handles, Message};

use super::job::{Frame, Job, Origin, Step, Work};
use super::object_cell::Outcome;
use super::remote_client::Schema;
use super::state::State;
use crate::table::Holder;
use crate::wire::claims::{Claim, ClaimSlot, Claims};
use crate::wire::ids::{CallId, ClientId, ObjectId};
use crate::wire::protocol::{self, ControlMessage, Failure, RequestHeader, RequestKind};

impl Work {
    /// A call of the server's own.
    pub(crate) fn of(method: Method, argument: Message) -> Work {
        let (payload, descriptors) = argument.into_parts();
        let end = payload.len();
        Work::Call {
            kind: RequestKind::Exclusive,
            method,
            frame: Frame { bytes: payload.into_vec(), end, descriptors },
        }
    }
}

impl State {
    /// Does what a client says. One that cannot be understood is cut off.
    pub(crate) fn handle(&mut self, token: u64, signal: ControlMessage<Message>) {
        let holder = Holder::Client(ClientId(token));
        let Some(client) = self.clients.get_mut(&token) else { return };
        let is_understood = match signal {
            ControlMessage::Hello { replies, pipe, claims } => {
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
            ControlMessage::Serve { number, address, key, fingerprint, methods } => {
                let method = |(kind, method)| Some((RequestKind::of(kind)?, method));
                let methods: Option<Vec<_>> = methods.into_iter().map(method).collect();
                let call = CallId { client: ClientId(token), number };
                methods.map(|methods| self.listen(call, &address, &key, Schema { fingerprint, methods })).is_some()
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

    /// Begins a call. Answers whether it could be understood.
    pub(crate) fn handle_call(&mut self, client: ClientId, bytes: Vec<u8>, descriptors: impl Into<Handles>) -> bool {
        let Some((end, header)) = RequestHeader::read(&bytes) else { return false };
        let call = CallId { client, number: header.number };
        let frame = Frame { bytes, end, descriptors: descriptors.into() };
        let is_done_at_once =
            matches!(header.kind, RequestKind::ClearPoison | RequestKind::Count | RequestKind::Shutdown);
        if is_done_at_once && self.claim(call, header.slot).is_some_and(|claim| !claim.try_begin()) {
            return true;
        }
        match header.kind {
            RequestKind::Exclusive | RequestKind::Shared | RequestKind::Conditional => {
                self.begin_call(call, header, frame)
            }
            RequestKind::Make => self.begin_make(call, header, frame),
            RequestKind::Open => self.begin_open(call, header, frame),
            RequestKind::Steps => self.begin_steps(call, header, frame),
            RequestKind::Cancel => return self.handle_cancel(call, header, &frame),
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

    fn begin_call(&mut self, call: CallId, header: RequestHeader, frame: Frame) {
        let origin = Origin::Client(call);
        let Some(method) = self.method(call.client, header.method, header.kind) else {
            return self.refuse_number(origin);
        };
        let work = Work::Call { kind: header.kind, method, frame };
        let claim = self.claim(call, header.slot);
        self.start(Job::new(origin, Some(ObjectId(header.target)), work).claimed(claim));
    }

    fn claim(&self, call: CallId, slot: ClaimSlot) -> Option<Claim> {
        if slot == ClaimSlot::default() { None } else { self.clients.get(&call.client.0)?.claim(slot, call.number) }
    }

    fn begin_make(&mut self, call: CallId, header: RequestHeader, frame: Frame) {
        let origin = Origin::Client(call);
        let number = |target: u64| u32::try_from(target).ok();
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
        self.start(Job::new(origin, None, Work::Make { method, exit_hook, shared: None, frame }).claimed(claim));
    }

    fn begin_steps(&mut self, call: CallId, header: RequestHeader, frame: Frame) {
        let origin = Origin::Client(call);
        let steps: Vec<protocol::Step> = match codec::decode_from(&frame.bytes[..frame.end], frame.descriptors) {
            Ok(steps) => steps,
            Err(error) => return self.answer(origin, Outcome::Failed(Failure::BadArgument(error.to_string()))),
        };
        let step = |step: protocol::Step| {
            let method = self.method(call.client, step.method, RequestKind::Exclusive)?;
            Some(Step { objects: step.objects, method, argument: step.argument })
        };
        let steps: Option<Vec<Step>> = steps.into_iter().map(step).collect();
        let Some(steps) = steps else { return self.refuse_number(origin) };
        let claim = self.claim(call, header.slot);
        self.start(Job::of_steps(origin, steps).claimed(claim));
    }

    fn handle_cancel(&mut self, call: CallId, header: RequestHeader, frame: &Frame) -> bool {
        let Ok(objects) = codec::decode_from::<Vec<ObjectId>>(&frame.bytes[..frame.end], Vec::new()) else {
            return false;
        };
        let wanted = CallId { client: call.client, number: header.target };
        if !self.cancel(|origin| origin.is(wanted), &objects) {
            self.reply_begun(wanted);
        }
        true
    }

    fn answer_count(&mut self, call: CallId, object: ObjectId) {
        let (objects, references) = self.table.count();
        let counts = (objects as u64, references, self.table.references(object));
        let outcome = match codec::encode(&counts) {
            Ok(counts) => Outcome::Returned(counts),
            Err(error) => Outcome::Failed(Failure::BadResult(error.to_string())),
        };
        self.answer(Origin::Client(call), outcome);
    }

    fn method(&self, client: ClientId, index: u32, kind: RequestKind) -> Option<Method> {
        match self.clients.get(&client.0) {
            Some(client) => client.method(index),
            None => self.remote_clients.get(&client.0)?.method(index, kind),
        }
    }

    /// Begins a call of another program, if it may be made from there. Answers whether it could be understood.
    pub(crate) fn handle_remote(&mut self, client: ClientId, bytes: Vec<u8>) -> bool {
        let Some((_, header)) = RequestHeader::read(&bytes) else { return false };
        let is_its = self.table.is_held(ObjectId(header.target), Holder::Client(client));
        let may = match header.kind {
            RequestKind::Exclusive
            | RequestKind::Shared
            | RequestKind::Conditional
            | RequestKind::ClearPoison
            | RequestKind::Release => is_its,
            RequestKind::Make | RequestKind::Open => header.target == 0,
            RequestKind::Cancel | RequestKind::Count => true,
            RequestKind::Steps | RequestKind::Shutdown => false,
        };
        if may {
            return self.handle_call(client, bytes, Vec::new());
        }
        let call = CallId { client, number: header.number };
        self.answer(Origin::Client(call), Outcome::Failed(Failure::Gone));
        true
    }

    fn begin_open(&mut self, call: CallId, header: RequestHeader, frame: Frame) {
        let origin = Origin::Client(call);
        let schema = self.remote_clients.get(&call.client.0).map(|remote_clients| remote_clients.schema.fingerprint);
        let (Some(schema), Some(method)) = (schema, self.method(call.client, header.method, RequestKind::Open)) else {
            return self.refuse_number(origin);
        };
        let shared = (schema, header.method);
        if let Some(object) = self.shared(shared) {
            self.table.hold(object, Holder::Client(call.client));
            let outcome = match codec::encode(&object) {
                Ok(object) => Outcome::Returned(object),
                Err(error) => Outcome::Failed(Failure::BadResult(error.to_string())),
            };
            return self.answer(origin, outcome);
        }
        self.start(Job::new(origin, None, Work::Make { method, exit_hook: None, shared: Some(shared), frame }));
    }

    /// Listens for other programs, and answers where.
    fn listen(&mut self, call: CallId, address: &str, key: &[u8], schema: Schema) {
        let address: Result<Address, _> = address.parse();
        let listener = address
            .map_err(|error| error.to_string())
            .and_then(|address| Listener::bind(address, key).map_err(|error| error.to_string()));
        let outcome = match listener {
            Ok(listener) => {
                let address = listener.address().to_string();
                self.listeners.push((listener, Arc::new(schema)));
                codec::encode(&address).map_err(|error| Failure::BadResult(error.to_string()))
            }
            Err(text) => Err(Failure::Nonsense(text)),
        };
        self.answer(Origin::Client(call), outcome.map_or_else(Outcome::Failed, Outcome::Returned));
    }

    fn refuse_number(&mut self, origin: Origin) {
        let text = "the call names a method that its client has not introduced".to_owned();
        self.answer(origin, Outcome::Failed(Failure::Nonsense(text)));
    }
}
