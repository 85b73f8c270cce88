//! [`Handle`]: a reference to one object, over a connection, or inside the manager's own process.

use std::sync::Arc;
use std::time::Instant;

use procession_core::ControlTicket;
use procession_core::codec::Message;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::connection::{Connection, Request, Sent, Which};
use crate::error::CallError;
use crate::ids::{ManagerId, ObjectId};
use crate::server::{Server, resident};
use crate::wire::Kind;

/// The way to an object.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// Over a connection.
    Far(Arc<Connection>),
    /// In this very process, which is the manager's.
    Here(Arc<Server>),
}

/// One reference to an object, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) link: Link,
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
    pub(crate) fn new(link: Link, object: ObjectId) -> Arc<Handle> {
        Arc::new(Handle { link, object })
    }

    pub(crate) fn manager(&self) -> ManagerId {
        match &self.link {
            Link::Far(connection) => connection.manager,
            Link::Here(server) => server.manager,
        }
    }

    /// Calls a method, and waits for its result.
    pub(crate) fn call(
        &self,
        kind: Kind,
        which: Which,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        match &self.link {
            Link::Far(connection) => connection.call(&self.request(kind, which), argument, deadline),
            Link::Here(server) => here(server, kind, self.object, which, argument, deadline),
        }
    }

    /// Calls a method without waiting.
    pub(crate) fn post(&self, kind: Kind, which: Which, argument: Message) -> Result<Posted, CallError> {
        match &self.link {
            Link::Far(connection) => {
                let request = self.request(kind, which).waited_for_later();
                connection.post(&request, argument, None).map(Posted::Sent)
            }
            Link::Here(server) => Ok(Posted::Over(here(server, kind, self.object, which, argument, None))),
        }
    }

    /// Calls a method whose result nobody wants. A manager that is gone has nothing to be told.
    pub(crate) fn tell(&self, kind: Kind, which: Which, argument: Message) {
        match &self.link {
            Link::Far(connection) => drop(connection.tell(&self.request(kind, which), argument)),
            Link::Here(server) => drop(here(server, kind, self.object, which, argument, None)),
        }
    }

    /// As [`tell`](Self::tell), where nobody waits for what it does: the manager is not woken for it.
    pub(crate) fn mention(&self, kind: Kind, which: Which, argument: Message) {
        match &self.link {
            Link::Far(connection) => drop(connection.mention(&self.request(kind, which), argument)),
            Link::Here(_) => self.tell(kind, which, argument),
        }
    }

    /// Waits for what was posted.
    pub(crate) fn wait(&self, posted: Posted, deadline: Option<Instant>) -> Result<Message, CallError> {
        match (&self.link, posted) {
            (Link::Far(connection), Posted::Sent(sent)) => connection.wait(sent, &[self.object], deadline),
            (_, Posted::Over(result)) => result,
            (Link::Here(_), Posted::Sent(_)) => Err(CallError::ManagerGone),
        }
    }

    pub(crate) fn mend(&self, deadline: Option<Instant>) -> Result<(), CallError> {
        match &self.link {
            Link::Far(connection) => {
                connection.call(&self.request(Kind::Mend, Which::None), Message::default(), deadline).map(drop)
            }
            Link::Here(server) => server.mend(self.object),
        }
    }

    fn request(&self, kind: Kind, which: Which) -> Request<'_> {
        Request::new(kind, self.object.0, which, std::slice::from_ref(&self.object))
    }

    fn key(&self) -> Result<ControlTicket, CallError> {
        match &self.link {
            Link::Far(connection) => connection.ticket(self.object),
            Link::Here(server) => server.ticket(self.object).map_err(|error| CallError::from_io(&error)),
        }
    }
}

fn here(
    server: &Server,
    kind: Kind,
    object: ObjectId,
    which: Which,
    argument: Message,
    deadline: Option<Instant>,
) -> Result<Message, CallError> {
    let Which::Named(method) = which else { return Err(CallError::ObjectGone) };
    server.call_here(kind, object, method, argument, deadline)
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.link {
            Link::Far(connection) => connection.release(self.object),
            Link::Here(server) => server.let_go(self.object),
        }
    }
}

/// A handle rides in any message. The key in it holds a reference until the receiver has taken its own, or until the message
/// is gone.
impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = self.key().map_err(S::Error::custom)?;
        (self.manager(), self.object, key).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Handle, D::Error> {
        let (manager, object, key) = <(ManagerId, ObjectId, ControlTicket)>::deserialize(deserializer)?;
        if let Some(server) = resident::own(manager) {
            if !server.hold(object) {
                return Err(D::Error::custom(CallError::ObjectGone));
            }
            return Ok(Handle { link: Link::Here(server), object });
        }
        let connection = Connection::claim(manager, object, key).map_err(D::Error::custom)?;
        Ok(Handle { link: Link::Far(connection), object })
    }
}
