//! Proxies inside the server: those that lie in a managed value, or that a method was given.
//!
//! They need no connection. A call goes through the same table as all others. The thread that makes it runs it at once if it can be
//! run, and waits otherwise.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use procession_core::codec::Message;
use procession_core::{ControlListener, ControlTicket, Method};

use super::context;
use super::instance::Server;
use super::job::{Argument, Job, Work};
use super::object_cell::Outcome;
use super::origin::{Origin, OutcomeSlot};
use crate::table::Holder;
use crate::wire::error::CallError;
use crate::wire::ids::{ClientId, ManagerId, ObjectId};
use crate::wire::protocol::RequestKind;
use crate::wire::tuning::RUNNING_CALL_TIMEOUT;

static OWN: OnceLock<Arc<Server>> = OnceLock::new();

/// Makes this process the server of a manager.
pub(super) fn register(server: &Arc<Server>) {
    let _only_once = OWN.set(Arc::clone(server));
}

/// Returns the server of this process, if it is the server of this manager.
pub(crate) fn own(manager: ManagerId) -> Option<Arc<Server>> {
    OWN.get().filter(|server| server.manager == manager).cloned()
}

/// Delivers the outcome of a call whose method has returned: the [`Deliver`](super::origin::Deliver) of the server.
pub(super) fn deliver(origin: Origin, outcome: Outcome) {
    let Some(server) = OWN.get() else { return };
    let mut state = server.lock();
    state.answer(origin, outcome);
    if !state.busy.is_empty() {
        // The leader reads a client to its end that cannot be answered, and may be asleep.
        server.waker.wake();
    }
}

impl Server {
    /// Calls a method from inside. One that has not begun in time never will.
    pub(crate) fn call_in_process(
        &self,
        kind: RequestKind,
        object: ObjectId,
        method: Method,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        // The turn would come only after the method that runs, and that would wait for this call.
        if context::is_held(object) {
            return Err(CallError::Reentrant);
        }
        let slot = Arc::new(OutcomeSlot::default());
        let work = Work::Call { kind, method, argument: Argument::from(argument) };
        let job = Job::new(Origin::InProcess(Arc::clone(&slot)), Some(object), work);
        let mut state = self.lock();
        state.start(job);
        // Only its own call: another one might want what this thread is working on, and wait for itself.
        match state.take_ready(|origin| origin.is_slot(&slot)) {
            Some((job, cells)) => self.run_alone(state, job, cells),
            // It waits for its turn, or was refused at once. The slot says which.
            None => drop(state),
        }
        match slot.wait(deadline).or_else(|| self.take_back(&slot, object)) {
            Some(Outcome::Returned(result)) => Ok(result),
            Some(Outcome::Failed(failure)) => Err(CallError::from_failure(failure)),
            Some(Outcome::NotYet) => Err(CallError::Timeout { started: false }),
            None => Err(CallError::Timeout { started: true }),
        }
    }

    /// Takes a call back whose time is over. `None` if it runs, and goes on running.
    fn take_back(&self, slot: &Arc<OutcomeSlot>, object: ObjectId) -> Option<Outcome> {
        let mut state = self.lock();
        // A conditional call that is being tried right now is cancelled when its condition is found not to hold.
        let _begun = state.cancel(|origin| origin.is_slot(slot), &[object]);
        // Other calls may go on without the cancelled one, and the leader may be asleep.
        drop(self.pass_on(state, None));
        // A cancellation has filled the slot already, so only a call that runs uses this time.
        slot.wait(Instant::now().checked_add(RUNNING_CALL_TIMEOUT))
    }

    /// Adds a reference of the server's own. Returns whether there is such an object.
    pub(crate) fn hold(&self, object: ObjectId) -> bool {
        self.lock().table.hold(object, Holder::Client(ClientId::SERVER))
    }

    /// Gives a reference of the server's own back.
    pub(crate) fn let_go(&self, object: ObjectId) {
        self.release(object, Holder::Client(ClientId::SERVER));
    }

    /// Clears the poison of an object.
    pub(crate) fn clear_poison(&self, object: ObjectId) -> Result<(), CallError> {
        self.lock().table.set_poison(object, None).then_some(()).ok_or(CallError::ObjectGone)
    }

    /// Returns a ticket for a proxy that leaves in a message.
    pub(crate) fn ticket(&self, object: ObjectId) -> std::io::Result<ControlTicket> {
        // The other end of the ticket shows when the message that carries it is gone.
        let (listener, ticket) = ControlListener::new()?;
        self.lock().add_ticket_listener(listener, object)?;
        Ok(ticket)
    }
}
