//! How a worker runs tasks that it has started.
//!
//! All that a task runs of the user's code is within one `catch`: decoding, the function, encoding, and the drop of the value.
//! A panic before the result was published is the failure of its task. One in the drop after that is only written to standard
//! error.

use std::io::{self, Write};
use std::mem;

use procession_core::codec::{self, Handles};
use procession_core::{Buffer, BufferReader, CallBatch, CallError, LinkError, MethodError, PendingDrop};
use procession_process::{Panic, panics};

use super::Worker;
use super::loaded_fn::LoadedFn;
use super::task_queue::StartedTasks;
use crate::model::trace;
use crate::wire::item::MAX_HEAD_LEN;
use crate::wire::messages::RunError;

impl Worker {
    /// Runs tasks that were started together, and reports their outcomes.
    pub(super) fn run_started(&mut self, mut started: StartedTasks) -> Result<(), LinkError> {
        if self.current.0 != started.function && !self.switch_function(started.function)? {
            return Ok(());
        }
        if started.has_descriptors {
            self.descriptors = self.task_descriptors(started.serial)?;
        }
        while started.count > 0 && !self.is_leaving {
            // One `catch` for all of them: it is entered again only behind a panic, so usual tasks do not pay for it.
            match panics::catch(|| self.run_until_panic(&mut started)) {
                Ok(outcome) => outcome?,
                // The result was published, so its task has succeeded whatever its `Drop` does.
                Err(panic) if mem::take(&mut self.is_dropping) => {
                    self.count_progress(&mut started);
                    log_drop_panic(&panic);
                }
                Err(panic) => {
                    self.count_progress(&mut started);
                    self.finish(&mut started, Err(Box::new(RunError::Panicked(panic))))?;
                }
            }
        }
        // After all of them, because a panic in the middle comes back to the same tasks.
        self.tasks.commit(&started);
        self.report_durations();
        self.notify_if_asleep(self.clock.notify_interval())
    }

    /// Runs the tasks that are left, until one panics.
    fn run_until_panic(&mut self, started: &mut StartedTasks) -> Result<(), LinkError> {
        while started.count > 0 && !self.is_leaving {
            self.clock.start(&self.rings);
            let before = started.count;
            let outcome = match self.run_batch(started) {
                Some(outcome) => outcome,
                None if started.count < before => {
                    self.notify_between(started)?;
                    continue;
                }
                None => self.run_one(started),
            };
            self.finish(started, outcome)?;
            self.drop_result();
            self.notify_between(started)?;
        }
        Ok(())
    }

    /// Drops the value that the last task returned, now that its result was reported: its `Drop` is code of the user's.
    #[inline]
    fn drop_result(&mut self) {
        if !self.pending_drop.is_empty() {
            self.is_dropping = true;
            drop(mem::take(&mut self.pending_drop));
            self.is_dropping = false;
        }
    }

    /// Notifies the pool of results although other tasks of the chunk are left: one of them may take long.
    #[inline]
    fn notify_between(&mut self, started: &StartedTasks) -> Result<(), LinkError> {
        let is_due = self.clock.was_read() && started.count > 0;
        if is_due { self.notify_if_asleep(self.clock.notify_interval()) } else { Ok(()) }
    }

    /// Counts the tasks of a batch that have ended.
    #[inline]
    fn count_progress(&mut self, started: &mut StartedTasks) {
        let progress = mem::take(&mut self.progress);
        started.advance(progress);
        self.clock.end(progress.count);
    }

    /// Reports the outcome of the first of these tasks, and moves on to the next.
    #[inline]
    fn finish(&mut self, started: &mut StartedTasks, outcome: Result<(), Box<RunError>>) -> Result<(), LinkError> {
        self.tasks.advance(started);
        self.report(outcome)?;
        self.clock.end(1);
        Ok(())
    }

