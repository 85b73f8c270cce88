//! Proxies inside the server: those that lie in a managed value, or that a method was given.
//!
//! They need no connection. A call goes into the same table as everybody's, and the thread that makes it runs it if it can be run
//! at once, and waits if not.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use procession_core::codec::Message;
use procession_core::{ControlListener, ControlTicket, Method};

use super::Server;
use super::context;
use super::job::{Frame, Job, Origin, Work};
use super::object_cell::Outcome;
use crate::table::Holder;
use crate::wire::error::CallError;
use crate::wire::ids::{ClientId, ManagerId, ObjectId};
use crate::wire::protocol::RequestKind;

/// How long beyond its time a call may take that runs already.
const A_MOMENT: Duration = Duration::from_millis(100);

static OWN: OnceLock<Arc<Server>> = OnceLock::new();

/// Where the outcome of a in_process's call is put.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    outcome: Mutex<Option<Outcome>>,
    is_there: Condvar,
}

/// Makes this process the server of a manager.
pub(crate) fn register(server: &Arc<Server>) {
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

    /// Waits for the outcome; `None` if it is not there in time.
    fn wait(&self, deadline: Option<Instant>) -> Option<Outcome> {
        let mut outcome = self.lock();
        loop {
            if let Some(outcome) = outcome.take() {
                return Some(outcome);
            }
            let Some(at) = deadline else {
                outcome = self.is_there.wait(outcome).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            outcome = self.is_there.wait_timeout(outcome, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Server {
    /// Calls a method from inside. One that has not begun in time never will.
    pub(crate) fn call_here(
        &self,
        kind: RequestKind,
        object: ObjectId,
        method: Method,
        argument: Message,
        deadline: Option<Instant>,
    ) -> Result<Message, CallError> {
        if context::is_held(object) {
            return Err(CallError::Reentrant);
        }
        let slot = Arc::new(Slot::default());
        let (payload, descriptors) = argument.into_parts();
        let end = payload.len();
        let frame = Frame { bytes: payload.into_vec(), end, descriptors };
        let job = Job::new(Origin::InProcess(Arc::clone(&slot)), Some(object), Work::Call { kind, method, frame });
        let mut state = self.lock();
        state.start(job);
        // Only its own call: another one might want what this thread is working on, and wait for itself.
        match state.take_ready(|origin| matches!(origin, Origin::InProcess(one) if Arc::ptr_eq(one, &slot))) {
            Some((job, cells)) => self.run_alone(state, job, cells),
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
    fn take_back(&self, slot: &Arc<Slot>, object: ObjectId) -> Option<Outcome> {
        let mut state = self.lock();
        let is_it = |origin: &Origin| matches!(origin, Origin::InProcess(one) if Arc::ptr_eq(one, slot));
        // One that is being tried right now is cancelled when its condition is found not to hold.
        let _begun = state.cancel(is_it, &[object]);
        drop(self.pass_on(state, None));
        slot.wait(Instant::now().checked_add(A_MOMENT))
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
    pub(crate) fn clear_poison(&self, object: ObjectId) -> Result<(), CallError> {
        self.lock().table.set_poison(object, None).then_some(()).ok_or(CallError::ObjectGone)
    }

    /// A key for a proxy that leaves in a message.
    pub(crate) fn ticket(&self, object: ObjectId) -> std::io::Result<ControlTicket> {
        let (listener, key) = ControlListener::new()?;
        self.lock().add_ticket_listener(listener, object)?;
        Ok(key)
    }
}
