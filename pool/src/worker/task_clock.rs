//! [`TaskClock`]: measures how long tasks take, and reads the clock as seldom as that allows.
//!
//! Reading the clock takes longer than a tiny task. So several tasks are timed together, in groups that grow until one takes
//! about [`MIN_TIMED`]. They shrink as soon as a group has taken longer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use procession_core::os::clock;

use crate::model::tuning::{
    LAZY_NOTIFY_INTERVAL, LAZY_REFILL_TIME, LONG_TASK, MAX_NOTIFY_DELAY, MAX_TIMED_TASKS, MIN_TIMED, NOTIFY_INTERVAL,
};
use crate::wire::channel::SharedRings;

/// The durations of a worker's tasks.
#[derive(Debug)]
pub(super) struct TaskClock {
    /// The number of tasks that are timed together.
    stride: u64,
    /// The number of tasks that have ended since the clock was read.
    ended: u64,
    read_at: Duration,
    /// The duration of each of the tasks that were timed last.
    per_task: Duration,
    /// The number and total duration of the tasks that were not reported to the pool.
    pub(super) unreported: (u64, Duration),
}

impl TaskClock {
    pub(super) fn new(now: Duration) -> TaskClock {
        TaskClock { stride: 1, ended: 0, read_at: now, per_task: Duration::ZERO, unreported: (0, Duration::ZERO) }
    }

    /// Records that a task starts.
    #[inline]
    pub(super) fn start(&mut self, rings: &SharedRings) {
        if self.was_read() {
            // Pairs with the Acquire in `WorkerChannel::running_since`.
            rings.running_since().store(self.read_at.as_nanos() as u64, Ordering::Release);
        }
    }

    /// Returns whether the clock was read at the end of the last task.
    #[inline]
    pub(super) fn was_read(&self) -> bool {
        self.ended == 0
    }

    /// Returns the number of tasks that may end before the clock is next read. At least 1.
    #[inline]
    pub(super) fn left(&self) -> u64 {
        self.stride.saturating_sub(self.ended).max(1)
    }

    /// Records that `count` tasks have ended.
    #[inline]
    pub(super) fn end(&mut self, count: u64) {
        self.ended += count;
        if self.ended >= self.stride {
            self.read();
        }
    }

    /// Reads the clock. The time since it was last read is that of the tasks that have ended since.
    fn read(&mut self) {
        let now = clock::monotonic();
        let took = now.saturating_sub(self.read_at);
        self.unreported = (self.unreported.0 + self.ended, self.unreported.1 + took);
        // Grows until a measurement is long enough, and shrinks at once where one task was long.
        self.stride = if took > MIN_TIMED { (self.stride / 4).max(1) } else { (self.stride * 2).min(MAX_TIMED_TASKS) };
        self.per_task = took / u32::try_from(self.ended).unwrap_or(u32::MAX).max(1);
        self.ended = 0;
        self.read_at = now;
    }

    /// Returns the minimum time between two notifications while there is more to do.
    pub(super) fn notify_interval(&self) -> Duration {
        if self.per_task < LONG_TASK { NOTIFY_INTERVAL } else { MAX_NOTIFY_DELAY }
    }

    /// The same for a pool whose caller waits for all results, where `left` tasks may still be started.
    pub(super) fn lazy_notify_interval(&self, left: u64) -> Duration {
        let time = self.per_task.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
        // The last task may be as long as all of them, so the pool is notified before it.
        if left > 1 && time > LAZY_REFILL_TIME { LAZY_NOTIFY_INTERVAL } else { self.notify_interval() }
    }

    /// Stops the clock while the worker waits.
    pub(super) fn stop(&mut self) {
        if self.ended > 0 {
            self.read();
        }
    }

    /// Goes on after a wait, which is no task's time.
    pub(super) fn restart(&mut self) {
        self.read_at = clock::monotonic();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lazy_pool_is_notified_when_little_is_left_to_do() {
        let clock = TaskClock { per_task: Duration::from_millis(1), ..TaskClock::new(Duration::ZERO) };
        assert_eq!((clock.notify_interval(), clock.lazy_notify_interval(10)), (MAX_NOTIFY_DELAY, LAZY_NOTIFY_INTERVAL));
        assert_eq!(
            (clock.lazy_notify_interval(4), clock.lazy_notify_interval(0)),
            (MAX_NOTIFY_DELAY, MAX_NOTIFY_DELAY)
        );
        // The next one may be the last, however long this one took.
        let slow = TaskClock { per_task: Duration::from_secs(1), ..clock };
        assert_eq!(
            (slow.lazy_notify_interval(1), slow.lazy_notify_interval(2)),
            (MAX_NOTIFY_DELAY, LAZY_NOTIFY_INTERVAL)
        );
    }
}