    /// Runs and reports tasks in one loop as long as they are small and come without descriptors. Returns the outcome of the last
    /// one if it ran and was not reported, as [`run_one`](Worker::run_one) does, and else `None`.
    #[inline]
    fn run_batch(&mut self, started: &mut StartedTasks) -> Option<Result<(), Box<RunError>>> {
        let LoadedFn::Plain(function) = *self.current.1 else { return None };
        // A subscriber gets a span for each task, which one loop over them cannot open.
        if trace::is_wanted() || started.is_in_buffer || !self.descriptors.is_empty() {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&[0; MAX_HEAD_LEN - 1]);
        let outcome = function.call_batch(CallBatch {
            arguments: self.tasks.items(started),
            max: started.count.min(self.clock.left()),
            passed: &mut self.progress,
            results: &mut self.rings.result_ring,
            descriptors: &mut self.descriptors,
            last: &mut self.scratch,
            remains: &mut self.pending_drop,
            parting: &mut self.is_dropping,
        });
        self.count_progress(started);
        match outcome {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(run_error(&error))),
        }
    }

    /// Runs one task. Its result is in the scratch buffer, behind the space for its head; its descriptors replace those of the
    /// argument.
    #[inline]
    fn run_one(&mut self, started: &StartedTasks) -> Result<(), Box<RunError>> {
        let (argument, scratch) = (self.tasks.argument(started), &mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(&[0; MAX_HEAD_LEN]);
        let _span = trace::task();
        let buffer = if started.is_in_buffer { Some(open_argument(&self.argument_buffers, argument)?) } else { None };
        let argument = buffer.as_deref().unwrap_or(argument);
        self.pending_drop = apply(&self.current.1, argument, &mut self.descriptors, scratch)?;
        Ok(())
    }
}

/// Writes to standard error that the `Drop` of a published result has panicked.
#[cold]
fn log_drop_panic(panic: &Panic) {
    // A closed standard error is no reason to fail.
    let _unread = writeln!(io::stderr(), "a task's result, which was reported before, {panic} when it was dropped");
}

/// Opens the buffer of a large argument, whose handle came in its place.
#[cold]
fn open_argument(buffers: &BufferReader, handle: &[u8]) -> Result<Buffer, Box<RunError>> {
    let handle = codec::decode_from(handle, Vec::new()).map_err(|error| run_error(&CallError::Argument(error)))?;
    let missing = || Box::new(RunError::BadArgument("the buffer of its argument was taken back".to_owned()));
    buffers.open(handle).ok_or_else(missing)
}

/// Calls the function and appends its encoded result. `descriptors` are the argument's, and afterwards the result's.
#[inline]
fn apply(
    function: &LoadedFn,
    argument: &[u8],
    descriptors: &mut Handles,
    result: &mut Vec<u8>,
) -> Result<PendingDrop, Box<RunError>> {
    match function {
        LoadedFn::Plain(function) => {
            function.call_into(argument, descriptors, result).map_err(|error| run_error(&error))
        }
        LoadedFn::With { method, context } => {
            let mut pending_drop = PendingDrop::default();
            let outcome = method.call_shared(&**context, argument, mem::take(descriptors), &mut pending_drop);
            let (payload, with) = outcome.map_err(|error| method_error(&error))?.into_parts();
            result.extend_from_slice(&payload);
            *descriptors = with;
            Ok(pending_drop)
        }
        LoadedFn::Failed(text) => Err(Box::new(RunError::BadArgument(format!("its context was not made: {text}")))),
    }
}

/// Returns what the pool learns of a call that brought no result.
#[cold]
fn run_error(error: &CallError) -> Box<RunError> {
    Box::new(match error {
        CallError::Result(error) => RunError::BadResult(error.to_string()),
        error => RunError::BadArgument(error.to_string()),
    })
}

#[cold]
fn method_error(error: &MethodError) -> Box<RunError> {
    Box::new(match error {
        MethodError::Result(error) => RunError::BadResult(error.to_string()),
        error => RunError::BadArgument(error.to_string()),
    })
}
