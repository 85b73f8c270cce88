//! The requests of clients of other programs, and how such clients are let in.

use std::io;
use std::sync::{Arc, MutexGuard};

use procession_channels::{Address, Listener, SocketConnection};
use procession_core::Method;
use procession_core::codec::Message;

use super::instance::Server;
use super::job::{Argument, Job, Shared, Work};
use super::object_cell::{ObjectCell, Outcome};
use super::origin::Origin;
use super::remote_client::{RemoteClient, Schema};
use super::state::State;
use crate::table::Holder;
use crate::wire::ids::{CallId, ClientId, ObjectId};
use crate::wire::protocol::{Failure, RequestHeader, RequestKind};
use crate::wire::tuning::ACCEPT_RETRY_INTERVAL;

/// Lets clients of other programs in, on a thread for each listener: handshakes take as long as the clients like.
pub(super) fn accept_all(server: &Arc<Server>, mut state: MutexGuard<'_, State>) {
    // The threads are started here, because `handle_serve` has no share of the server to give to them.
    for (listener, schema) in state.remote.listeners.drain(..) {
        let server = Arc::clone(server);
        let accept = move || {
            loop {
                match listener.accept() {
                    Ok(socket) => {
                        // A client for which there is no descriptor left sees the end of its connection.
                        let _refused = server.lock().add_remote_client(socket, Arc::clone(&schema));
                    }
                    Err(_) => std::thread::sleep(ACCEPT_RETRY_INTERVAL),
                }
            }
        };
        let _no_listener = std::thread::Builder::new().name("listener".to_owned()).spawn(accept);
    }
}

impl State {
    /// Adds a client that has proved that it knows the key. It has to greet before it can call.
    fn add_remote_client(&mut self, socket: SocketConnection, schema: Arc<Schema>) -> io::Result<()> {
        let token = self.token();
        let client = RemoteClient::new(socket, schema)?;
        self.epoll.add(client.pollable(), token)?;
        self.remote.clients.insert(token, client);
        Ok(())
    }

    /// Takes in one frame of a client of another program. Returns whether there may be more.
    pub(super) fn recv_remote(&mut self, token: u64) -> bool {
        let Some(client) = self.remote.clients.get_mut(&token) else { return false };
        // Replies first, as for local clients. One that has let them pile up is ended, and not read.
        let received = if client.drain(&self.epoll, token) { client.recv().ok() } else { None };
        let Some(received) = received else {
            self.on_client_exit(token);
            return false;
        };
        let Some(frame) = received else { return false };
        self.remote_active = true;
        if let Some(greeted) = client.greet(&frame) {
            let outcome = greeted.map_or_else(Outcome::Failed, |()| Outcome::Returned(Message::default()));
            // No call has number 0, so the client cannot take this for another reply. `reply` would drop it.
            self.send_outcome(ClientId(token), 0, outcome);
            return true;
        }
        let is_understood = self.handle_remote(ClientId(token), frame);
        if !is_understood {
            self.on_client_exit(token);
        }
        is_understood
    }

    /// Begins a call of another program, if it may be made from there. Returns whether it could be understood.
    fn handle_remote(&mut self, client: ClientId, bytes: Vec<u8>) -> bool {
        let Some((_, header)) = RequestHeader::read(&bytes) else { return false };
        let is_its = self.table.is_held(ObjectId(header.target), Holder::Client(client));
        // Ids of objects are small numbers, which another program can guess. Only a reference that it holds permits a call.
        let may = match header.kind {
            RequestKind::Exclusive
            | RequestKind::Shared
            | RequestKind::Conditional
            | RequestKind::Sequential
            | RequestKind::ClearPoison
            | RequestKind::Release => is_its,
            // Another target would name an exit hook, which no registry offers.
            RequestKind::Make | RequestKind::Open => header.target == 0,
            RequestKind::Cancel | RequestKind::Count => true,
            // The objects of steps stand in the payload and are not checked here; and other programs do not end a manager.
            RequestKind::Steps | RequestKind::Shutdown => false,
        };
        if may {
            return self.handle_call(client, bytes, Vec::new());
        }
        let call = CallId { client, number: header.number };
        // As for an object that never was: the reply gives nothing away about the objects of other clients.
        self.answer(Origin::Client(call), Outcome::Failed(Failure::Gone));
        true
    }

    /// Replies with the shared object of that name, or begins the job that makes it.
    pub(super) fn begin_open(&mut self, call: CallId, header: RequestHeader, argument: Argument) {
        let origin = Origin::Client(call);
        let schema = self.remote.clients.get(&call.client.0).map(|client| client.schema.fingerprint);
        let (Some(schema), Some(method)) = (schema, self.method(call.client, header.method, RequestKind::Open)) else {
            return self.refuse_number(origin);
        };
        let shared = (schema, header.method);
        // The server itself holds a reference to each shared object, so one that was made is never gone.
        if let Some(object) = self.remote.shared.get(&shared).copied() {
            self.table.hold(object, Holder::Client(call.client));
            return self.answer(origin, Outcome::of(&object));
        }
        self.start(Job::new(origin, None, Work::Make { method, exit_hook: None, shared: Some(shared), argument }));
    }

    /// Keeps an object that all remote clients share, unless another client was first. Returns the one that is kept.
    pub(super) fn share(&mut self, shared: Shared, cell: Arc<ObjectCell>, holder: Holder) -> ObjectId {
        let server = Holder::Client(ClientId::SERVER);
        let object = self.table.insert(cell, server, false);
        let first = *self.remote.shared.entry(shared).or_insert(object);
        // Making runs without the lock, so two clients may have made the object at the same time.
        if first != object {
            let released = self.table.release(object, server);
            self.finish_release(released);
        }
        self.table.hold(first, holder);
        first
    }

    /// Listens for other programs, and replies with the address. Returns whether the request could be understood.
    pub(super) fn handle_serve(
        &mut self,
        call: CallId,
        address: &str,
        key: &[u8],
        fingerprint: u64,
        methods: Vec<(u8, Method)>,
    ) -> bool {
        let method = |(kind, method)| Some((RequestKind::of(kind)?, method));
        let Some(methods) = methods.into_iter().map(method).collect() else { return false };
        let address = address.parse::<Address>().map_err(|error| error.to_string());
        let listener = address.and_then(|address| Listener::bind(address, key).map_err(|error| error.to_string()));
        let outcome = match listener {
            Ok(listener) => {
                let address = listener.address().to_string();
                self.remote.listeners.push((listener, Arc::new(Schema { fingerprint, methods })));
                Outcome::of(&address)
            }
            Err(text) => Outcome::Failed(Failure::Nonsense(text)),
        };
        self.answer(Origin::Client(call), outcome);
        true
    }
}
