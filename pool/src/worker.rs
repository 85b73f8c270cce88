//! The worker's side: a loop that takes orders, runs tasks and reports what became of them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use procession_core::codec::{self, Message};
use procession_core::{CallError, Control, Function, LinkError, TryRecv};
use procession_process::{ignore_interrupt, panics};

use crate::ids::{JobId, TaskId};
use crate::protocol::{Answer, InitFailure, Initializer, Order, Report, Setup};

/// After so much work a worker looks whether its orders have changed.
const ATTENTION: Duration = Duration::from_millis(1);

/// The life of a worker process. It ends when the pool says so or is gone.
pub(crate) fn live(mut control: Control, (): ()) {
    ignore_interrupt();
    let Ok(Some(setup)) = control.recv::<Setup<Initializer>>(None) else { return };
    let prepared = setup.initializer.map_or(Ok(()), prepare);
    let told = match &prepared {
        Ok(()) => control.send(&Report::Ready),
        Err(failure) => control.send(&Report::InitFailed(failure.clone())),
    };
    if prepared.is_ok() && told.is_ok() {
        Worker { control, functions: HashMap::new(), chunks: VecDeque::new(), leaving: false }.work();
    }
}

/// Runs the initializer.
fn prepare(initializer: Initializer) -> Result<(), InitFailure> {
    let Initializer { function, argument, verdict } = initializer;
    let not_run = |error: CallError| InitFailure::NotRun(error.to_string());
    let result = panics::catch(|| function.call(argument, None)).map_err(InitFailure::Panicked)?.map_err(not_run)?;
    let verdict = panics::catch(|| verdict.call(result, None)).map_err(InitFailure::Panicked)?.map_err(not_run)?;
    match codec::decode::<Option<String>>(verdict) {
        Ok(None) => Ok(()),
        Ok(Some(text)) => Err(InitFailure::Error(text)),
        Err(error) => Err(InitFailure::NotRun(error.to_string())),
    }
}

/// A worker that is ready.
struct Worker {
    control: Control,
    /// The functions of the jobs that are not over.
    functions: HashMap<JobId, Function>,
    /// Tasks that have not begun.
    chunks: VecDeque<(JobId, Vec<(u64, Message)>)>,
    leaving: bool,
}

impl Worker {
    fn work(mut self) {
        while !self.leaving {
            let done = match self.chunks.pop_front() {
                Some((job, tasks)) => self.run_chunk(job, tasks),
                None => self.wait_for_order(),
            };
            if done.is_err() {
                // The pool is gone, or cannot be understood any more: it sees the end of the link either way.
                return;
            }
        }
    }

    fn wait_for_order(&mut self) -> Result<(), LinkError> {
        match self.control.recv::<Order<Message>>(None)? {
            Some(order) => self.obey(order),
            None => self.leaving = true,
        }
        Ok(())
    }

    /// Looks for new orders without waiting.
    fn look(&mut self) -> Result<(), LinkError> {
        loop {
            match self.control.try_recv::<Order<Message>>()? {
                TryRecv::Value(order) => self.obey(order),
                TryRecv::Empty => return Ok(()),
                TryRecv::End => {
                    self.leaving = true;
                    return Ok(());
                }
            }
        }
    }

    /// Does what can be done at once, and keeps tasks for later.
    fn obey(&mut self, order: Order<Message>) {
        match order {
            Order::Learn { job, function } => drop(self.functions.insert(job, function)),
            Order::Forget { job } => drop(self.functions.remove(&job)),
            Order::Run { job, tasks } => self.chunks.push_back((job, tasks)),
            Order::Leave => self.leaving = true,
        }
    }

    fn run_chunk(&mut self, job: JobId, tasks: Vec<(u64, Message)>) -> Result<(), LinkError> {
        let mut unobserved = Duration::ZERO;
        for (index, argument) in tasks {
            if self.leaving {
                break;
            }
            let (answer, took) = self.run(job, argument);
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.tell(TaskId { job, index }, nanos, answer)?;
            unobserved += took;
            if unobserved >= ATTENTION {
                unobserved = Duration::ZERO;
                self.look()?;
            }
        }
        Ok(())
    }

    fn run(&self, job: JobId, argument: Message) -> (Answer, Duration) {
        let Some(function) = self.functions.get(&job) else { return (Answer::Skipped, Duration::ZERO) };
        let begin = Instant::now();
        let answer = match panics::catch(|| function.call(argument, None)) {
            Ok(Ok(result)) => Answer::Returned(result),
            Ok(Err(CallError::Result(error))) => Answer::BadResult(error.to_string()),
            Ok(Err(error)) => Answer::BadArgument(error.to_string()),
            Err(panic) => Answer::Panicked(panic),
        };
        (answer, begin.elapsed())
    }

    /// Reports one task. A result that cannot travel is told as that.
    fn tell(&mut self, task: TaskId, nanos: u64, answer: Answer) -> Result<(), LinkError> {
        match self.control.send(&Report::Done { task, nanos, answer }) {
            Ok(()) => Ok(()),
            Err(LinkError::Disconnected) => Err(LinkError::Disconnected),
            Err(error) => {
                self.control.send(&Report::Done { task, nanos, answer: Answer::BadResult(error.to_string()) })
            }
        }
    }
}
