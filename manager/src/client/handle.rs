//! [`Handle`]: a reference to one object, over a connection, or inside the manager's own process.

use std::sync::Arc;
use std::time::Instant;

use procession_core::ControlTicket;
use procession_core::codec::Message;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::connection::Connection;
use super::request::{MethodRef, Request, Sent};
use crate::server::in_process;
use crate::server::instance::Server;
use crate::wire::error::CallError;
use crate::wire::ids::{ManagerId, ObjectId};
use crate::wire::protocol::RequestKind;

/// The way to an object.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Over a connection.
    Connected(Arc<Connection>),
    /// In this very process, which is the manager's.
    InProcess(Arc<Server>),
}

/// One reference to an object, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    /// Where calls go.
    pub(crate) route: Route,
    /// The object, by the id that its manager has given it.
    pub(crate) object: ObjectId,
}

/// A call that was sent; inside the manager it is over already.
#[derive(Debug)]
pub(crate) enum Posted {
    Sent(Sent),
    Over(Result<Message, CallError>),
}

impl Handle {
    /// Takes over a reference that the manager has counted.
    pub(crate) fn new(route: Route, object: ObjectId) -> Arc<Handle> {
        Arc::new(Handle { route, object })
    }

    /// Returns the manager of the object. Ids of objects are unique only together with it.
    pub(crate) fn manager(&self) -> ManagerId {
        match &self.route {
            Route::Connected(connection) => connection.manager,
            Route::InProcess(server) => server.manager,
        }
    }

    /// Calls a method, and waits for its result.
    pub(crate) fn call(
        &self,
        kind: RequestKind,
        method_ref: MethodRef,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        match &self.route {
            Route::Connected(connection) => connection.call(&self.request(kind, method_ref), argument, deadline),
            Route::InProcess(server) => in_process(server, kind, self.object, method_ref, argument, deadline),
        }
    }

    /// Calls a method without waiting.
    pub(crate) fn post(
        &self,
        kind: RequestKind,
        method_ref: MethodRef,
        argument: Message,
    ) -> Result<Posted, CallError> {
        match &self.route {
            Route::Connected(connection) => {
                let request = self.request(kind, method_ref).waited_for_later();
                connection.post(&request, argument, None).map(Posted::Sent)
            }
            Route::InProcess(server) => {
                // Inside the server a call that is only sent would need a thread of its own, so it is run at once.
                Ok(Posted::Over(in_process(server, kind, self.object, method_ref, argument, None)))
            }
        }
    }

    /// Calls a method without a reply. A manager that is gone needs no notification.
    pub(crate) fn notify(&self, kind: RequestKind, method_ref: MethodRef, argument: Message) {
        match &self.route {
            Route::Connected(connection) => drop(connection.notify(&self.request(kind, method_ref), argument)),
            Route::InProcess(server) => drop(in_process(server, kind, self.object, method_ref, argument, None)),
        }
    }

    /// Calls a method without a reply, and without waking the manager for it.
    pub(crate) fn notify_lazily(&self, kind: RequestKind, method_ref: MethodRef, argument: Message) {
        match &self.route {
            Route::Connected(connection) => drop(connection.notify_lazily(&self.request(kind, method_ref), argument)),
            // No process is woken by it, so there is nothing to be lazy about.
            Route::InProcess(_) => self.notify(kind, method_ref, argument),
        }
    }

    /// Waits for what was posted.
    pub(crate) fn wait(&self, posted: Posted, deadline: Option<Instant>) -> Result<Message, CallError> {
        match (&self.route, posted) {
            (Route::Connected(connection), Posted::Sent(sent)) => connection.wait(sent, &[self.object], deadline),
            (_, Posted::Over(result)) => result,
            // A handle sends on its own route, so this cannot happen; an error is better than a panic.
            (Route::InProcess(_), Posted::Sent(_)) => Err(CallError::ManagerGone),
        }
    }

    /// Declares the object sound. Inside the server that takes no time, and has no deadline.
    pub(crate) fn clear_poison(&self, deadline: Option<Instant>) -> Result<(), CallError> {
        match &self.route {
            Route::Connected(connection) => connection
                .call(&self.request(RequestKind::ClearPoison, MethodRef::None), Message::default(), deadline)
                .map(drop),
            Route::InProcess(server) => server.clear_poison(self.object),
        }
    }

    fn request(&self, kind: RequestKind, method_ref: MethodRef) -> Request<'_> {
        Request::new(kind, self.object.0, method_ref, std::slice::from_ref(&self.object))
    }

    /// Returns a ticket that keeps the object alive while a message with the handle is on its way.
    fn ticket(&self) -> Result<ControlTicket, CallError> {
        match &self.route {
            Route::Connected(connection) => connection.ticket(self.object),
            Route::InProcess(server) => server.ticket(self.object).map_err(|error| CallError::from_io(&error)),
        }
    }
}

/// Calls a method in the server itself, and waits for its result.
fn in_process(
    server: &Server,
    kind: RequestKind,
    object: ObjectId,
    method_ref: MethodRef,
    argument: Message,
    deadline: Option<Instant>,
) -> Result<Message, CallError> {
    let MethodRef::Named(method) = method_ref else { return Err(CallError::ObjectGone) };
    server.call_in_process(kind, object, method, argument, deadline)
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.route {
            Route::Connected(connection) => connection.release(self.object),
            Route::InProcess(server) => server.let_go(self.object),
        }
    }
}

/// A handle rides in any message. The ticket in it holds a reference until the receiver has taken its own, or until the message
/// is gone.
impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ticket = self.ticket().map_err(S::Error::custom)?;
        (self.manager(), self.object, ticket).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Handle, D::Error> {
        let (manager, object, ticket) = <(ManagerId, ObjectId, ControlTicket)>::deserialize(deserializer)?;
        // Inside the server a connection to itself would occupy a thread for each nested call.
        if let Some(server) = in_process::own(manager) {
            // The ticket lives until the end of this function, so the object cannot go before its new reference is counted.
            if !server.hold(object) {
                return Err(D::Error::custom(CallError::ObjectGone));
            }
            return Ok(Handle { route: Route::InProcess(server), object });
        }
        let connection = Connection::claim(manager, object, ticket).map_err(D::Error::custom)?;
        Ok(Handle { route: Route::Connected(connection), object })
    }
}
