//! From what a client says to what the server does.

use std::sync::Arc;

use procession_channels::{Address, Listener};
use procession_core::Method;
use procession_core::codec::{self, Handles, Message};

use super::distant::Schema;
use super::job::{Frame, Job, Origin, Step, Work};
use super::state::State;
use crate::claims::{Claim, Claims, Place};
use crate::ids::{CallId, ClientId, ObjectId};
use crate::server::cell::Outcome;
use crate::table::Holder;
use crate::wire::{self, Ask, Failure, Kind, Signal};

impl Work {
    /// A call of the server's own.
    pub(crate) fn of(method: Method, argument: Message) -> Work {
        let (payload, descriptors) = argument.into_parts();
        let end = payload.len();
        Work::Call { kind: Kind::Exclusive, method, frame: Frame { bytes: payload.into_vec(), end, descriptors } }
    }
}

impl State {
    /// Does what a client says. One that cannot be understood is cut off.
    pub(crate) fn obey(&mut self, token: u64, signal: Signal<Message>) {
        let holder = Holder::Client(ClientId(token));
        let Some(client) = self.clients.get_mut(&token) else { return };
        let is_understood = match signal {
            Signal::Hello { replies, pipe, claims } => {
                self.awake.push(token);
                client.greet(replies, pipe, Claims::adopt(claims), &self.epoll).is_ok()
            }
            Signal::Learn { index, method } => client.learn(index, method),
            // The key is dropped after the reference was added, so the object cannot go in between.
            Signal::Claim { object, key: _key } => {
                self.table.hold(object, holder);
                true
            }
            Signal::Ticket { object, door } => self.add_door(door, object).is_ok(),
            Signal::Serve { number, address, key, fingerprint, methods } => {
                let method = |(kind, method)| Some((Kind::of(kind)?, method));
                let methods: Option<Vec<_>> = methods.into_iter().map(method).collect();
                let call = CallId { client: ClientId(token), number };
                methods.map(|methods| self.listen(call, &address, &key, Schema { fingerprint, methods })).is_some()
            }
            Signal::Frame(message) => {
                let (payload, descriptors) = message.into_parts();
                self.obey_call(ClientId(token), payload.into_vec(), descriptors)
            }
        };
        if !is_understood {
            self.depart(token);
        }
    }

    /// Begins a call. Answers whether it could be understood.
    pub(crate) fn obey_call(&mut self, client: ClientId, bytes: Vec<u8>, descriptors: impl Into<Handles>) -> bool {
        let Some((end, ask)) = Ask::read(&bytes) else { return false };
        let call = CallId { client, number: ask.number };
        let frame = Frame { bytes, end, descriptors: descriptors.into() };
        let is_done_at_once = matches!(ask.kind, Kind::Mend | Kind::Count | Kind::Shutdown);
        if is_done_at_once && self.claim(call, ask.place).is_some_and(|claim| !claim.begin()) {
            return true;
        }
        match ask.kind {
            Kind::Exclusive | Kind::Shared | Kind::Conditional => self.begin_call(call, ask, frame),
            Kind::Make => self.begin_make(call, ask, frame),
            Kind::Open => self.begin_open(call, ask, frame),
            Kind::Steps => self.begin_steps(call, ask, frame),
            Kind::Cancel => return self.obey_cancel(call, ask, &frame),
            Kind::Release => {
                let released = self.table.release(ObjectId(ask.subject), Holder::Client(client));
                self.settle(released);
            }
            Kind::Mend => {
                let is_there = self.table.set_poison(ObjectId(ask.subject), None);
                let outcome =
                    if is_there { Outcome::Returned(Message::default()) } else { Outcome::Failed(Failure::Gone) };
                self.answer(Origin::Client(call), outcome);
            }
            Kind::Count => self.answer_count(call, ObjectId(ask.subject)),
            Kind::Shutdown => {
                self.is_over = true;
                self.answer(Origin::Client(call), Outcome::Returned(Message::default()));
            }
        }
        true
    }

    fn begin_call(&mut self, call: CallId, ask: Ask, frame: Frame) {
        let origin = Origin::Client(call);
        let Some(method) = self.method(call.client, ask.method, ask.kind) else { return self.refuse_number(origin) };
        let work = Work::Call { kind: ask.kind, method, frame };
        let claim = self.claim(call, ask.place);
        self.start(Job::new(origin, Some(ObjectId(ask.subject)), work).claimed(claim));
    }

