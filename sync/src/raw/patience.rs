//! How long to sleep before looking around: deadlines, and the naps that a long wait is made of.
//!
//! A process may die between changing a word and waking the sleepers, or while it holds what they wait for. So nobody
//! sleeps without end: a wait is a series of naps, each twice as long as the one before, and after each the sleeper
//! looks again, also whether the holder lives.

use std::time::{Duration, Instant};

/// When a wait gives up; `None` is never.
pub(crate) type Deadline = Option<Instant>;

const FIRST_NAP: Duration = Duration::from_millis(2);

/// The course of one wait.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Deadline,
    nap: Duration,
    longest: Duration,
    wakes_at: Deadline,
}

impl Patience {
    /// For waits that depend on somebody who may die: after at most 50 ms it is noticed.
    pub(crate) fn with_a_holder(until: Deadline) -> Patience {
        Patience::new(until, Duration::from_millis(50))
    }

    /// For waits that depend on nobody in particular: only a wake that died with its sender is healed, which is rare.
    pub(crate) fn without_holder(until: Deadline) -> Patience {
        Patience::new(until, Duration::from_millis(400))
    }

    fn new(until: Deadline, longest: Duration) -> Patience {
        Patience { until, nap: FIRST_NAP, longest, wakes_at: None }
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// When the nap that begins now shall end.
    pub(crate) fn nap(&mut self) -> Deadline {
        let end = Instant::now().checked_add(self.nap);
        self.nap = (self.nap * 2).min(self.longest);
        self.wakes_at = end;
        match (self.until, end) {
            (Some(until), Some(end)) => Some(until.min(end)),
            (until, end) => end.or(until),
        }
    }

    /// Whether the last nap was slept to its end: nobody woke the sleeper, so it should look around.
    pub(crate) fn slept_through(&self) -> bool {
        cfg!(loom) || self.wakes_at.is_some_and(|end| end <= Instant::now())
    }
}
