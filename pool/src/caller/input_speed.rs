//! [`InputSpeed`] and [`ReadPass`]: whether an input may block at its next item, so that results that are there go first.
//!
//! The input of `imap` is read on the thread that asks for results, and how long the next item takes cannot be known. So an input
//! counts as one that may block until it has proved quick, and has to prove more each time it was slow.

use std::time::{Duration, Instant};

use crate::model::tuning::{
    ENCODE_NANOS_PER_BYTE, MAX_ITEMS_PER_CLOCK, MAX_QUICK_ITEMS, MIN_QUICK_ITEMS, QUICK_ITEM, RESULT_WAIT_DIVISOR,
    SLOW_ITEM,
};

/// What is known of an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputSpeed {
    /// Whether the caller takes results one by one.
    is_streamed: bool,
    /// The number of consecutive quick items since the last slow one.
    quick: u32,
    /// The number of consecutive quick items with which the input counts as quick.
    required_quick: u32,
    was_slow: bool,
    /// The time for which results may be waited for before the next items are read: no longer than the last pause of the input, so
    /// that at most the same time again is lost.
    wait_budget: Duration,
}

impl InputSpeed {
    /// Returns what is assumed at first. An input that knows its length mostly has its items already.
    pub(super) fn new(is_streamed: bool, size_hint: (usize, Option<usize>)) -> InputSpeed {
        let is_counted = Some(size_hint.0) == size_hint.1;
        let required_quick = if is_streamed && !is_counted { MIN_QUICK_ITEMS } else { 0 };
        InputSpeed { is_streamed, quick: 0, required_quick, was_slow: false, wait_budget: SLOW_ITEM }
    }

    /// Returns whether the next item may be long in coming.
    #[inline]
    pub(super) fn may_block(&self) -> bool {
        self.quick < self.required_quick
    }

    /// Records that items of this weight, in bytes, took this time. If they came right after others (`is_next`), the input was quick;
    /// else it had time to prepare them.
    #[inline]
    pub(super) fn record(&mut self, took: Duration, weight: usize, is_next: bool) {
        let encoding = Duration::from_nanos((weight as u64).saturating_mul(ENCODE_NANOS_PER_BYTE));
        let took = took.saturating_sub(encoding);
        if took >= SLOW_ITEM && self.is_streamed {
            (self.quick, self.was_slow, self.wait_budget) = (0, true, took.max(self.wait_budget));
            self.required_quick = (self.required_quick * 2).clamp(MIN_QUICK_ITEMS, MAX_QUICK_ITEMS);
        } else if took > QUICK_ITEM {
            // Neither quick nor slow. An input that was found quick stays so, and another one begins again.
            self.quick = if self.may_block() { 0 } else { self.quick };
        } else if is_next && self.may_block() {
            self.quick += 1;
        }
    }

    /// Returns how long a result is to be waited for before the next item is read, where tasks take `avg_duration`: after the first
    /// item, and after a slow one.
    pub(super) fn result_wait(&self, avg_duration: Duration) -> Option<Duration> {
        let wait = SLOW_ITEM.max(self.wait_budget / RESULT_WAIT_DIVISOR).min(self.wait_budget);
        // A longer task brings no result in that time, and the input would be read later for nothing.
        (self.may_block() && !wait.is_zero() && avg_duration <= wait).then_some(wait)
    }

    /// Records the time that was spent waiting for a result.
    pub(super) fn count_wait(&mut self, waited: Duration) {
        // A new input is waited for once: that is for the first result alone.
        self.wait_budget = if self.was_slow { self.wait_budget.saturating_sub(waited) } else { Duration::ZERO };
    }
}

/// One pass of reading some items.
#[derive(Debug)]
pub(super) struct ReadPass {
    begin: Instant,
    /// When tasks were last submitted.
    pub(super) submitted_at: Instant,
    /// When the clock was last read.
    pub(super) read_at: Instant,
    /// The number of items that are read before the clock.
    pub(super) stride: usize,
    /// Whether the next item comes right after another one, without a wait in between.
    pub(super) is_next: bool,
}

