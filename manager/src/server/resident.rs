//! Proxies inside the server: those that lie in a managed value, or that a method was given.
//!
//! They need no connection. A call goes into the same table as everybody's, and the thread that makes it runs it if it can be run
//! at once, and waits if not.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use procession_core::codec::Message;
use procession_core::{Door, Key, Method};

use super::Server;
use super::cell::Outcome;
use super::context;
use super::job::{Frame, Job, Origin, Work};
use crate::error::CallError;
use crate::ids::{ClientId, ManagerId, ObjectId};
use crate::table::Holder;
use crate::wire::{Failure, Kind};

static OWN: OnceLock<Arc<Server>> = OnceLock::new();

/// Where the outcome of a resident's call is put.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    outcome: Mutex<Option<Outcome>>,
    is_there: Condvar,
}

/// Makes this process the server of a manager.
pub(crate) fn settle(server: &Arc<Server>) {
    let _only_once = OWN.set(Arc::clone(server));
}

/// This process's server, if it is the server of this manager.
pub(crate) fn own(manager: ManagerId) -> Option<Arc<Server>> {
    OWN.get().filter(|server| server.manager == manager).cloned()
}

/// Answers a call from any thread, after its method has returned.
pub(super) fn answer(origin: Origin, outcome: Outcome) {
    let Some(server) = OWN.get() else { return };
    let mut state = server.lock();
    state.answer(origin, outcome);
    if !state.busy.is_empty() {
        // A client that is given up is heard to the end by the leader, who may be asleep.
        server.waker.wake();
    }
}

impl Slot {
    pub(crate) fn fill(&self, outcome: Outcome) {
        *self.lock() = Some(outcome);
        self.is_there.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Outcome {
        let mut outcome = self.lock();
        loop {
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            outcome = self.is_there.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Server {
    /// Calls a method from inside.
    pub(crate) fn call_here(
        &self,
        kind: Kind,
        object: ObjectId,
        method: Method,
        argument: Message,
    ) -> Result<Message, Failure> {
        if context::is_held(object) {
            return Err(Failure::Itself);
        }
        let slot = Arc::new(Slot::default());
        let (payload, descriptors) = argument.into_parts();
        let end = payload.len();
        let frame = Frame { bytes: payload.into_vec(), end, descriptors };
        let job = Job::new(Origin::Resident(Arc::clone(&slot)), Some(object), Work::Call { kind, method, frame });
        let mut state = self.lock();
        state.start(job);
        // Only its own call: another one might want what this thread is working on, and wait for itself.
        match state.take_ready(|origin| matches!(origin, Origin::Resident(one) if Arc::ptr_eq(one, &slot))) {
            Some((job, cells)) => self.run_alone(state, job, cells),
            None => drop(state),
        }
        match slot.wait() {
            Outcome::Returned(result) => Ok(result),
            Outcome::Failed(failure) => Err(failure),
            Outcome::NotYet => Err(Failure::Cancelled),
        }
    }

    /// Adds a reference of the server's own. Answers whether there is such an object.
    pub(crate) fn hold(&self, object: ObjectId) -> bool {
        self.lock().table.hold(object, Holder::Client(ClientId::SERVER))
    }

    /// Gives one back.
    pub(crate) fn let_go(&self, object: ObjectId) {
        let state = self.lock();
        drop(self.release(state, object, Holder::Client(ClientId::SERVER)));
    }

    /// Declares an object sound.
    pub(crate) fn mend(&self, object: ObjectId) -> Result<(), CallError> {
        self.lock().table.set_poison(object, None).then_some(()).ok_or(CallError::ObjectGone)
    }

    /// A key for a proxy that leaves in a message.
    pub(crate) fn ticket(&self, object: ObjectId) -> std::io::Result<Key> {
        let (door, key) = Door::new()?;
        self.lock().add_door(door, object)?;
        Ok(key)
    }
}
