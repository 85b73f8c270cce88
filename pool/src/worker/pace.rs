//! [`Pace`]: how long tasks take.

use std::sync::atomic::Ordering;
use std::time::Duration;

use procession_core::os::clock;

use crate::wire::{KEPT_BACK, Lines};

/// Tasks that take less than this together are timed together, and so are at most so many.
const GLANCE: Duration = Duration::from_micros(2);
const TOGETHER: u64 = 64;

/// A pool that sleeps is woken at most this often while there is more to do: where tasks are short, in time for it to send
/// more; where they are long, seldom enough that it takes no processor away from them.
const BELLS: Duration = Duration::from_micros(200);
const SLOW_BELLS: Duration = KEPT_BACK;
const LONG: Duration = Duration::from_micros(100);

/// Where nobody looks at a result before all are there, it is woken when what is left to do is less than this, so that there is more
/// before a worker has to wait for it; but not less often than this.
const RUNS_OUT: Duration = Duration::from_millis(4);
const LATE_BELLS: Duration = Duration::from_millis(20);

/// How long tasks take, looked at as seldom as makes sense.
pub(super) struct Pace {
    /// How many tasks are timed together.
    pub(super) stride: u64,
    /// How many have ended since the last look at the clock.
    pub(super) passed: u64,
    pub(super) looked: Duration,
    /// What each of the last ones took.
    pub(super) each: Duration,
    /// What has not been told to the pool.
    pub(super) untold: (u64, Duration),
}

impl Pace {
    /// Notes that a task begins.
    #[inline]
    pub(super) fn begin(&mut self, lines: &Lines) {
        if self.passed == 0 {
            lines.running_since().store(self.looked.as_nanos() as u64, Ordering::Release);
        }
    }

    /// How many tasks may end before the next look at the clock. At least 1.
    #[inline]
    pub(super) fn left(&self) -> u64 {
        self.stride.saturating_sub(self.passed).max(1)
    }

    /// Notes that so many tasks have ended.
    #[inline]
    pub(super) fn end(&mut self, count: u64) {
        self.passed += count;
        if self.passed >= self.stride {
            self.look();
        }
    }

    pub(super) fn look(&mut self) {
        let now = clock::monotonic();
        let took = now.saturating_sub(self.looked);
        self.untold = (self.untold.0 + self.passed, self.untold.1 + took);
        self.stride = if took > GLANCE { (self.stride / 4).max(1) } else { (self.stride * 2).min(TOGETHER) };
        self.each = took / u32::try_from(self.passed).unwrap_or(u32::MAX).max(1);
        self.passed = 0;
        self.looked = now;
    }

    /// At least so much time passes between two bells while there is more to do.
    pub(super) fn bells(&self) -> Duration {
        if self.each < LONG { BELLS } else { SLOW_BELLS }
    }

    /// The same, if the pool wants to hear of it when there is little left of what it has sent, which is `left` tasks now.
    pub(super) fn late_bells(&self, left: u64) -> Duration {
        let time = self.each.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
        if left > 1 && time > RUNS_OUT { LATE_BELLS } else { self.bells() }
    }

    /// Leaves the time of waiting out.
    pub(super) fn pause(&mut self) {
        if self.passed > 0 {
            self.look();
        }
    }

    pub(super) fn resume(&mut self) {
        self.looked = clock::monotonic();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_does_not_mind_is_woken_when_little_is_left_to_do() {
        let each = Duration::from_millis(1);
        let pace = Pace { stride: 1, passed: 0, looked: Duration::ZERO, each, untold: (0, Duration::ZERO) };
        assert_eq!((pace.bells(), pace.late_bells(10)), (KEPT_BACK, LATE_BELLS));
        assert_eq!((pace.late_bells(4), pace.late_bells(0)), (KEPT_BACK, KEPT_BACK));
        // The next one may be the last, however long this one took.
        let slow = Pace { each: Duration::from_secs(1), ..pace };
        assert_eq!((slow.late_bells(1), slow.late_bells(2)), (KEPT_BACK, LATE_BELLS));
    }
}
