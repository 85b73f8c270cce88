//! [`Connection`]: a process's link to a manager, shared by all its threads and proxies.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use procession_channels::SocketConnection;
use procession_core::codec::{self, Message};
use procession_core::{Control, Door, Key, Method};

use super::callbacks::Callback;
use super::inbox::{Inbox, Waited};
use super::outgoing::{Outgoing, Way};
use crate::error::CallError;
use crate::frames::Frames;
use crate::ids::{ManagerId, ObjectId};
use crate::remote::Registry;
use crate::wire::{Ask, Kind, Signal};

/// How long a manager may take to say whether a call has begun, before it counts as begun.
const GRACE: Duration = Duration::from_secs(5);

/// One for each pair of a process and a manager.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) manager: ManagerId,
    /// The process that it belongs to.
    owner: u32,
    outgoing: Mutex<Outgoing>,
    inbox: Inbox,
}

/// Which method is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    None,
    Named(Method),
    /// By its number in a registry.
    Number(u32),
}

/// What a call is about.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) kind: Kind,
    pub(crate) subject: u64,
    pub(crate) which: Which,
    /// The objects that it may have to wait for.
    pub(crate) objects: &'a [ObjectId],
}

/// A call that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    number: u64,
}

/// The connections of this process.
static CONNECTIONS: Mutex<Vec<Weak<Connection>>> = Mutex::new(Vec::new());

impl Connection {
    /// Introduces this process over a link that leads to the manager.
    pub(crate) fn open(manager: ManagerId, mut requests: Control) -> Result<Arc<Connection>, CallError> {
        let (here, there) = Control::pair().map_err(|error| CallError::from_io(&error))?;
        let (pipe, pipe_there) =
            procession_channels::pipe().map_err(|error| CallError::Connection(error.to_string()))?;
        let hello = Signal::<&Message>::Hello { replies: there, pipe: pipe_there };
        requests.send(&hello).map_err(CallError::from_link)?;
        drop(hello);
        let (frames, answers) = pipe.split();
        let way = Way::Near { requests, frames };
        let connection = Arc::new(Connection::new(manager, way, Inbox::near(here, answers)));
        register(&connection);
        Ok(connection)
    }

    /// Introduces this process to a manager of another program, by the registry that it has.
    pub(crate) fn introduce(socket: SocketConnection, fingerprint: u64) -> Result<Arc<Connection>, CallError> {
        let lost = |error: io::Error| CallError::from_io(&error);
        let frames = Frames::new(socket.into()).map_err(lost)?;
        let socket = frames.stream().try_clone().map_err(lost)?;
        let connection = Connection::new(ManagerId::fresh(), Way::Far(socket), Inbox::far(frames));
        connection.inbox.expect(0);
        connection.outgoing()?.greet(&connection.inbox, fingerprint)?;
        match connection.inbox.wait(0, None)? {
            Waited::Answer(Ok(_)) => Ok(Arc::new(connection)),
            Waited::Answer(Err(failure)) => Err(CallError::from_failure(failure)),
            Waited::Begun | Waited::TimeIsUp | Waited::Closed => Err(CallError::ManagerGone),
        }
    }

    fn new(manager: ManagerId, way: Way, inbox: Inbox) -> Connection {
        let outgoing = Mutex::new(Outgoing::new(way));
        Connection { manager, owner: std::process::id(), outgoing, inbox }
    }

    /// Has the manager listen for other programs. Answers where it does.
    pub(crate) fn serve(&self, registry: &Registry, address: &str, key: &[u8]) -> Result<String, CallError> {
        let mut outgoing = self.outgoing()?;
        outgoing.calls += 1;
        let number = outgoing.calls;
        self.inbox.expect(number);
        let (address, key) = (address.to_owned(), key.to_vec());
        let (fingerprint, methods) = (registry.fingerprint(), registry.methods());
        outgoing.pass(&self.inbox, &Signal::<&Message>::Serve { number, address, key, fingerprint, methods })?;
        drop(outgoing);
        Ok(codec::decode(self.wait(Sent { number }, &[], None)?)?)
    }

    /// The connection for a proxy that has arrived with a key: the one that there is, or a new one. The manager knows then
    /// that this process refers to the object.
    pub(crate) fn claim(manager: ManagerId, object: ObjectId, key: Key) -> Result<Arc<Connection>, CallError> {
        // Two threads that receive the first proxies of a manager at once should share one connection.
        static ENTRANCE: Mutex<()> = Mutex::new(());
        let entrance = ENTRANCE.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match known(manager) {
            Some(connection) => connection,
            None => Connection::open(manager, key.enter().map_err(CallError::from_link)?)?,
        };
        drop(entrance);
        connection.send(&Signal::<&Message>::Claim { object, key })?;
        Ok(connection)
    }

    /// Lets a proxy leave in a message: answers the key that goes with it.
    pub(crate) fn ticket(&self, object: ObjectId) -> Result<Key, CallError> {
        let (door, key) = Door::new().map_err(|error| CallError::from_io(&error))?;
        self.send(&Signal::<&Message>::Ticket { object, door })?;
        Ok(key)
    }

    /// Calls, and waits for the answer.
    pub(crate) fn call(
        &self,
        request: &Request<'_>,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        let sent = self.post(request, argument)?;
        self.wait(sent, request.objects, deadline)
    }

