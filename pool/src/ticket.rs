//! [`Ticket`]: one job as its caller holds it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::ids::JobId;
use crate::parcel::Parcel;
use crate::shared::Shared;
use crate::sink::Sink;
use crate::terms::Terms;
use crate::works::Work;

/// How long a caller looks at the rings, without anything happening, before it goes to sleep: where tasks are as short as this,
/// and where they are not.
const SPIN: Duration = Duration::from_micros(40);
const SHORT: Duration = Duration::from_micros(50);
const GLIMPSE: Duration = Duration::from_micros(1);
/// How often it asks the kernel for news meanwhile.
const NEWS: Duration = Duration::from_micros(200);
/// So many looks are made between two looks at the clock.
const LOOKS: u32 = 16;

/// A job that has begun. Dropping it tells the pool that nobody wants the rest.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    job: JobId,
    pub(crate) sink: Arc<Sink>,
    is_released: bool,
}

impl Ticket {
    /// Begins a job.
    pub(crate) fn open(shared: &Arc<Shared>, work: Work, terms: Terms) -> Ticket {
        let (job, sink) = (shared.next_job(), Arc::new(Sink::default()));
        // A pool that has gone says so of each task.
        shared.floor().dispatcher.open(job, work, terms, sink.clone());
        Ticket { shared: shared.clone(), job, sink, is_released: false }
    }

    /// Adds tasks, for whose results the caller will [`wait`](Ticket::wait).
    pub(crate) fn submit(&self, batch: Batch) {
        let mut floor = self.shared.floor();
        floor.dispatcher.submit(self.job, batch);
        floor.dispatcher.pump();
    }

    /// Adds tasks, and leaves the rest to the pool.
    pub(crate) fn entrust(&self, batch: Batch) {
        self.submit(batch);
        self.shared.floor().leave(&self.shared.watch);
    }

    /// Waits until something has arrived, and drives the dispatch meanwhile. Answers whether something has: else the
    /// deadline has passed.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        if self.sink.has_some() {
            return true;
        }
        while !self.sink.has_some() {
            if self.shared.may_spin && self.lead(deadline) {
                break;
            }
            if deadline.is_some_and(|at| at <= Instant::now()) {
                return self.sink.has_some();
            }
            let had_better_not = self.shared.floor().hand_over(&self.shared.watch);
            if !had_better_not {
                self.sink.sleep(deadline);
            }
        }
        true
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
        if !std::mem::replace(&mut self.is_released, true) {
            let mut floor = self.shared.floor();
            floor.dispatcher.detach(self.job);
            floor.leave(&self.shared.watch);
        }
    }

    /// Tells the pool that nothing of this job is wanted any more.
    pub(crate) fn release(&mut self) {
        if !std::mem::replace(&mut self.is_released, true) {
            let mut floor = self.shared.floor();
            floor.dispatcher.release(self.job, false);
            floor.leave(&self.shared.watch);
        }
    }

    /// Looks at the rings until something has arrived here, or for as long as that makes sense. Answers whether it has.
    fn lead(&self, deadline: Option<Instant>) -> bool {
        let patience = self.patience();
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
            if now - since > patience || deadline.is_some_and(|at| at <= now) {
                return false;
            }
        }
    }

    /// How long it makes sense to look at the rings while nothing happens: where tasks are short, the next one ends soon.
    fn patience(&self) -> Duration {
        if self.sink.usual() <= SHORT { SPIN } else { GLIMPSE }
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
