//! The worker's side: a loop that takes orders, runs tasks and reports what became of them.

mod pace;
mod prepare;
mod report;
mod run;

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use procession_core::codec::{Handles, Message};
use procession_core::os::clock;
use procession_core::{
    BufferPool, BufferReader, Control, Function, LinkError, Method, PendingDrop, Progress, Ring, TryRecv,
};
use procession_process::{cpu_count, ignore_interrupt, panics};

use self::pace::Pace;
use self::prepare::{finalize, made, make, place, prepare};
use crate::inbox::Inbox;
use crate::state;
use crate::wire::Lines;
use crate::wire::claim::Claim;
use crate::wire::protocol::{Order, Preparation, Report, Setup};

/// How long a worker looks for orders before it goes to sleep.
const SPIN: Duration = Duration::from_micros(50);
/// So many looks are made between two looks at the clock.
const LOOKS: u32 = 32;
/// After so long a sleep it gives back memory that it lent its results in.
const RESTLESS: Duration = Duration::from_secs(1);
/// So many works are remembered as forgotten: more than can be on their way at once when their jobs end.
const MOST_FORGOTTEN: usize = 256;

/// The life of a worker process. It ends when the pool says so or is gone.
pub(crate) fn live(mut control: Control, (): ()) {
    ignore_interrupt();
    let Ok(Some(setup)) = control.recv::<Setup<Preparation>>(None) else { return };
    let Setup { lines, processor, preparation } = setup;
    let Preparation { initializer, state, local_state, finalizer, niceness } = preparation;
    let prepared = place(processor, niceness)
        .and_then(|()| initializer.map_or(Ok(()), prepare))
        .and_then(|()| state.into_iter().chain(local_state).try_for_each(make));
    let told = match &prepared {
        Ok(()) => control.send(&Report::Ready),
        Err(failure) => control.send(&Report::InitFailed(failure.clone())),
    };
    if prepared.is_ok() && told.is_ok() {
        let mut worker = Worker::new(control, lines);
        // However the work ended, this worker leaves.
        let _gone = worker.work();
        if let Err(failure) = finalizer.map_or(Ok(()), finalize) {
            // A pool that is gone does not want to know.
            let _gone = worker.control.send(&Report::FinalizerFailed(failure));
        }
        let _outcome = panics::catch(state::drop_local);
    }
}

/// What a worker knows to do.
enum Skill {
    Plain(Function),
    With {
        method: Method,
        context: Box<dyn Any + Send + Sync>,
    },
    /// Its context could not be made, for this reason.
    Spoilt(String),
}

/// A worker that is ready.
struct Worker {
    control: Control,
    lines: Lines,
    /// Results that are too large for the ring.
    lender: BufferPool,
    /// Arguments that are.
    borrower: BufferReader,
    inbox: Inbox,
    skills: HashMap<u32, Rc<Skill>>,
    /// What was forgotten last, and is known to be.
    forgotten: VecDeque<u32>,
    /// The one that was needed last, and its number.
    skill: (u32, Rc<Skill>),
    /// What came along the control link before the task that needs it.
    enclosures: HashMap<u32, Handles>,
    /// What goes with the argument, or the result, of the task at hand.
    descriptors: Handles,
    /// What the task at hand has returned. It is dropped when the result was reported.
    remains: PendingDrop,
    /// Whether it is being dropped. A panic then is not one of the next task.
    parting: bool,
    /// Where results are written before they are reported.
    scratch: Vec<u8>,
    /// The tasks that have ended and are not counted yet.
    passed: Progress,
    leaving: bool,
    may_spin: bool,
    pace: Pace,
    last_bell: Duration,
}

impl Worker {
    fn new(control: Control, lines: Lines) -> Worker {
        let now = clock::monotonic();
        let (lender, borrower) = (BufferPool::new(lines.results.clone()), BufferReader::new(lines.arguments.clone()));
        Worker {
            control,
            lines,
            lender,
            borrower,
            inbox: Inbox::default(),
            skills: HashMap::new(),
            forgotten: VecDeque::new(),
            skill: unskilled(),
            enclosures: HashMap::new(),
            descriptors: Handles::new(),
            remains: PendingDrop::default(),
            parting: false,
            scratch: Vec::new(),
            passed: Progress::default(),
            leaving: false,
            may_spin: cpu_count() > 1,
            pace: Pace { stride: 1, passed: 0, looked: now, each: Duration::ZERO, untold: (0, Duration::ZERO) },
            last_bell: Duration::ZERO,
        }
    }

    /// An error means that the pool is gone, or cannot be understood any more: it sees the end of the link either way.
    fn work(&mut self) -> Option<()> {
        while !self.leaving {
            self.read_mail().ok()?;
            if self.leaving {
                break;
            }
            let claim = Claim::read(self.lines.claim());
            self.take_in();
            match self.inbox.next(claim) {
                Some(task) if claim.begin(self.lines.claim(), task.count) => self.run_all(task).ok()?,
                Some(_) => {}
                None => self.wait(claim).ok()?,
            }
        }
        Some(())
    }

    /// Heeds what the pool has said that concerns no task to come, however much there is to do.
    #[inline]
    fn read_mail(&mut self) -> Result<(), LinkError> {
        let has_mail = self.lines.has_mail();
        if has_mail.load(Ordering::Relaxed) == 1 && has_mail.swap(0, Ordering::SeqCst) == 1 {
            self.obey_all()?;
        }
        Ok(())
    }

