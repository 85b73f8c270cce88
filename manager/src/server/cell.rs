//! [`Cell`]: one value, and how a method is run on it.

use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock};

use procession_core::codec::{Handles, Message};
use procession_core::{Method, MethodError, Operand};
use procession_process::panics;

use crate::wire::{Failure, Kind};

/// A value of any type.
pub(crate) type Value = Box<dyn Any + Send + Sync>;

/// A value where it lies. The table has given out turns before anybody comes here, so the lock never makes anyone wait.
pub(crate) struct Cell {
    value: RwLock<Value>,
    /// To be called on the value when a client is gone.
    pub(crate) departure: Option<Method>,
}

/// What running a method has brought.
#[derive(Debug)]
pub(crate) enum Outcome {
    Returned(Message),
    Failed(Failure),
    /// The condition does not hold, and nothing was changed.
    NotYet,
}

/// What a method is run with.
pub(crate) struct Run<'a> {
    pub(crate) kind: Kind,
    pub(crate) method: Method,
    pub(crate) argument: &'a [u8],
    pub(crate) descriptors: Handles,
    /// Memory for the result.
    pub(crate) buffer: Vec<u8>,
}

impl Cell {
    pub(crate) fn new(value: Value, departure: Option<Method>) -> Arc<Cell> {
        Arc::new(Cell { value: RwLock::new(value), departure })
    }

    /// Makes a value.
    pub(crate) fn make(run: Run<'_>, departure: Option<Method>) -> Result<Arc<Cell>, Failure> {
        let mut place = None;
        match run.on(Operand::New(&mut place)) {
            Outcome::Failed(failure) => Err(failure),
            Outcome::Returned(_) | Outcome::NotYet => {
                let value = place.ok_or_else(|| Failure::Nonsense("the method makes no value".to_owned()))?;
                Ok(Cell::new(value, departure))
            }
        }
    }

    pub(crate) fn run(&self, run: Run<'_>) -> Outcome {
        if run.kind == Kind::Shared {
            let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
            return run.on(Operand::Shared(&**value));
        }
        let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
        run.on(Operand::Exclusive(&mut **value))
    }

    /// Runs a method on two values, which are not the same.
    pub(crate) fn run_both(&self, other: &Cell, run: Run<'_>) -> Outcome {
        let mut first = self.value.write().unwrap_or_else(PoisonError::into_inner);
        let mut second = other.value.write().unwrap_or_else(PoisonError::into_inner);
        run.on(Operand::Both(&mut **first, &mut **second))
    }
}

impl Run<'_> {
    fn on(self, target: Operand<'_>) -> Outcome {
        let Run { method, argument, descriptors, buffer, .. } = self;
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
