//! The worker process: a loop that reads chunks, runs their tasks and reports the outcomes.
//!
//! A round of the loop reads the control link if the pool has asked for that, reads the claim and then the ring, and starts the
//! tasks that both have. A worker without any spins for a moment, says that it sleeps, looks once more, and waits for an order.
//!
//! It ends by an order, or by the end of its link.

mod control;
mod loaded_fn;
mod prepare;
mod report;
mod run;
pub(crate) mod state;
mod task_clock;
mod task_queue;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use procession_core::codec::Handles;
use procession_core::os::backoff::{Backoff, has_other_cores};
use procession_core::os::clock;
use procession_core::{BufferPool, BufferReader, Control, LinkError, PendingDrop, Progress, Ring};
use procession_process::{ignore_interrupt, panics};

use self::loaded_fn::{EncodedContext, LoadedFn};
use self::prepare::{apply_placement, make_state, run_finalizer, run_initializer};
use self::task_clock::TaskClock;
use self::task_queue::TaskQueue;
use crate::model::init_failure::{Cause, Step};
use crate::model::tuning::{WORKER_POLLS_PER_YIELD, WORKER_SPIN};
use crate::wire::channel::{SharedRings, set_flag, take_flag};
use crate::wire::claim::Claim;
use crate::wire::messages::{Preparation, Report, Setup};

/// The main function of a worker process. Returns when the pool says so or is gone.
pub(crate) fn run(mut control: Control, (): ()) {
    // Ctrl-C reaches the whole process group, and the program decides what it means.
    ignore_interrupt();
    let Ok(Some(setup)) = control.recv::<Setup<Preparation>>(None) else { return };
    let Setup { rings, processor, preparation } = setup;
    let Preparation { initializer, state, local_state, finalizer, niceness } = preparation;
    // The placement first, because threads of the initializer inherit it. The state last: it may need what the initializer made.
    let prepared = apply_placement(processor, niceness)
        .and_then(|()| initializer.map_or(Ok(()), run_initializer))
        .and_then(|()| state.into_iter().chain(local_state).try_for_each(make_state));
    // The pool sends no task before this report.
    let sent = match &prepared {
        Ok(()) => control.send(&Report::Ready),
        Err(failure) => control.send(&Report::InitFailed(failure.clone())),
    };
    if prepared.is_ok() && sent.is_ok() {
        let mut worker = Worker::new(control, rings);
        // The worker leaves whether the loop ended by an order or by an error of the link.
        let _gone = worker.run_loop();
        // A pool that is gone reads no report.
        if let Some(finalizer) = finalizer {
            let report = run_finalizer(finalizer).map_or_else(Report::ExitStepFailed, |()| Report::Finalized);
            let _gone = worker.control.send(&report);
        }
        // After the finalizer, which may use the state.
        if let Err(panic) = panics::catch(state::drop_local) {
            let failure = Step::DropState.failed(Cause::Panicked(panic));
            let _gone = worker.control.send(&Report::ExitStepFailed(failure));
        }
    }
}

/// A worker that is ready.
struct Worker {
    control: Control,
    rings: SharedRings,
    result_buffers: BufferPool,
    argument_buffers: BufferReader,
    /// The chunks that were read out of the ring.
    tasks: TaskQueue,
    /// The functions by number. Those of ended jobs are there as unknown ones, as long as tasks of theirs may come.
    functions: HashMap<u32, Rc<LoadedFn>>,
    /// The contexts that no task has needed yet.
    contexts: HashMap<u32, EncodedContext>,
    /// The functions that were unregistered last.
    unregistered: VecDeque<u32>,
    /// The number of the function that ran last, and the function.
    current: (u32, Rc<LoadedFn>),
    /// Descriptors that came along the control link before their task.
    descriptors_by_serial: HashMap<u32, Handles>,
    /// The descriptors of the current task's argument, then of its result.
    descriptors: Handles,
    /// The value that the current task returned. It is dropped after its result was reported.
    pending_drop: PendingDrop,
    /// Whether that value is being dropped. A panic then is not one of the next task.
    is_dropping: bool,
    /// An encoded result before it is published.
    scratch: Vec<u8>,
    /// The tasks that have ended and were not counted yet.
    progress: Progress,
    /// Whether the pool has asked it to leave, or is gone.
    is_leaving: bool,
    /// Whether another processor can run what a spinning worker waits for.
    may_spin: bool,
    clock: TaskClock,
    /// When it has last notified the pool; zero to notify it after the next result.
    last_notify: Duration,
}

