//! [`Driver`]: the scheduler, and the time at which it is sent events.

use std::time::Duration;

use procession_core::os::clock;

use crate::model::options::PoolLimits;
use crate::model::tuning::SCHEDULER_TUNING;
use crate::scheduler::Scheduler;
use crate::scheduler::event::{Action, Event};

/// The scheduler and what the dispatcher knows of its progress.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) scheduler: Scheduler,
    /// The time of the events, which is read once for several of them.
    pub(super) now: Duration,
    /// Whether an action has caused events.
    pub(super) must_decide_again: bool,
    pub(super) has_ended: bool,
}

impl Driver {
    pub(super) fn new(limits: PoolLimits) -> Driver {
        let scheduler = Scheduler::new(limits, &SCHEDULER_TUNING);
        Driver { scheduler, now: clock::monotonic(), must_decide_again: false, has_ended: false }
    }

    /// Reads the clock, once for all events of a round.
    pub(super) fn update_clock(&mut self) {
        self.now = clock::monotonic();
    }

    /// Sends an event, as of when the clock was last read.
    pub(super) fn emit(&mut self, event: Event) {
        self.scheduler.handle(event, self.now);
    }

    /// Sends an event that an action has caused: another decision follows.
    pub(super) fn emit_again(&mut self, event: Event) {
        self.must_decide_again = true;
        self.emit(event);
    }

    #[inline]
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.scheduler.next_action()
    }
}
