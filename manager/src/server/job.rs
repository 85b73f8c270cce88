//! [`Job`]: a call as the server holds it, from its arrival to its answer.

use std::sync::Arc;

use procession_core::Method;
use procession_core::codec::{Handles, Message};

use super::context;
use super::object_cell::{Invocation, ObjectCell, Outcome};
use super::origin::Origin;
use super::promise::Promise;
use crate::table::Mode;
use crate::wire::claims::Claim;
use crate::wire::ids::ObjectId;
use crate::wire::protocol::{Failure, RequestKind};

/// A call.
pub(crate) struct Job {
    /// Where the outcome goes.
    pub(crate) origin: Origin,
    pub(crate) work: Work,
    /// The objects that it needs, in ascending order, so that two jobs never wait for each other.
    objects: Objects,
    /// The number of them that it holds.
    held: usize,
    /// The claim by which its client can take it back.
    claim: Option<Claim>,
}

/// The work of a job.
pub(crate) enum Work {
    Call {
        kind: RequestKind,
        method: Method,
        argument: Argument,
    },
    Make {
        method: Method,
        exit_hook: Option<Method>,
        #[cfg(feature = "remote")]
        shared: Option<Shared>,
        argument: Argument,
    },
    Steps(Vec<Step>),
}

#[cfg(feature = "remote")]
/// An object that all remote clients share: the registry, and the number of its constructor there.
pub(crate) type Shared = (u64, u32);

/// An argument, in the bytes that it came in.
pub(crate) struct Argument {
    /// The argument as the codec wrote it, and the header behind it.
    pub(crate) bytes: Vec<u8>,
    /// The end of the argument; the header of the request follows.
    pub(crate) end: usize,
    pub(crate) descriptors: Handles,
}

/// One step of a transaction.
pub(crate) struct Step {
    /// One object, or two different ones for a method on both.
    pub(crate) objects: (ObjectId, Option<ObjectId>),
    pub(crate) method: Method,
    pub(crate) argument: Message,
}

/// The objects of a job. Most have one, which so costs no allocation.
enum Objects {
    None,
    One(ObjectId),
    Many(Vec<ObjectId>),
}

/// The outcome of a job that has run.
pub(crate) enum Finish {
    Made(Arc<ObjectCell>),
    Was(Outcome),
    /// The method has returned, and its result comes later.
    Later(Arc<Promise>),
}

impl Job {
    /// Makes a job on one object, or on none for work that makes one. It holds nothing yet.
    pub(crate) fn new(origin: Origin, object: Option<ObjectId>, work: Work) -> Job {
        Job { origin, work, objects: object.map_or(Objects::None, Objects::One), held: 0, claim: None }
    }

    /// As it is, if its client can take it back by this.
    pub(crate) fn claimed(self, claim: Option<Claim>) -> Job {
        Job { claim, ..self }
    }

    /// Records that it waits for its turn.
    pub(crate) fn wait(&self) {
        if let Some(claim) = &self.claim {
            claim.mark_waiting();
        }
    }

    /// Begins to run. Returns whether it may: its client may have given it up.
    pub(crate) fn begin(&self) -> bool {
        self.claim.as_ref().is_none_or(Claim::try_begin)
    }

    /// Records that its condition did not hold.
    pub(crate) fn rest(&self) {
        if let Some(claim) = &self.claim {
            claim.mark_tried();
        }
    }

    /// Records that its result comes later.
    pub(crate) fn promise(&self) {
        if let Some(claim) = &self.claim {
            claim.mark_promised();
        }
    }

    /// Makes the job of a transaction, which holds all objects of its steps at once.
    pub(crate) fn of_steps(origin: Origin, steps: Vec<Step>) -> Job {
        let both = |step: &Step| std::iter::once(step.objects.0).chain(step.objects.1);
        let mut objects: Vec<ObjectId> = steps.iter().flat_map(both).collect();
        // In ascending order, as all jobs take their objects; and each once, or the job would wait for itself.
        objects.sort_unstable();
        objects.dedup();
        Job { origin, work: Work::Steps(steps), objects: Objects::Many(objects), held: 0, claim: None }
    }

    /// Returns all objects that it needs, in ascending order and each once.
    pub(crate) fn objects(&self) -> &[ObjectId] {
        match &self.objects {
            Objects::None => &[],
            Objects::One(object) => std::slice::from_ref(object),
            Objects::Many(objects) => objects,
        }
    }

    /// Returns the next object that it needs.
    pub(crate) fn needs(&self) -> Option<ObjectId> {
        self.objects().get(self.held).copied()
    }

    /// Records that it holds the object that it needed.
    pub(crate) fn got(&mut self) {
        self.held += 1;
    }

    /// Returns the objects that it holds.
    pub(crate) fn holds(&self) -> &[ObjectId] {
        &self.objects()[..self.held]
    }