    fn claim(&self, call: CallId, place: Place) -> Option<Claim> {
        if place == Place::default() { None } else { self.clients.get(&call.client.0)?.claim(place, call.number) }
    }

    fn begin_make(&mut self, call: CallId, ask: Ask, frame: Frame) {
        let origin = Origin::Client(call);
        let number = |subject: u64| u32::try_from(subject).ok();
        let departure =
            ask.subject.checked_sub(1).and_then(number).map(|index| self.method(call.client, index, Kind::Exclusive));
        let (Some(method), Some(departure)) =
            (self.method(call.client, ask.method, Kind::Make), departure.map_or(Some(None), |one| one.map(Some)))
        else {
            return self.refuse_number(origin);
        };
        let claim = self.claim(call, ask.place);
        self.start(Job::new(origin, None, Work::Make { method, departure, shared: None, frame }).claimed(claim));
    }

    fn begin_steps(&mut self, call: CallId, ask: Ask, frame: Frame) {
        let origin = Origin::Client(call);
        let steps: Vec<wire::Step> = match codec::decode_from(&frame.bytes[..frame.end], frame.descriptors) {
            Ok(steps) => steps,
            Err(error) => return self.answer(origin, Outcome::Failed(Failure::BadArgument(error.to_string()))),
        };
        let step = |step: wire::Step| {
            let method = self.method(call.client, step.method, Kind::Exclusive)?;
            Some(Step { objects: step.objects, method, argument: step.argument })
        };
        let steps: Option<Vec<Step>> = steps.into_iter().map(step).collect();
        let Some(steps) = steps else { return self.refuse_number(origin) };
        let claim = self.claim(call, ask.place);
        self.start(Job::of_steps(origin, steps).claimed(claim));
    }

    fn obey_cancel(&mut self, call: CallId, ask: Ask, frame: &Frame) -> bool {
        let Ok(objects) = codec::decode_from::<Vec<ObjectId>>(&frame.bytes[..frame.end], Vec::new()) else {
            return false;
        };
        let wanted = CallId { client: call.client, number: ask.subject };
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

    fn method(&self, client: ClientId, index: u32, kind: Kind) -> Option<Method> {
        match self.clients.get(&client.0) {
            Some(client) => client.method(index),
            None => self.distant.get(&client.0)?.method(index, kind),
        }
    }

    /// Begins a call of another program, if it may be made from there. Answers whether it could be understood.
    pub(crate) fn obey_distant(&mut self, client: ClientId, bytes: Vec<u8>) -> bool {
        let Some((_, ask)) = Ask::read(&bytes) else { return false };
        let is_its = self.table.is_held(ObjectId(ask.subject), Holder::Client(client));
        let may = match ask.kind {
            Kind::Exclusive | Kind::Shared | Kind::Conditional | Kind::Mend | Kind::Release => is_its,
            Kind::Make | Kind::Open => ask.subject == 0,
            Kind::Cancel | Kind::Count => true,
            Kind::Steps | Kind::Shutdown => false,
        };
        if may {
            return self.obey_call(client, bytes, Vec::new());
        }
        let call = CallId { client, number: ask.number };
        self.answer(Origin::Client(call), Outcome::Failed(Failure::Gone));
        true
    }

    fn begin_open(&mut self, call: CallId, ask: Ask, frame: Frame) {
        let origin = Origin::Client(call);
        let schema = self.distant.get(&call.client.0).map(|distant| distant.schema.fingerprint);
        let (Some(schema), Some(method)) = (schema, self.method(call.client, ask.method, Kind::Open)) else {
            return self.refuse_number(origin);
        };
        let shared = (schema, ask.method);
        if let Some(object) = self.shared(shared) {
            self.table.hold(object, Holder::Client(call.client));
            let outcome = match codec::encode(&object) {
                Ok(object) => Outcome::Returned(object),
                Err(error) => Outcome::Failed(Failure::BadResult(error.to_string())),
            };
            return self.answer(origin, outcome);
        }
        self.start(Job::new(origin, None, Work::Make { method, departure: None, shared: Some(shared), frame }));
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
