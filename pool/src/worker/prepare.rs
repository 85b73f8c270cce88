//! The steps of a worker before its first task and after its last one.
//!
//! A step that fails or panics before the first task ends the worker with a report. One after the last task is reported, and the
//! worker ends as it would have. Errors travel as text, because the pool does not know their types.

use std::any::Any;
use std::io;

use procession_core::codec::{self, DecodeError, Message};
use procession_core::os::priority;
use procession_core::{Method, Operand};
use procession_process::{Panic, panics};

use crate::model::init_failure::{Cause, InitFailure, Step};
use crate::wire::messages::{Call, Initializer, StateFactory};

/// Sets the processor and the niceness that the pool's builder asked for.
pub(super) fn apply_placement(processor: Option<usize>, niceness: Option<i32>) -> Result<(), InitFailure> {
    let failed =
        |what: String, error: io::Error| Step::Placement.failed(Cause::NotRun(format!("cannot {what}: {error}")));
    if let Some(processor) = processor {
        priority::pin_to(processor).map_err(|error| failed(format!("run on processor {processor}"), error))?;
    }
    niceness
        .map_or(Ok(()), priority::set_niceness)
        .map_err(|error| failed("have the niceness that was asked for".to_owned(), error))
}

/// Runs the initializer. A panic is a failure, and so is an error that it returns.
pub(super) fn run_initializer(initializer: Initializer) -> Result<(), InitFailure> {
    let Initializer { call: Call { function, argument }, error_text } = initializer;
    let ran = panics::catch(|| function.call(argument, None).and_then(|result| error_text.call(result, None)));
    check(ran).map_err(|cause| Step::Initializer.failed(cause))
}

/// Runs the finalizer, which can fail by a panic only, or by an argument that cannot be decoded.
pub(super) fn run_finalizer(Call { function, argument }: Call) -> Result<(), InitFailure> {
    let result = panics::catch(|| function.call(argument, None)).map_err(Cause::Panicked);
    let result = result.and_then(|result| result.map_err(|error| Cause::NotRun(error.to_string())));
    result.map(drop).map_err(|cause| Step::Finalizer.failed(cause))
}

/// Makes a state, which the method keeps where tasks find it.
pub(super) fn make_state(StateFactory { method, argument }: StateFactory) -> Result<(), InitFailure> {
    let (payload, descriptors) = argument.into_parts();
    let made = panics::catch(|| method.call(Operand::Shared(&()), &payload, descriptors, Vec::new()));
    check(made.map(|made| made.map(Option::unwrap_or_default))).map_err(|cause| Step::State.failed(cause))
}

/// Decodes the result of a call that returns the text of an error, if there was one.
fn check<E: ToString>(ran: Result<Result<Message, E>, Panic>) -> Result<(), Cause> {
    let result = ran.map_err(Cause::Panicked)?.map_err(|error| Cause::NotRun(error.to_string()))?;
    let text: Result<Option<String>, DecodeError> = codec::decode(result);
    text.map_err(|error| Cause::NotRun(error.to_string()))?.map_or(Ok(()), |text| Err(Cause::Error(text)))
}

/// Makes the context of a job.
pub(super) fn make_context(method: Method, argument: Message) -> Result<Box<dyn Any + Send + Sync>, String> {
    let mut made = None;
    let (payload, descriptors) = argument.into_parts();
    method.call(Operand::New(&mut made), &payload, descriptors, Vec::new()).map_err(|error| error.to_string())?;
    made.ok_or_else(|| "it made nothing".to_owned())
}