    /// Calls without waiting.
    pub(crate) fn post(&self, request: &Request<'_>, argument: Message) -> Result<Sent, CallError> {
        let mut outgoing = self.outgoing()?;
        let method = outgoing.number_of_which(&self.inbox, request.which)?;
        outgoing.calls += 1;
        let number = outgoing.calls;
        self.inbox.expect(number);
        let ask = Ask { kind: request.kind, method, subject: request.subject, number };
        if let Err(error) = outgoing.send_frame(&self.inbox, argument, ask) {
            self.inbox.forget(number);
            return Err(error);
        }
        Ok(Sent { number })
    }

    /// Calls, and wants no answer.
    pub(crate) fn tell(&self, request: &Request<'_>, argument: Message) -> Result<(), CallError> {
        let mut outgoing = self.outgoing()?;
        let method = outgoing.number_of_which(&self.inbox, request.which)?;
        let ask = Ask { kind: request.kind, method, subject: request.subject, number: 0 };
        outgoing.send_frame(&self.inbox, argument, ask)
    }

    /// Waits for the answer to a call. One that is not over in time is taken back, if it has not begun.
    pub(crate) fn wait(
        &self,
        sent: Sent,
        objects: &[ObjectId],
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        match self.inbox.wait(sent.number, deadline)? {
            Waited::Answer(answer) => answer.map_err(CallError::from_failure),
            Waited::Closed => Err(CallError::ManagerGone),
            Waited::TimeIsUp | Waited::Begun => self.take_back(sent, objects),
        }
    }

    /// Waits until one of several calls is answered, and answers which.
    pub(crate) fn wait_any(&self, sent: &[Sent]) -> Result<usize, CallError> {
        let numbers: Vec<u64> = sent.iter().map(|sent| sent.number).collect();
        self.inbox.wait_any(&numbers)?.ok_or(CallError::ManagerGone)
    }

    /// Whether a call is answered, or never will be.
    pub(crate) fn is_answered(&self, sent: Sent) -> bool {
        self.inbox.has(sent.number)
    }

    /// Waits until a call is answered, or never will be. Answers whether it was in time.
    pub(crate) fn is_answered_by(&self, sent: Sent, deadline: Option<Instant>) -> bool {
        self.inbox.has_by(sent.number, deadline)
    }

    /// Has a callback called with the answer, on another thread. Where none can be had, this one waits for it.
    pub(crate) fn call_back(self: &Arc<Connection>, sent: Sent, callback: Callback) {
        if self.inbox.call_back(sent.number, callback) && !self.start_listener() {
            self.inbox.listen(|| false);
        }
    }

    fn start_listener(self: &Arc<Connection>) -> bool {
        let this = Arc::clone(self);
        let listen = move || this.inbox.listen(|| this.start_listener());
        std::thread::Builder::new().name("procession-callback".to_owned()).spawn(listen).is_ok()
    }

    /// Does not want the answer any more.
    pub(crate) fn forget(&self, sent: Sent) {
        self.inbox.forget(sent.number);
    }

    /// Gives back a reference. A manager that is gone has no references.
    pub(crate) fn release(&self, object: ObjectId) {
        let Ok(mut outgoing) = self.outgoing() else { return };
        let ask = Ask { kind: Kind::Release, method: 0, subject: object.0, number: 0 };
        let _gone = outgoing.send_frame(&self.inbox, Message::default(), ask);
    }

    /// Whether the manager is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        let _news = self.inbox.drain();
        self.inbox.is_closed()
    }

    /// The number of a method, for a call that names several in its argument.
    pub(crate) fn learn(&self, method: Method) -> Result<u32, CallError> {
        self.outgoing()?.number_of(&self.inbox, method)
    }

    fn take_back(&self, sent: Sent, objects: &[ObjectId]) -> Result<Message, CallError> {
        let mut outgoing = self.outgoing()?;
        let ask = Ask { kind: Kind::Cancel, method: 0, subject: sent.number, number: 0 };
        outgoing.send_frame(&self.inbox, codec::encode(objects)?, ask)?;
        drop(outgoing);
        let waited = self.inbox.wait(sent.number, Instant::now().checked_add(GRACE))?;
        match waited {
            Waited::Answer(answer) => answer.map_err(CallError::from_failure),
            Waited::Closed => Err(CallError::ManagerGone),
            Waited::Begun | Waited::TimeIsUp => {
                self.inbox.forget(sent.number);
                Err(CallError::Timeout { started: true })
            }
        }
    }

    fn outgoing(&self) -> Result<MutexGuard<'_, Outgoing>, CallError> {
        if self.owner != std::process::id() {
            return Err(CallError::Forked);
        }
        Ok(self.outgoing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, signal: &Signal<&Message>) -> Result<(), CallError> {
        self.outgoing()?.pass(&self.inbox, signal)
    }
}

fn register(connection: &Arc<Connection>) {
    let mut all = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|one| one.strong_count() > 0);
    all.push(Arc::downgrade(connection));
}

/// The connection of this process to a manager, unless it is one of the process that this is a copy of.
fn known(manager: ManagerId) -> Option<Arc<Connection>> {
    let all = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut alive = all.iter().filter_map(Weak::upgrade);
    alive.find(|one| one.manager == manager && one.owner == std::process::id())
}
