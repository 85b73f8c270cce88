//! How a worker runs its tasks.

use std::io::{self, Write};
use std::mem;

use procession_core::codec::{self, Handles};
use procession_core::{Buffer, BufferReader, CallBatch, CallError, LinkError, MethodError, PendingDrop};
use procession_process::{Panic, panics};

use super::{Skill, Worker};
use crate::inbox::Task;
use crate::trace;
use crate::wire::item::MAX_HEAD;
use crate::wire::protocol::Answer;

impl Worker {
    /// Runs tasks that were begun.
    pub(super) fn run_all(&mut self, mut task: Task) -> Result<(), LinkError> {
        if self.skill.0 != task.work && !self.change_skill(task.work)? {
            return Ok(());
        }
        if task.has_descriptors {
            self.descriptors = self.enclosed(task.unit)?;
        }
        while task.count > 0 && !self.leaving {
            match panics::catch(|| self.run_on(&mut task)) {
                Ok(outcome) => outcome?,
                Err(panic) if mem::take(&mut self.parting) => {
                    self.pass(&mut task);
                    report_of_parting(&panic);
                }
                Err(panic) => {
                    self.pass(&mut task);
                    self.finish(&mut task, Err(Box::new(Answer::Panicked(panic))))?;
                }
            }
        }
        self.inbox.settle(&task);
        self.tell_time();
        self.ring_if_asleep(self.pace.bells())
    }

    /// Runs the tasks that are left, until one panics.
    fn run_on(&mut self, task: &mut Task) -> Result<(), LinkError> {
        while task.count > 0 && !self.leaving {
            self.pace.begin(&self.lines);
            let before = task.count;
            let outcome = match self.run_row(task) {
                Some(outcome) => outcome,
                None if task.count < before => {
                    self.ring_between(task)?;
                    continue;
                }
                None => self.run(task),
            };
            self.finish(task, outcome)?;
            self.part();
            self.ring_between(task)?;
        }
        Ok(())
    }

    /// Drops what the last task has returned, now that its result was reported: to do so is code of the user's.
    #[inline]
    fn part(&mut self) {
        if !self.remains.is_empty() {
            self.parting = true;
            drop(mem::take(&mut self.remains));
            self.parting = false;
        }
    }

    /// Tells of results though others of the same unit are still to come: one of them may take long.
    #[inline]
    fn ring_between(&mut self, task: &Task) -> Result<(), LinkError> {
        let has_looked = self.pace.passed == 0;
        if has_looked && task.count > 0 { self.ring_if_asleep(self.pace.bells()) } else { Ok(()) }
    }

    /// Counts the tasks of a row that have ended.
    #[inline]
    fn pass(&mut self, task: &mut Task) {
        let passed = std::mem::take(&mut self.passed);
        task.pass(passed);
        self.pace.end(passed.count);
    }

    /// Reports what became of the first of these tasks, and goes on to the next.
    #[inline]
    fn finish(&mut self, task: &mut Task, outcome: Result<(), Box<Answer>>) -> Result<(), LinkError> {
        self.inbox.pass(task);
        self.report(outcome)?;
        self.pace.end(1);
        Ok(())
    }

    /// Runs and reports tasks as long as they are small and nothing unusual goes with them. `None` if it comes to an end of
    /// them, or else what became of the last one, which is not reported, as [`run`](Worker::run) answers it.
    #[inline]
    fn run_row(&mut self, task: &mut Task) -> Option<Result<(), Box<Answer>>> {
        let Skill::Plain(function) = *self.skill.1 else { return None };
        if trace::is_wanted() || task.is_lent || !self.descriptors.is_empty() {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&[0; MAX_HEAD - 1]);
        let outcome = function.call_batch(CallBatch {
            arguments: self.inbox.items(task),
            most: task.count.min(self.pace.left()),
            passed: &mut self.passed,
            results: &mut self.lines.reports,
            descriptors: &mut self.descriptors,
            last: &mut self.scratch,
            remains: &mut self.remains,
            parting: &mut self.parting,
        });
        self.pass(task);
        match outcome {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(trouble(&error))),
        }
    }

    /// Runs one task. The result is in the scratch buffer, behind the room for its head; its descriptors take the place of the
    /// argument's.
    #[inline]
    fn run(&mut self, task: &Task) -> Result<(), Box<Answer>> {
        let (argument, scratch) = (self.inbox.argument(task), &mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(&[0; MAX_HEAD]);
        let _span = trace::task();
        if task.is_lent {
            let argument = borrowed(&self.borrower, argument)?;
            self.remains = apply(&self.skill.1, &argument, &mut self.descriptors, scratch)?;
        } else {
            self.remains = apply(&self.skill.1, argument, &mut self.descriptors, scratch)?;
        }
        Ok(())
    }
}

/// Says that a result, which was told and counts, has panicked when it was dropped.
#[cold]
fn report_of_parting(panic: &Panic) {
    // Where nobody reads it, nobody wants to know.
    let _unread = writeln!(io::stderr(), "a task's result, which was told before, {panic} when it was dropped");
}

#[cold]
fn borrowed(borrower: &BufferReader, loan: &[u8]) -> Result<Buffer, Box<Answer>> {
    let loan = codec::decode_from(loan, Vec::new()).map_err(|error| trouble(&CallError::Argument(error)))?;
    let missing = || Box::new(Answer::BadArgument("what its argument was to be read from was taken back".to_owned()));
    borrower.open(loan).ok_or_else(missing)
}

#[inline]
fn apply(
    skill: &Skill,
    argument: &[u8],
    descriptors: &mut Handles,
    result: &mut Vec<u8>,
) -> Result<PendingDrop, Box<Answer>> {
    match skill {
        Skill::Plain(function) => function.call_into(argument, descriptors, result).map_err(|error| trouble(&error)),
        Skill::With { method, context } => {
            let mut remains = PendingDrop::default();
            let outcome = method.call_shared(&**context, argument, mem::take(descriptors), &mut remains);
            let (payload, with) = outcome.map_err(|error| trouble_with(&error))?.into_parts();
            result.extend_from_slice(&payload);
            *descriptors = with;
            Ok(remains)
        }
        Skill::Spoilt(text) => Err(Box::new(Answer::BadArgument(format!("its context was not made: {text}")))),
    }
}

#[cold]
fn trouble(error: &CallError) -> Box<Answer> {
    Box::new(match error {
        CallError::Result(error) => Answer::BadResult(error.to_string()),
        error => Answer::BadArgument(error.to_string()),
    })
}

#[cold]
fn trouble_with(error: &MethodError) -> Box<Answer> {
    Box::new(match error {
        MethodError::Result(error) => Answer::BadResult(error.to_string()),
        error => Answer::BadArgument(error.to_string()),
    })
}