    /// Records that it holds nothing any more.
    pub(crate) fn let_go(&mut self) {
        self.held = 0;
    }

    /// Returns how it uses its objects. Only `Shared` calls run beside each other.
    pub(crate) fn mode(&self) -> Mode {
        // `Sequential` only reads, and has the object alone all the same: two readers could overtake each other.
        if matches!(self.work, Work::Call { kind: RequestKind::Shared, .. }) { Mode::Shared } else { Mode::Exclusive }
    }

    /// Returns whether it may change its objects.
    pub(crate) fn may_change(&self) -> bool {
        !matches!(self.work, Work::Call { kind, .. } if kind.only_reads())
    }

    /// Returns whether it may find that its condition does not hold, and then waits for a change of its object.
    pub(crate) fn is_conditional(&self) -> bool {
        matches!(self.work, Work::Call { kind: RequestKind::Conditional, .. })
    }

    /// Runs it. The cells are those of its objects, in the same order.
    pub(crate) fn run(&mut self, cells: &[Arc<ObjectCell>], buffer: Vec<u8>) -> Finish {
        // The method asks the context for its caller, and a nested call asks it for the objects that are held.
        let _running = context::enter(self.origin.caller(), self.objects());
        match &mut self.work {
            Work::Call { kind, method, argument } => {
                let run = argument.run(*kind, *method, buffer);
                let outcome = run.map_or_else(Outcome::Failed, |run| cells[0].run(run));
                // A promise counts only together with a value: a method that fails after it has promised has failed.
                match (context::take_deferred(), outcome) {
                    (Some(promise), Outcome::Returned(_)) => Finish::Later(promise),
                    (_, outcome) => Finish::Was(outcome),
                }
            }
            Work::Make { method, exit_hook, argument, .. } => {
                let made =
                    argument.run(RequestKind::Make, *method, buffer).and_then(|run| ObjectCell::make(run, *exit_hook));
                made.map_or_else(|failure| Finish::Was(Outcome::Failed(failure)), Finish::Made)
            }
            Work::Steps(steps) => {
                // Steps run once: a transaction is never parked, because `run_steps` refuses conditions.
                let steps = std::mem::take(steps);
                Finish::Was(run_steps(steps, self.objects(), cells))
            }
        }
    }
}

impl From<Message> for Argument {
    fn from(argument: Message) -> Argument {
        let (payload, descriptors) = argument.into_parts();
        Argument { end: payload.len(), bytes: payload.into_vec(), descriptors }
    }
}

impl Argument {
    /// A conditional method may run several times, and each run uses up its descriptors.
    fn run(&mut self, kind: RequestKind, method: Method, buffer: Vec<u8>) -> Result<Invocation<'_>, Failure> {
        let descriptors = if kind == RequestKind::Conditional {
            self.descriptors.try_clone().map_err(|error| Failure::BadArgument(error.to_string()))?
        } else {
            std::mem::take(&mut self.descriptors)
        };
        Ok(Invocation { kind, method, argument: &self.bytes[..self.end], descriptors, buffer })
    }
}

/// Runs steps up to the first that fails. The result is the list of theirs.
fn run_steps(steps: Vec<Step>, objects: &[ObjectId], cells: &[Arc<ObjectCell>]) -> Outcome {
    // The cells are in the order of the objects, which `of_steps` has sorted.
    let cell = |object: ObjectId| objects.binary_search(&object).ok().map(|at| &cells[at]);
    let mut results = Vec::with_capacity(steps.len());
    for step in steps {
        let (payload, descriptors) = step.argument.into_parts();
        let run = Invocation {
            kind: RequestKind::Steps,
            method: step.method,
            argument: &payload,
            descriptors,
            buffer: Vec::new(),
        };
        let outcome = match (cell(step.objects.0), step.objects.1.map(cell)) {
            (Some(one), None) => one.run(run),
            // Locking one cell twice would wait for ever.
            (Some(one), Some(Some(other))) if !Arc::ptr_eq(one, other) => one.run_both(other, run),
            _ => Outcome::Failed(Failure::Nonsense("the two objects of one call are the same".to_owned())),
        };
        match outcome {
            Outcome::Returned(result) => results.push(result),
            // The earlier steps stay done, as the documentation of `Transaction` says: there is no copy to go back to.
            Outcome::Failed(failure) => return Outcome::Failed(failure),
            Outcome::NotYet => {
                return Outcome::Failed(Failure::Nonsense("a step cannot wait for a condition".to_owned()));
            }
        }
    }
    // All steps share one context, so it is not known which of them has made the promise.
    if context::take_deferred().is_some() {
        return Outcome::Failed(Failure::BadResult("the result of a step cannot come later".to_owned()));
    }
    Outcome::of(&results)
}
