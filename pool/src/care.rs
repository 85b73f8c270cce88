//! [`Care`] and [`Pass`]: whether an input may block at its next item, so that what is there goes first.
//!
//! The input of a stream of results is read on the thread that asks for them, and nobody can know beforehand how long an item takes.
//! So an input is taken for one that may block until it has shown that it does not, and again for longer each time it was slow.

use std::time::{Duration, Instant};

/// An item that takes longer to come is slow: somebody would notice that results wait for it.
pub(crate) const SLOW: Duration = Duration::from_millis(1);
/// Items that come sooner than this, one after the other, are quick.
const QUICK: Duration = Duration::from_micros(10);
/// With so many in succession an input is taken for quick, if it was never slow.
const ENOUGH: u32 = 8;
/// However often it was slow, with so many it is.
const MOST_ENOUGH: u32 = 1 << 12;
/// To encode a byte of an item takes no longer than this, in nanoseconds, in the slowest builds: that is not the input's time.
const BYTE_TIME: u64 = 10;
/// A result is waited for, before the next item is read, for such a part of the time that is left for that: the results of tasks that
/// are much shorter than the pauses of the input come, and the waiting for those that are not soon comes to its end.
const PART: u32 = 8;

/// So many items are read between two looks at the clock.
const STRIDE: usize = 64;

/// What is known of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Care {
    /// Whether somebody takes results one by one.
    is_streamed: bool,
    /// How many items were quick, one right after the other, since the last that was slow.
    quick: u32,
    /// With so many it is taken for quick.
    enough: u32,
    was_slow: bool,
    /// For so long results may be waited for before the next items are read: no longer than the last pause of the input, so that at
    /// most the same time again is lost.
    budget: Duration,
}

impl Care {
    /// For an input of so many items. One that knows how many they are has them already, most often.
    pub(crate) fn new(is_streamed: bool, size_hint: (usize, Option<usize>)) -> Care {
        let is_counted = Some(size_hint.0) == size_hint.1;
        let enough = if is_streamed && !is_counted { ENOUGH } else { 0 };
        Care { is_streamed, quick: 0, enough, was_slow: false, budget: SLOW }
    }

    /// Whether the next item may be long in coming.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.quick < self.enough
    }

    /// Notes that one item or several of this weight, in bytes, took so long. Whether they came right after others, with no waiting in
    /// between, tells whether their input was quick or had time enough.
    #[inline]
    pub(crate) fn note(&mut self, took: Duration, weight: usize, is_next: bool) {
        let took = took.saturating_sub(Duration::from_nanos((weight as u64).saturating_mul(BYTE_TIME)));
        if took >= SLOW && self.is_streamed {
            (self.quick, self.was_slow, self.budget) = (0, true, took.max(self.budget));
            self.enough = (self.enough * 2).clamp(ENOUGH, MOST_ENOUGH);
        } else if took > QUICK {
            self.quick = if self.is_due() { 0 } else { self.quick };
        } else if is_next && self.is_due() {
            self.quick += 1;
        }
    }

    /// For how long a result is to be waited for before the next item is read, where tasks usually take as long as this: after the
    /// first item, and from when one was slow.
    pub(crate) fn patience(&self, usual: Duration) -> Option<Duration> {
        let patience = SLOW.max(self.budget / PART).min(self.budget);
        (self.is_due() && !patience.is_zero() && usual <= patience).then_some(patience)
    }

    /// Notes that it was waited for so long.
    pub(crate) fn spend(&mut self, waited: Duration) {
        self.budget = if self.was_slow { self.budget.saturating_sub(waited) } else { Duration::ZERO };
    }
}

/// One reading of some items.
pub(crate) struct Pass {
    begin: Instant,
    /// Since when tasks are gathered.
    pub(crate) gathered: Instant,
    /// When the clock was looked at.
    pub(crate) looked: Instant,
    /// So many items are read before the next look.
    pub(crate) stride: usize,
    /// Whether the next item comes right after another one, and nobody has waited in between.
    pub(crate) is_next: bool,
}

impl Pass {
    pub(crate) fn begin() -> Pass {
        let begin = Instant::now();
        Pass { begin, gathered: begin, looked: begin, stride: 1, is_next: false }
    }

    /// Whether it has gone on for long.
    pub(crate) fn is_long(&self) -> bool {
        self.looked - self.begin >= SLOW
    }

    /// Looks at the clock, and answers how long it is since the last time. Of an input that is quick to read, few items are worth a
    /// look each.
    #[inline]
    pub(crate) fn look(&mut self) -> Duration {
        let now = Instant::now();
        let took = now - self.looked;
        self.stride = if took > QUICK { 1 } else { (self.stride * 2).min(STRIDE) };
        (self.looked, self.is_next) = (now, true);
        took
    }

    /// Goes on after something else was done, or somebody `has_waited`: that time is not the input's.
    pub(crate) fn pause(&mut self, has_waited: bool) {
        (self.looked, self.is_next) = (Instant::now(), !has_waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: (usize, Option<usize>) = (0, None);

    fn read(care: &mut Care, count: u32, took: Duration) {
        (0..count).for_each(|_| care.note(took, 8, true));
    }

    #[test]
    fn an_input_is_quick_when_it_has_shown_so() {
        let mut care = Care::new(true, UNKNOWN);
        assert!(care.is_due());
        read(&mut care, ENOUGH - 1, QUICK);
        assert!(care.is_due());
        read(&mut care, 1, QUICK);
        assert!(!care.is_due() && care.patience(Duration::ZERO).is_none());
        // What had time enough before it was asked for shows nothing.
        let mut care = Care::new(true, UNKNOWN);
        (0..100).for_each(|_| care.note(QUICK, 8, false));
        assert!(care.is_due());
    }

    #[test]
    fn one_that_was_slow_has_to_show_more_each_time() {
        let mut care = Care::new(true, (1000, Some(1000)));
        assert!(!care.is_due());
        for enough in [ENOUGH, 2 * ENOUGH, 4 * ENOUGH] {
            read(&mut care, 1, 2 * SLOW);
            read(&mut care, enough - 1, QUICK);
            assert!(care.is_due());
            read(&mut care, 1, QUICK);
            assert!(!care.is_due());
        }
    }

    #[test]
    fn where_all_results_are_wanted_there_is_no_need() {
        let mut care = Care::new(false, UNKNOWN);
        read(&mut care, 10, 500 * SLOW);
        assert!(!care.is_due());
    }

    #[test]
    fn to_encode_a_large_item_is_not_slow() {
        let mut care = Care::new(true, (1, Some(1)));
        care.note(5 * SLOW, 1 << 20, true);
        assert!(!care.is_due());
    }

    #[test]
    fn the_first_result_is_waited_for() {
        let mut care = Care::new(true, UNKNOWN);
        care.note(QUICK, 8, false);
        assert_eq!(care.patience(Duration::ZERO), Some(SLOW));
        care.spend(Duration::from_nanos(1));
        assert_eq!(care.patience(Duration::ZERO), None);
    }

    #[test]
    fn in_a_burst_nobody_waits_longer_than_the_pause_before() {
        let (mut care, pause) = (Care::new(true, UNKNOWN), 800 * SLOW);
        (0..20).for_each(|_| care.note(pause, 0, false));
        assert!(care.patience(101 * SLOW).is_none(), "a long task is not waited for");
        let mut waited = Duration::ZERO;
        while let Some(patience) = care.patience(Duration::ZERO) {
            waited += patience;
            care.spend(patience);
            care.note(QUICK, 0, false);
        }
        assert!(waited <= pause, "{waited:?}");
    }
}