impl ReadPass {
    pub(super) fn begin() -> ReadPass {
        let begin = Instant::now();
        ReadPass { begin, submitted_at: begin, read_at: begin, stride: 1, is_next: false }
    }

    /// Returns whether the pass has gone on for long.
    pub(super) fn is_long(&self) -> bool {
        self.read_at - self.begin >= SLOW_ITEM
    }

    /// Reads the clock, and returns the time since it was last read. It is read seldom where items are quick.
    #[inline]
    pub(super) fn read_clock(&mut self) -> Duration {
        let now = Instant::now();
        let took = now - self.read_at;
        self.stride = if took > QUICK_ITEM { 1 } else { (self.stride * 2).min(MAX_ITEMS_PER_CLOCK) };
        (self.read_at, self.is_next) = (now, true);
        took
    }

    /// Goes on after other work, or after a wait (`has_waited`), whose time is not the input's.
    pub(super) fn restart(&mut self, has_waited: bool) {
        (self.read_at, self.is_next) = (Instant::now(), !has_waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: (usize, Option<usize>) = (0, None);

    fn read(speed: &mut InputSpeed, count: u32, took: Duration) {
        (0..count).for_each(|_| speed.record(took, 8, true));
    }

    #[test]
    fn an_input_is_quick_when_it_has_shown_so() {
        let mut speed = InputSpeed::new(true, UNKNOWN);
        assert!(speed.may_block());
        read(&mut speed, MIN_QUICK_ITEMS - 1, QUICK_ITEM);
        assert!(speed.may_block());
        read(&mut speed, 1, QUICK_ITEM);
        assert!(!speed.may_block() && speed.result_wait(Duration::ZERO).is_none());
        // An input that had time to prepare its items has shown nothing.
        let mut speed = InputSpeed::new(true, UNKNOWN);
        (0..100).for_each(|_| speed.record(QUICK_ITEM, 8, false));
        assert!(speed.may_block());
    }

    #[test]
    fn an_input_that_was_slow_has_to_show_more_each_time() {
        let mut speed = InputSpeed::new(true, (1000, Some(1000)));
        assert!(!speed.may_block());
        for required in [MIN_QUICK_ITEMS, 2 * MIN_QUICK_ITEMS, 4 * MIN_QUICK_ITEMS] {
            read(&mut speed, 1, 2 * SLOW_ITEM);
            read(&mut speed, required - 1, QUICK_ITEM);
            assert!(speed.may_block());
            read(&mut speed, 1, QUICK_ITEM);
            assert!(!speed.may_block());
        }
    }

    #[test]
    fn an_input_whose_results_are_wanted_together_may_be_slow() {
        let mut speed = InputSpeed::new(false, UNKNOWN);
        read(&mut speed, 10, 500 * SLOW_ITEM);
        assert!(!speed.may_block());
    }

    #[test]
    fn to_encode_a_large_item_is_not_slow() {
        let mut speed = InputSpeed::new(true, (1, Some(1)));
        speed.record(5 * SLOW_ITEM, 1 << 20, true);
        assert!(!speed.may_block());
    }

    #[test]
    fn the_first_result_is_waited_for() {
        let mut speed = InputSpeed::new(true, UNKNOWN);
        speed.record(QUICK_ITEM, 8, false);
        assert_eq!(speed.result_wait(Duration::ZERO), Some(SLOW_ITEM));
        speed.count_wait(Duration::from_nanos(1));
        assert_eq!(speed.result_wait(Duration::ZERO), None);
    }

    #[test]
    fn in_a_burst_the_caller_waits_no_longer_than_the_pause_before() {
        let (mut speed, pause) = (InputSpeed::new(true, UNKNOWN), 800 * SLOW_ITEM);
        (0..20).for_each(|_| speed.record(pause, 0, false));
        assert!(speed.result_wait(101 * SLOW_ITEM).is_none(), "a long task is not waited for");
        let mut waited = Duration::ZERO;
        while let Some(wait) = speed.result_wait(Duration::ZERO) {
            waited += wait;
            speed.count_wait(wait);
            speed.record(QUICK_ITEM, 0, false);
        }
        assert!(waited <= pause, "{waited:?}");
    }
}
