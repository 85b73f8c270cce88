//! [`ObjectCell`]: one value, and how a method is run on it.

use std::any::Any;
use std::sync::{Arc, RwLock};

use procession_core::codec::{self, Handles, Message};
use procession_core::os::mutex;
use procession_core::{Method, MethodError, Operand};
use procession_process::panics;
use serde::Serialize;

use crate::wire::protocol::{Failure, RequestKind};

/// A value of any type.
pub(crate) type AnyValue = Box<dyn Any + Send + Sync>;

/// A value where it lies. The table gives out turns before a method runs here, so no thread ever waits for the lock.
pub(crate) struct ObjectCell {
    value: RwLock<AnyValue>,
    /// To be called on the value when a client is gone.
    pub(crate) exit_hook: Option<Method>,
}

/// The outcome of a method.
#[derive(Debug)]
pub(crate) enum Outcome {
    Returned(Message),
    Failed(Failure),
    /// The condition does not hold, and nothing was changed.
    NotYet,
}

impl Outcome {
    /// Returns `result`, encoded.
    pub(super) fn of<R: Serialize>(result: &R) -> Outcome {
        let failed = |error: codec::EncodeError| Outcome::Failed(Failure::BadResult(error.to_string()));
        codec::encode(result).map_or_else(failed, Outcome::Returned)
    }
}

/// The parameters of one run of a method.
pub(crate) struct Invocation<'a> {
    pub(crate) kind: RequestKind,
    pub(crate) method: Method,
    pub(crate) argument: &'a [u8],
    pub(crate) descriptors: Handles,
    /// Memory for the result.
    pub(crate) buffer: Vec<u8>,
}

impl ObjectCell {
    pub(crate) fn new(value: AnyValue, exit_hook: Option<Method>) -> Arc<ObjectCell> {
        Arc::new(ObjectCell { value: RwLock::new(value), exit_hook })
    }

    /// Makes a value.
    pub(crate) fn make(run: Invocation<'_>, exit_hook: Option<Method>) -> Result<Arc<ObjectCell>, Failure> {
        let mut slot = None;
        match run.on(Operand::New(&mut slot)) {
            Outcome::Failed(failure) => Err(failure),
            // A maker writes its value into the slot, so its result is of no use.
            Outcome::Returned(_) | Outcome::NotYet => {
                let value = slot.ok_or_else(|| Failure::Nonsense("the method makes no value".to_owned()))?;
                Ok(ObjectCell::new(value, exit_hook))
            }
        }
    }

    /// Runs a method on the value. Whether it may change the value follows from its kind.
    pub(crate) fn run(&self, run: Invocation<'_>) -> Outcome {
        if run.kind.only_reads() {
            // The poison of std does not count: `on` catches panics, and the table keeps the poison that callers see.
            let value = mutex::ignore_poison(self.value.read());
            return run.on(Operand::Shared(&**value));
        }
        let mut value = mutex::ignore_poison(self.value.write());
        run.on(Operand::Exclusive(&mut **value))
    }

    /// Runs a method on two values, which are not the same.
    pub(crate) fn run_both(&self, other: &ObjectCell, run: Invocation<'_>) -> Outcome {
        // In any order: the job has its turn with both objects, so no other thread has either lock.
        let mut first = mutex::ignore_poison(self.value.write());
        let mut second = mutex::ignore_poison(other.value.write());
        run.on(Operand::Both(&mut **first, &mut **second))
    }
}

impl Invocation<'_> {
    /// Calls the method. A panic of it becomes the outcome, and the calling thread goes on.
    fn on(self, target: Operand<'_>) -> Outcome {
        let Invocation { method, argument, descriptors, buffer, .. } = self;
        // The panic is the caller's result; the server goes on.
        match panics::catch(|| method.call(target, argument, descriptors, buffer)) {
            Ok(Ok(Some(result))) => Outcome::Returned(result),
            Ok(Ok(None)) => Outcome::NotYet,
            Ok(Err(error)) => Outcome::Failed(failure(&error)),
            Err(panic) => Outcome::Failed(Failure::Panicked(panic)),
        }
    }
}

fn failure(error: &MethodError) -> Failure {
    match error {
        MethodError::Argument(error) => Failure::BadArgument(error.to_string()),
        MethodError::Result(error) => Failure::BadResult(error.to_string()),
        MethodError::WrongType(name) => Failure::WrongType((*name).to_owned()),
        other => Failure::Nonsense(other.to_string()),
    }
}
