//! [`Connection`]: a process's link to a manager, shared by all its threads and proxies.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use procession_core::codec::Message;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex::lock;
use procession_core::{Control, ControlListener, ControlTicket, Method};

use super::callbacks::Callback;
use super::limit::{Limit, is_over};
use super::pending_replies::Waited;
use super::reply_reader::ReplyReader;
use super::request::{MethodRef, Request, Sent};
use super::request_sender::{RequestSender, Transport};
use crate::wire::claims::{ClaimSlot, Claims};
use crate::wire::error::CallError;
use crate::wire::ids::{ManagerId, ObjectId};
use crate::wire::protocol::{ControlMessage, RequestKind};

/// The one connection between a process and a manager.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The manager at the other end.
    pub(crate) manager: ManagerId,
    /// The process that it belongs to.
    owner: u32,
    /// The number of calls so far.
    pub(super) calls: AtomicU64,
    /// The sending half. A thread holds it for one attempt at a time.
    pub(super) sender: Mutex<RequestSender>,
    /// The receiving half, for all threads that wait.
    pub(super) replies: ReplyReader,
    /// The words of calls that can be taken back, where the manager is near.
    pub(super) claims: Option<Claims>,
}

/// The connections of this process.
static CONNECTIONS: Mutex<Vec<Weak<Connection>>> = Mutex::new(Vec::new());

impl Connection {
    /// Introduces this process over a link that leads to the manager.
    pub(crate) fn open(manager: ManagerId, mut requests: Control) -> Result<Arc<Connection>, CallError> {
        let (in_process, there) = Control::pair().map_err(|error| CallError::from_io(&error))?;
        let (pipe, pipe_there) =
            procession_channels::pipe().map_err(|error| CallError::Connection(error.to_string()))?;
        let claims = Claims::new().map_err(|error| CallError::from_io(&error))?;
        let hello =
            ControlMessage::<&Message>::Hello { replies: there, pipe: pipe_there, claims: claims.words().clone() };
        requests.send(&hello).map_err(CallError::from_link)?;
        // The ends that were sent must be closed here, or the manager would never see the end of this client.
        drop(hello);
        let (frames, answers) = pipe.split();
        let way = Transport::Local { requests, frames };
        let connection = Arc::new(Connection::new(manager, way, ReplyReader::local(in_process, answers), Some(claims)));
        // Before the first proxy: one that arrives in a message then finds this connection, and opens no second one.
        register(&connection);
        Ok(connection)
    }

    /// Waits until the manager has said something.
    pub(crate) fn greet(self: &Arc<Connection>) -> Result<(), CallError> {
        self.call(&Request::new(RequestKind::Count, 0, MethodRef::None, &[]), Message::default(), None).map(drop)
    }

    pub(super) fn new(manager: ManagerId, way: Transport, replies: ReplyReader, claims: Option<Claims>) -> Connection {
        let (sender, calls) = (Mutex::new(RequestSender::new(way)), AtomicU64::new(0));
        Connection { manager, owner: std::process::id(), calls, sender, replies, claims }
    }

    /// Returns the connection for a proxy that has arrived with a key: the one that there is, or a new one. The manager knows then
    /// that this process refers to the object.
    pub(crate) fn claim(
        manager: ManagerId,
        object: ObjectId,
        key: ControlTicket,
    ) -> Result<Arc<Connection>, CallError> {
        // Two threads that receive the first proxies of a manager at once should share one connection.
        static ENTRANCE: Mutex<()> = Mutex::new(());
        // Opening takes a round trip at most once for each manager, so all openings may share one lock.
        let entrance = lock(&ENTRANCE);
        let connection = match known(manager) {
            Some(connection) => connection,
            None => Connection::open(manager, key.connect().map_err(CallError::from_link)?)?,
        };
        drop(entrance);
        // The key goes along: its ticket holds the object until the manager has added the reference of this process.
        connection.send(&ControlMessage::<&Message>::Claim { object, key })?;
        Ok(connection)
    }

    /// Lets a proxy leave in a message: returns the key that goes with it.
    pub(crate) fn ticket(self: &Arc<Connection>, object: ObjectId) -> Result<ControlTicket, CallError> {
        let (listener, key) = ControlListener::new().map_err(|error| CallError::from_io(&error))?;
        // The listener is on its way before the key leaves this process, so the receiver of the key is let in.
        self.send(&ControlMessage::<&Message>::Ticket { object, listener })?;
        Ok(key)
    }

    /// Calls, and waits for the answer.
    pub(crate) fn call(
        self: &Arc<Connection>,
        request: &Request<'_>,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        let sent = self.post(request, argument, deadline)?;
        self.wait_here(sent, request.objects, deadline)
    }