impl Worker {
    fn new(control: Control, rings: SharedRings) -> Worker {
        Worker {
            control,
            result_buffers: BufferPool::new(rings.result_memory.clone()),
            argument_buffers: BufferReader::new(rings.argument_memory.clone()),
            rings,
            tasks: TaskQueue::default(),
            functions: HashMap::new(),
            contexts: HashMap::new(),
            unregistered: VecDeque::new(),
            current: (u32::MAX, LoadedFn::unknown()),
            descriptors_by_serial: HashMap::new(),
            descriptors: Handles::new(),
            pending_drop: PendingDrop::default(),
            is_dropping: false,
            scratch: Vec::new(),
            progress: Progress::default(),
            is_leaving: false,
            may_spin: has_other_cores(),
            clock: TaskClock::new(clock::monotonic()),
            last_notify: Duration::ZERO,
        }
    }

    /// Runs tasks until the pool says to leave. An error means that the pool is gone or its link is broken; the pool sees the end
    /// of the link either way.
    fn run_loop(&mut self) -> Result<(), LinkError> {
        while !self.is_leaving {
            // Else a busy worker would read its link only when it has nothing to run.
            if take_flag(self.rings.control_pending()) {
                self.handle_orders()?;
                continue;
            }
            // The claim before the ring. If tasks were revoked in between, `start` fails. With the ring first, a claim for a
            // number that was granted again could start the revoked task that had it before.
            let claim = Claim::read(self.rings.claim());
            self.read_tasks();
            match self.tasks.next(claim) {
                Some(started) if claim.start(self.rings.claim(), started.count) => self.run_started(started)?,
                // The pool has revoked some of them meanwhile.
                Some(_) => {}
                None => self.wait(claim)?,
            }
        }
        Ok(())
    }

    /// Reads the chunks that the pool has sent.
    #[inline]
    fn read_tasks(&mut self) {
        if self.rings.task_ring.is_empty() {
            return;
        }
        self.tasks.read_from(&mut self.rings.task_ring);
        // Pairs with the fence in `WorkerChannel::flush`: either the pool sees the space, or this side sees the flag.
        Ring::full_fence();
        if take_flag(self.rings.pool_wants_space()) {
            // The end of a pool that is gone is noticed at the next message.
            let _gone = self.control.send(&Report::Notify);
        }
    }

    /// Waits until there may be tasks to start.
    fn wait(&mut self, claim: Claim) -> Result<(), LinkError> {
        self.clock.stop();
        // Tasks that were granted and are not complete yet show in the ring, and not in the claim.
        let waits_for_ring = claim.open() > 0;
        let is_awake = |rings: &SharedRings| {
            !rings.task_ring.is_empty() || !waits_for_ring && Claim::read(rings.claim()).open() > 0
        };
        if !(self.may_spin && spin(|| is_awake(&self.rings))) {
            set_flag(self.rings.worker_asleep());
            // Pairs with the fence in `WorkerChannel::take_worker_asleep`: either the pool sees the flag, or this side sees the tasks.
            Ring::full_fence();
            if !is_awake(&self.rings) {
                self.recv_and_handle()?;
            }
            // The pool has cleared it if it has notified this worker. Else it would notify one that is awake.
            take_flag(self.rings.worker_asleep());
        }
        self.clock.restart();
        Ok(())
    }
}

/// Polls until `is_so`, up to [`WORKER_SPIN`]. Returns whether it is.
fn spin(is_so: impl FnMut() -> bool) -> bool {
    Backoff::new(WORKER_SPIN, WORKER_POLLS_PER_YIELD).spin_until(is_so)
}
