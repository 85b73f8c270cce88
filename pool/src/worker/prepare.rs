//! What a worker does before its first task, and after its last one.

use std::any::Any;
use std::io;

use procession_core::codec::{self, DecodeError, Message};
use procession_core::os::priority;
use procession_core::{Method, Operand};
use procession_process::{Panic, panics};

use crate::wire::protocol::{Call, InitFailure, Initializer, Maker, Step, Why};

/// Takes the place among the processes that was asked for.
pub(super) fn place(processor: Option<usize>, niceness: Option<i32>) -> Result<(), InitFailure> {
    let failed = |what: String, error: io::Error| Step::Place.failed(Why::NotRun(format!("cannot {what}: {error}")));
    if let Some(processor) = processor {
        priority::pin_to(processor).map_err(|error| failed(format!("run on processor {processor}"), error))?;
    }
    niceness
        .map_or(Ok(()), priority::set_niceness)
        .map_err(|error| failed("have the niceness that was asked for".to_owned(), error))
}

/// Runs the initializer.
pub(super) fn prepare(initializer: Initializer) -> Result<(), InitFailure> {
    let Initializer { call: Call { function, argument }, verdict } = initializer;
    let ran = panics::catch(|| function.call(argument, None).and_then(|result| verdict.call(result, None)));
    judge(ran).map_err(|why| Step::Initializer.failed(why))
}

/// Runs the finalizer.
pub(super) fn finalize(Call { function, argument }: Call) -> Result<(), InitFailure> {
    let result = panics::catch(|| function.call(argument, None)).map_err(Why::Panicked);
    let result = result.and_then(|result| result.map_err(|error| Why::NotRun(error.to_string())));
    result.map(drop).map_err(|why| Step::Finalizer.failed(why))
}

/// Makes what this worker is to keep.
pub(super) fn make(Maker { method, argument }: Maker) -> Result<(), InitFailure> {
    let (payload, descriptors) = argument.into_parts();
    let made = panics::catch(|| method.call(Operand::Shared(&()), &payload, descriptors, Vec::new()));
    judge(made.map(|made| made.map(Option::unwrap_or_default))).map_err(|why| Step::State.failed(why))
}

/// What a call has come to whose result is the text of an error, if there was one.
fn judge<E: ToString>(ran: Result<Result<Message, E>, Panic>) -> Result<(), Why> {
    let verdict = ran.map_err(Why::Panicked)?.map_err(|error| Why::NotRun(error.to_string()))?;
    let verdict: Result<Option<String>, DecodeError> = codec::decode(verdict);
    verdict.map_err(|error| Why::NotRun(error.to_string()))?.map_or(Ok(()), |text| Err(Why::Error(text)))
}

/// Makes the context of a job.
pub(super) fn made(method: Method, argument: Message) -> Result<Box<dyn Any + Send + Sync>, String> {
    let mut place = None;
    let (payload, descriptors) = argument.into_parts();
    method.call(Operand::New(&mut place), &payload, descriptors, Vec::new()).map_err(|error| error.to_string())?;
    place.ok_or_else(|| "it made nothing".to_owned())
}