    /// Waits for the answer to a call. One that is not over in time is taken back, if it has not begun.
    pub(crate) fn wait(
        self: &Arc<Connection>,
        sent: Sent,
        objects: &[ObjectId],
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        self.check_owner()?;
        self.wait_here(sent, objects, deadline)
    }

    /// Waits in the process that the call was sent from, which [`post`](Self::post) has checked.
    fn wait_here(
        self: &Arc<Connection>,
        sent: Sent,
        objects: &[ObjectId],
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        let only_tries = deadline.is_some_and(is_over);
        if only_tries && sent.slot != ClaimSlot::default() {
            // Without a time of its own it has the one that giving up takes.
            return self.give_up(sent, objects, only_tries);
        }
        match self.replies.wait(sent.number, Limit::of(deadline))? {
            Waited::Reply(answer) => answer.map_err(CallError::from_failure),
            Waited::Closed => Err(CallError::ManagerGone),
            Waited::TimeIsUp | Waited::Begun => self.give_up(sent, objects, only_tries),
        }
    }

    /// Waits until one of several calls is answered, and returns which.
    pub(crate) fn wait_any(&self, sent: &[Sent], deadline: Option<Instant>) -> Result<Option<usize>, CallError> {
        self.check_owner()?;
        let numbers: Vec<u64> = sent.iter().map(|sent| sent.number).collect();
        self.replies.wait_any(&numbers, deadline)
    }

    /// Returns whether a call is answered, or never will be.
    pub(crate) fn is_answered(&self, sent: Sent) -> bool {
        // In a copy of the process no reply will ever come, and waiting for it must not hang.
        self.check_owner().is_err() || self.replies.has(sent.number)
    }

    /// Waits until a call is answered, or never will be. Returns whether it was in time.
    pub(crate) fn is_answered_by(&self, sent: Sent, deadline: Option<Instant>) -> bool {
        self.check_owner().is_err() || self.replies.has_by(sent.number, deadline)
    }

    /// Calls `callback` with the reply, on another thread. Without one this thread waits for the reply.
    pub(crate) fn call_back(self: &Arc<Connection>, sent: Sent, callback: Callback) {
        if let Err(forked) = self.check_owner() {
            return callback(Err(forked));
        }
        // The callback is called even where no thread can be started: then the caller listens until none is wanted.
        if self.replies.call_back(sent.number, callback) && !self.start_listener() {
            self.replies.listen(|| false);
        }
    }

    /// Starts a thread that calls callbacks while any is to come. Returns whether it could be started.
    fn start_listener(self: &Arc<Connection>) -> bool {
        let this = Arc::clone(self);
        let listen = move || this.replies.listen(|| this.start_listener());
        std::thread::Builder::new().name("procession-callback".to_owned()).spawn(listen).is_ok()
    }

    /// Drops the reply when it arrives.
    pub(crate) fn forget(&self, sent: Sent) {
        // In a copy of the process a thread that is not there may hold what is to be locked.
        if self.check_owner().is_ok() {
            self.replies.forget(sent.number);
        }
    }

    /// Gives back a reference. A manager that is gone has no references.
    pub(crate) fn release(self: &Arc<Connection>, object: ObjectId) {
        let request = Request::new(RequestKind::Release, object.0, MethodRef::None, &[]);
        let _gone = self.notify(&request, Message::default());
    }

    /// Returns whether the manager is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        if self.check_owner().is_err() {
            return true;
        }
        // The end of the connection is seen only by reading; an error is an end, too.
        let _news = self.replies.drain();
        self.replies.is_closed()
    }

    /// Returns the number of a method, for a call that names several in its argument.
    pub(crate) fn learn(&self, method: Method) -> Result<u32, CallError> {
        self.sender()?.number_of(&self.replies, method)
    }

    /// Returns whether this is the process that the connection belongs to, and no copy of it.
    pub(crate) fn check_owner(&self) -> Result<(), CallError> {
        if self.owner == ProcessIdentity::current().pid() { Ok(()) } else { Err(CallError::Forked) }
    }
}

/// Keeps the connection for proxies of the same manager that arrive later. It is not kept alive by that.
fn register(connection: &Arc<Connection>) {
    let mut all = lock(&CONNECTIONS);
    // Each opening tidies up after connections that are gone, so the list does not grow.
    all.retain(|one| one.strong_count() > 0);
    all.push(Arc::downgrade(connection));
}

/// Returns the connection of this process to a manager, unless it is one of the process that this is a copy of.
fn known(manager: ManagerId) -> Option<Arc<Connection>> {
    let all = lock(&CONNECTIONS);
    let mut alive = all.iter().filter_map(Weak::upgrade);
    // A copy of a process has the list, but not the right to its connections.
    alive.find(|one| one.manager == manager && one.owner == std::process::id())
}
