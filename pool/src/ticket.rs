//! [`Ticket`]: one job as its caller holds it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::ids::JobId;
use crate::parcel::Parcel;
use crate::shared::Shared;
use crate::sink::Sink;
use crate::task_error::Kind;
use crate::terms::Terms;
use crate::works::Work;

/// How long a caller looks at the rings, without anything happening, before it goes to sleep, where tasks are as short as this.
/// Where they are not, it does not look at all: to look and to let others run takes their time from those who have it to do.
pub(crate) const SPIN: Duration = Duration::from_micros(40);
pub(crate) const SHORT: Duration = Duration::from_micros(50);
/// Tasks as short as this have come to their end before somebody who is not there could be woken for them.
const INSTANT: Duration = Duration::from_micros(5);
/// How often it asks the kernel for news meanwhile.
pub(crate) const NEWS: Duration = Duration::from_micros(200);
/// So many looks are made between two looks at the clock.
pub(crate) const LOOKS: u32 = 16;

/// A job that has begun. Dropping it tells the pool that nobody wants the rest.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    job: JobId,
    pub(crate) sink: Arc<Sink>,
    wants_all: bool,
    is_released: bool,
}

impl Ticket {
    /// Begins a job. In a copy of the pool's process, there is none to begin.
    pub(crate) fn open(shared: &Arc<Shared>, work: Work, terms: Terms) -> Result<Ticket, Kind> {
        if !shared.is_ours() {
            return Err(Kind::Forked);
        }
        let (job, sink, wants_all) = (shared.next_job(), Arc::new(Sink::default()), terms.wants_all);
        // A pool that has gone says so of each task.
        shared.floor().dispatcher.open(job, work, terms, sink.clone());
        Ok(Ticket { shared: shared.clone(), job, sink, wants_all, is_released: false })
    }

    /// Whether the job is one of this process, and not of the one that it is a copy of.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.shared.is_ours()
    }

    /// Adds tasks, for whose results the caller will [`wait`](Ticket::wait).
    pub(crate) fn submit(&self, batches: impl IntoIterator<Item = Batch>) {
        let mut floor = self.shared.floor();
        floor.dispatcher.submit(self.job, batches);
        floor.dispatcher.pump();
        floor.lead();
    }

    /// Adds a task for each worker. Where there are more of them than tasks, it does nothing, and returns their number.
    pub(crate) fn submit_to_each(&self, batch: Batch) -> Result<(), usize> {
        let mut floor = self.shared.floor();
        floor.dispatcher.submit_to_each(self.job, batch)?;
        floor.lead();
        Ok(())
    }

    /// Adds all tasks that there will be, and leaves the rest to the pool.
    pub(crate) fn entrust(&self, batches: impl IntoIterator<Item = Batch>) {
        self.submit(batches);
        self.shared.floor().leave(&self.shared.watch);
    }

    /// Waits until something has arrived, and drives the dispatch meanwhile. Answers whether something has: else the
    /// deadline has passed. A caller that wants all results is spared waking up for fewer than `wanted`, if they take long.
    pub(crate) fn wait(&self, wanted: u64, deadline: Option<Instant>) -> bool {
        if self.sink.has_some() {
            return true;
        }
        let is_short = self.sink.usual() <= SHORT;
        while !(is_short && self.shared.may_spin && self.lead(deadline)) {
            let has_more = self.shared.floor().hand_over(&self.shared.watch);
            if !has_more {
                self.sink.sleep(if self.wants_all && !is_short { wanted } else { 1 }, deadline);
            }
            if self.sink.has_some() || deadline.is_some_and(|at| at <= Instant::now()) {
                return self.sink.has_some();
            }
        }
        true
    }

    /// Whether something has arrived here by now, or at a worker's.
    pub(crate) fn has_news(&self) -> bool {
        if !self.sink.has_some() && self.is_ours() {
            self.shared.floor().dispatcher.pump();
        }
        self.sink.has_some()
    }

    /// Whether one of its tasks runs. `None` where somebody is just finding out: it does not wait.
    pub(crate) fn runs(&self) -> Option<bool> {
        self.shared.try_floor().map(|floor| floor.dispatcher.runs(self.job))
    }

    /// Has the workers tell of this job's results as soon as they are there, for somebody who watches and does not wait.
    pub(crate) fn expect(&self) {
        let mut floor = self.shared.floor();
        floor.dispatcher.expect(self.job);
        while floor.hand_over(&self.shared.watch) {}
    }

    /// Whether its results are there so soon that to look for them costs less than to be woken.
    pub(crate) fn is_instant(&self) -> bool {
        let usual = self.sink.usual();
        self.shared.may_spin && !usual.is_zero() && usual <= INSTANT
    }

    /// Moves what has arrived to `taken`.
    pub(crate) fn take(&self, taken: &mut VecDeque<Parcel>) {
        self.sink.take(taken);
    }

    /// Cancels what has not ended. What runs is stopped.
    pub(crate) fn cancel(&self) {
        let mut floor = self.shared.floor();
        floor.dispatcher.release(self.job, true);
        floor.leave(&self.shared.watch);
    }

    /// Lets what was submitted run to its end, though nobody wants the results. The pool forgets the job then.
    pub(crate) fn detach(mut self) {
        if !std::mem::replace(&mut self.is_released, true) && self.is_ours() {
            let mut floor = self.shared.floor();
            floor.dispatcher.detach(self.job);
            floor.leave(&self.shared.watch);
        }
    }

    /// Tells the pool that nothing of this job is wanted any more.
    pub(crate) fn release(&mut self) {
        if !std::mem::replace(&mut self.is_released, true) && self.is_ours() {
            let mut floor = self.shared.floor();
            floor.dispatcher.release(self.job, false);
            floor.leave(&self.shared.watch);
        }
    }

    /// Looks at the rings until something has arrived here, or for as long as that makes sense. Answers whether it has.
    fn lead(&self, deadline: Option<Instant>) -> bool {
        let mut since = Instant::now();
        let mut news = since;
        loop {
            for _ in 0..LOOKS {
                if self.look() {
                    since = Instant::now();
                }
                if self.sink.has_some() {
                    self.shared.floor().leave(&self.shared.watch);
                    return true;
                }
                std::hint::spin_loop();
            }
            // Where there are fewer processors than there is to do, the others need this one.
            std::thread::yield_now();
            let now = Instant::now();
            if now - news > NEWS {
                news = now;
                self.ask_the_kernel();
            }
            if now - since > SPIN || deadline.is_some_and(|at| at <= now) {
                return false;
            }
        }
    }

    /// One look at the rings. Answers whether it has brought anything.
    fn look(&self) -> bool {
        let Some(mut floor) = self.shared.try_floor() else { return false };
        floor.dispatcher.disarm();
        floor.dispatcher.pump()
    }

    fn ask_the_kernel(&self) {
        // What cannot be asked now, the pool's own thread will hear of.
        if let Ok(signs) = self.shared.watch.wait(Some(Instant::now()))
            && !signs.is_empty()
        {
            let goes_on = self.shared.floor().dispatcher.attend(&signs);
            if !goes_on {
                self.shared.watch.wake();
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.release();
    }
}