    #[cold]
    fn obey_all(&mut self) -> Result<(), LinkError> {
        while !self.leaving {
            match self.control.try_recv()? {
                TryRecv::Value(order) => self.obey(order),
                TryRecv::Empty => break,
                TryRecv::End => self.leaving = true,
            }
        }
        Ok(())
    }

    /// Reads what the pool has sent.
    #[inline]
    fn take_in(&mut self) {
        if self.lines.orders.is_empty() {
            return;
        }
        self.inbox.fill(&mut self.lines.orders);
        Ring::full_fence();
        let wants_room = self.lines.pool_wants_room();
        if wants_room.load(Ordering::Relaxed) == 1 && wants_room.swap(0, Ordering::SeqCst) == 1 {
            // A pool that is gone will be noticed soon enough.
            let _gone = self.control.send(&Report::Bell);
        }
    }

    /// Waits until there may be more to do.
    fn wait(&mut self, claim: Claim) -> Result<(), LinkError> {
        self.pace.pause();
        // What was granted and is not all here yet will be seen in the ring.
        let waits_for_ring = claim.open() > 0;
        let is_awake =
            |lines: &Lines| !lines.orders.is_empty() || !waits_for_ring && Claim::read(lines.claim()).open() > 0;
        if self.may_spin && spin(|| is_awake(&self.lines)) {
            return self.resume();
        }
        self.lines.worker_sleeps().store(1, Ordering::SeqCst);
        Ring::full_fence();
        if !is_awake(&self.lines) {
            self.listen()?;
        }
        self.lines.worker_sleeps().store(0, Ordering::SeqCst);
        self.resume()
    }

    fn resume(&mut self) -> Result<(), LinkError> {
        self.pace.resume();
        Ok(())
    }

    /// Hears the next thing on the control link.
    fn listen(&mut self) -> Result<(), LinkError> {
        // Who sleeps may sleep for long, so the pool must know of everything that it has done.
        self.ring_if_asleep(Duration::ZERO)?;
        match self.hear()? {
            Some(order) => self.obey(order),
            None => self.leaving = true,
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<Option<Order<Message>>, LinkError> {
        if self.lender.has_spare() {
            match self.control.recv(Some(Instant::now() + RESTLESS)) {
                Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => self.lender.trim(),
                heard => return heard,
            }
        }
        self.control.recv(None)
    }

    fn obey(&mut self, order: Order<Message>) {
        match order {
            Order::Learn { work, function } => drop(self.skills.insert(work, Rc::new(Skill::Plain(function)))),
            Order::LearnWith { work, make, context, method } => {
                let skill = match panics::catch(|| made(make, context)) {
                    Ok(Ok(context)) => Skill::With { method, context },
                    Ok(Err(text)) => Skill::Spoilt(text),
                    Err(panic) => Skill::Spoilt(panic.to_string()),
                };
                self.skills.insert(work, Rc::new(skill));
            }
            Order::Forget { work } => self.forget(work),
            Order::Descriptors { serial, with } => drop(self.enclosures.insert(serial, with.into_parts().1)),
            Order::TakeBack { serials } => self.enclosures.retain(|serial, _| !serials.contains(serial)),
            Order::Leave => self.leaving = true,
            Order::Bell => {}
        }
    }

    /// Lets go of what belonged to a job: its context may hold things open that others wait for the end of.
    fn forget(&mut self, work: u32) {
        let in_hand = (self.skill.0 == work).then(|| std::mem::replace(&mut self.skill, unskilled()));
        // Tasks of it may still be on their way that could not be taken back.
        let forgotten = (self.skills.insert(work, unskilled().1), in_hand);
        self.forgotten.push_back(work);
        if self.forgotten.len() > MOST_FORGOTTEN {
            self.forgotten.pop_front().map(|oldest| self.skills.remove(&oldest));
        }
        // A context that panics when it is dropped belongs to a job that has ended, and hurts no other.
        let _panicked = panics::catch(|| drop(forgotten));
    }

    /// Takes up another skill, once it is known. Answers whether it was.
    #[cold]
    fn change_skill(&mut self, work: u32) -> Result<bool, LinkError> {
        while !self.leaving {
            if let Some(skill) = self.skills.get(&work) {
                self.skill = (work, skill.clone());
                return Ok(true);
            }
            self.listen()?;
        }
        Ok(false)
    }

    /// What goes with a task.
    fn enclosed(&mut self, serial: u32) -> Result<Handles, LinkError> {
        while !self.leaving {
            if let Some(found) = self.enclosures.remove(&serial) {
                // What was sent before went with tasks that were taken back. What was sent after belongs to tasks to come.
                self.enclosures.retain(|other, _| other.wrapping_sub(serial) < 1 << 31);
                return Ok(found);
            }
            self.listen()?;
        }
        Ok(Handles::new())
    }
}

/// No work has this number before 2^32 others were done.
fn unskilled() -> (u32, Rc<Skill>) {
    (u32::MAX, Rc::new(Skill::Spoilt("it is not known".to_owned())))
}

/// Looks until something is so, but only briefly. Answers whether it is.
fn spin(mut is_so: impl FnMut() -> bool) -> bool {
    let begin = clock::monotonic();
    loop {
        for _ in 0..LOOKS {
            if is_so() {
                return true;
            }
            std::hint::spin_loop();
        }
        // Where there are fewer processors than there is to do, somebody else may be what this one waits for.
        std::thread::yield_now();
        if clock::monotonic().saturating_sub(begin) > SPIN {
            return false;
        }
    }
}
