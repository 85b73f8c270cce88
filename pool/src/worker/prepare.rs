//! What a worker does before its first task, and after its last one.

use std::any::Any;
use std::io;

use procession_core::codec::{self, Message};
use procession_core::os::priority;
use procession_core::{CallError, Method, Target};
use procession_process::panics;

use super::STATE;
use crate::wire::protocol::{Call, InitFailure, Initializer, Maker};

/// Takes the place among the processes that was asked for.
pub(super) fn place(processor: Option<usize>, niceness: Option<i32>) -> Result<(), InitFailure> {
    let failed = |what: &str, error: io::Error| InitFailure::NotRun(format!("cannot {what}: {error}"));
    processor
        .map_or(Ok(()), priority::pin_to)
        .map_err(|error| failed("run on the processor that was asked for", error))?;
    niceness
        .map_or(Ok(()), priority::set_niceness)
        .map_err(|error| failed("have the niceness that was asked for", error))
}

/// Runs the initializer.
pub(super) fn prepare(initializer: Initializer) -> Result<(), InitFailure> {
    let Initializer { call: Call { function, argument }, verdict } = initializer;
    let not_run = |error: CallError| InitFailure::NotRun(error.to_string());
    let result = panics::catch(|| function.call(argument, None)).map_err(InitFailure::Panicked)?.map_err(not_run)?;
    let verdict = panics::catch(|| verdict.call(result, None)).map_err(InitFailure::Panicked)?.map_err(not_run)?;
    match codec::decode::<Option<String>>(verdict) {
        Ok(None) => Ok(()),
        Ok(Some(text)) => Err(InitFailure::Error(text)),
        Err(error) => Err(InitFailure::NotRun(error.to_string())),
    }
}

/// Runs the finalizer.
pub(super) fn finalize(Call { function, argument }: Call) -> Result<(), InitFailure> {
    let result = panics::catch(|| function.call(argument, None)).map_err(InitFailure::Panicked)?;
    result.map(drop).map_err(|error| InitFailure::NotRun(error.to_string()))
}

/// Makes what this worker is to keep.
pub(super) fn make(Maker { method, argument }: Maker) -> Result<(), InitFailure> {
    let made = made(method, argument).map_err(InitFailure::NotRun);
    let made = panics::catch(|| made).map_err(InitFailure::Panicked)??;
    // A worker is prepared once.
    let _kept = STATE.set(made);
    Ok(())
}

pub(super) fn made(method: Method, argument: Message) -> Result<Box<dyn Any + Send + Sync>, String> {
    let mut place = None;
    let (payload, descriptors) = argument.into_parts();
    method.call(Target::New(&mut place), &payload, descriptors, Vec::new()).map_err(|error| error.to_string())?;
    place.ok_or_else(|| "it made nothing".to_owned())
}
