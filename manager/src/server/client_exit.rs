//! The exit of a client: all that it had is given back, and exit hooks are run.

use std::collections::VecDeque;

use procession_core::codec;

use super::job::{Argument, Job, Work};
use super::origin::Origin;
use super::state::State;
use crate::wire::ids::{ClientId, ObjectId};
use crate::wire::protocol::{Failure, RequestKind};

impl State {
    /// A client is gone.
    pub(crate) fn on_client_exit(&mut self, token: u64) {
        let id = ClientId(token);
        // Tokens are never used again, but the list would grow.
        self.awake.retain(|one| *one != token);
        if let Some(client) = self.clients.remove(&token) {
            client.close(&self.epoll);
        } else if !self.remove_remote(token) {
            return;
        }
        let (gone, stay): (Vec<Job>, Vec<Job>) =
            // Its calls are refused, and not run: their results could not be delivered, and they may be long.
            std::mem::take(&mut self.ready).into_iter().partition(|job| is_of(job, id));
        self.ready = stay.into();
        // Its jobs that run are in no list; `is_deserted` recognises them when they end.
        let mut ready = VecDeque::new();
        let mut released = self.table.remove_client(id, |job| is_of(job, id), &mut ready);
        // After all lists were searched: leaving an object lets the next job go on, which must not be one of this client.
        for job in gone.into_iter().chain(std::mem::take(&mut released.calls)) {
            self.refuse(job, Failure::Gone);
        }
        self.finish_release(released);
        self.go_on(ready);
        // Each of them, because only the value knows whether the client held something of it.
        for object in self.table.with_exit_hooks() {
            self.start_exit_hook(object, id);
        }
    }

    /// Removes a client of another program. Returns whether there was one.
    fn remove_remote(&mut self, token: u64) -> bool {
        #[cfg(feature = "remote")]
        if let Some(client) = self.remote.clients.remove(&token) {
            let _known = self.epoll.remove(client.pollable());
            return true;
        }
        let _no_client = token;
        false
    }

    /// Returns whether the caller is gone.
    pub(super) fn is_deserted(&self, origin: &Origin) -> bool {
        let Origin::Client(call) = origin else { return false };
        #[cfg(feature = "remote")]
        let is_remote = self.remote.clients.contains_key(&call.client.0);
        #[cfg(not(feature = "remote"))]
        let is_remote = false;
        !is_remote && !self.clients.contains_key(&call.client.0)
    }

    /// Begins the exit hook of an object for a client that is gone. Its argument is the number of that client.
    fn start_exit_hook(&mut self, object: ObjectId, client: ClientId) {
        let Some(method) = self.table.value(object).and_then(|cell| cell.exit_hook) else { return };
        let Ok(argument) = codec::encode(&client.0) else { return };
        let work = Work::Call { kind: RequestKind::Exclusive, method, argument: Argument::from(argument) };
        // A job like any other: it waits for its turn, and as it may change the object, parked calls try again after it.
        self.start(Job::new(Origin::ExitHook(client), Some(object), work));
    }
}

/// Returns whether a client has sent the job over its connection. Exit hooks for it are not its jobs.
fn is_of(job: &Job, client: ClientId) -> bool {
    matches!(job.origin, Origin::Client(call) if call.client == client)
}
