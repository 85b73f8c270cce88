//! Spinning for a moment before sleeping, and sleeping in growing slices. The numbers are those of the caller.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Returns whether this process may use more than one core, as far as its affinity and quota tell. Without another core spinning
/// only delays the thread that is waited for.
///
/// ```
/// let may_spin = procession_core::os::backoff::has_other_cores();
/// assert!(!may_spin || std::thread::available_parallelism()?.get() > 1);
/// # std::io::Result::Ok(())
/// ```
#[inline]
#[must_use]
pub fn has_other_cores() -> bool {
    static CORES: OnceLock<usize> = OnceLock::new();
    // With one core the other side cannot run while this one spins.
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)) > 1
}

/// Spinning for a limited time: the caller looks, pauses, and looks again.
///
/// ```
/// use procession_core::os::backoff::Backoff;
/// use std::{sync::atomic::{AtomicBool, Ordering}, thread, time::Duration};
///
/// let done = AtomicBool::new(false);
/// assert!(!Backoff::new(Duration::from_micros(50), 16).spin_until(|| done.load(Ordering::Acquire)));
/// thread::scope(|scope| {
///     scope.spawn(|| done.store(true, Ordering::Release));
///     assert!(Backoff::new(Duration::from_secs(60), 16).spin_until(|| done.load(Ordering::Acquire)));
/// });
/// ```
#[derive(Debug)]
pub struct Backoff {
    /// When the time began.
    since: Instant,
    spin_for: Duration,
    looks: u32,
    /// How many pauses there were since the clock was read.
    count: u32,
    /// How many spin hints a pause has.
    spins: u32,
    max_spins: u32,
    /// When to yield once; `None` for each time that the clock is read.
    yield_after: Option<Duration>,
}

impl Backoff {
    /// Spins for `spin_for`, and reads the clock and yields the core after each `looks` looks.
    #[must_use]
    pub fn new(spin_for: Duration, looks: u32) -> Backoff {
        Backoff { since: Instant::now(), spin_for, looks, count: 0, spins: 1, max_spins: 1, yield_after: None }
    }

    /// Doubles the spin hints of a pause, up to `max_spins`, each time that the clock is read.
    #[must_use]
    pub fn with_max_spins(self, max_spins: u32) -> Backoff {
        Backoff { max_spins, ..self }
    }

    /// Yields only once, as soon as `elapsed` has passed: the other side may have been woken on this very core.
    #[must_use]
    pub fn with_one_yield_after(self, elapsed: Duration) -> Backoff {
        Backoff { yield_after: Some(elapsed), ..self }
    }

    /// Pauses once. Returns the time when the clock was read, which is the moment to do what is done seldom.
    #[inline]
    pub fn pause(&mut self) -> Option<Instant> {
        self.count += 1;
        if self.count < self.looks {
            // The clock is not read here: a reading takes longer than a look at the word.
            (0..self.spins).for_each(|_| std::hint::spin_loop());
            return None;
        }
        Some(self.give_way())
    }

    /// Returns whether the time is over at `now`.
    #[inline]
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= self.spin_for
    }

    /// Begins the time anew, because something has happened.
    pub fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// Pauses until `is_ready` or the time is over. Returns whether it is ready.
    #[inline]
    pub fn spin_until(mut self, mut is_ready: impl FnMut() -> bool) -> bool {
        loop {
            if is_ready() {
                return true;
            }
            if self.pause().is_some_and(|now| self.is_over(now)) {
                return false;
            }
        }
    }

    fn give_way(&mut self) -> Instant {
        self.count = 0;
        // Each round pauses longer: fewer looks disturb the side that is about to write the word.
        self.spins = (self.spins * 2).min(self.max_spins);
        match self.yield_after {
            None => thread::yield_now(),
            Some(elapsed) if elapsed < self.since.elapsed() => {
                // Once only: each further yield could give away a whole slice of the scheduler.
                self.yield_after = Some(Duration::MAX);
                thread::yield_now();
            }
            Some(_) => {}
        }
        Instant::now()
    }
}

/// Remembers whether spinning has paid lately, so that a thread that always waits long does not spin each time.
///
/// ```
/// use procession_core::os::backoff::AdaptiveSpin;
///
/// let spin = AdaptiveSpin::new(2, 8);
/// spin.record(false);
/// assert!(spin.should_spin(), "one miss is no reason");
/// spin.record(false);
/// spin.record(false);
/// assert!(!spin.should_spin());
/// spin.record(true);
/// assert!(spin.should_spin());
/// ```
#[derive(Debug)]
pub struct AdaptiveSpin {
    /// How many times in a row it has not paid. Relaxed everywhere: it is a hint, and publishes nothing.
    misses: AtomicU32,
    max_misses: u32,
    retry_every: u32,
}

impl AdaptiveSpin {
    /// After `max_misses` in a row, only every `retry_every`th wait spins.
    #[must_use]
    pub const fn new(max_misses: u32, retry_every: u32) -> AdaptiveSpin {
        AdaptiveSpin { misses: AtomicU32::new(0), max_misses, retry_every }
    }

    /// Returns whether the next wait should spin.
    #[inline]
    #[must_use]
    pub fn should_spin(&self) -> bool {
        let misses = self.misses.load(Relaxed);
        // A try from time to time: the other side may have become faster, and only spinning finds that out.
        misses < self.max_misses || misses.is_multiple_of(self.retry_every)
    }

    /// Records whether a wait has ended while it spun. A wait that did not spin counts as a miss.
    #[inline]
    pub fn record(&self, has_paid: bool) {
        // Two threads may lose a count to each other, which only shifts the next try.
        // A count that has wrapped around to 0 would look like a success, hence at least 1.
        let misses = if has_paid { 0 } else { self.misses.load(Relaxed).wrapping_add(1).max(1) };
        self.misses.store(misses, Relaxed);
    }
}

/// The ends of the sleeps that one wait is made of: each sleep is twice as long as the one before.
///
/// A process may die between a change and the wake-up of those who sleep, so that no sleep is without end.
///
/// ```
/// use procession_core::os::backoff::BackoffTimer;
/// use std::time::{Duration, Instant};
///
/// let deadline = Instant::now() + Duration::from_secs(1);
/// let mut timer = BackoffTimer::new(Some(deadline), Duration::from_millis(2), Duration::from_secs(60));
/// assert!(timer.next_sleep() < Some(deadline));
/// while timer.next_sleep() < Some(deadline) {}
/// assert!(!timer.is_over());
/// ```
#[derive(Debug)]
pub struct BackoffTimer {
    deadline: Option<Instant>,
    slice: Duration,
    max_slice: Duration,
    wakes_at: Option<Instant>,
}

impl BackoffTimer {
    /// Makes a timer whose first sleep lasts `slice`, none longer than `max_slice` nor than until `deadline` (`None`: never).
    #[must_use]
    pub fn new(deadline: Option<Instant>, slice: Duration, max_slice: Duration) -> BackoffTimer {
        BackoffTimer { deadline, slice, max_slice, wakes_at: None }
    }

    /// Returns when the sleep that begins now ends.
    pub fn next_sleep(&mut self) -> Option<Instant> {
        self.wakes_at = Instant::now().checked_add(self.slice);
        self.slice = (self.slice * 2).min(self.max_slice);
        match (self.deadline, self.wakes_at) {
            // The earlier of the two: a long slice must not sleep past the caller's deadline.
            (Some(deadline), Some(end)) => Some(deadline.min(end)),
            (deadline, end) => end.or(deadline),
        }
    }

    /// Returns whether the deadline has passed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Returns whether the last sleep lasted to its end, so that no wake-up came, and the thread should look around.
    #[must_use]
    pub fn slept_through(&self) -> bool {
        self.wakes_at.is_some_and(|end| end <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{AdaptiveSpin, Backoff, BackoffTimer};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_clock_is_read_after_as_many_looks_as_asked_for() {
        let mut backoff = Backoff::new(SECOND, 3).with_max_spins(8).with_one_yield_after(Duration::ZERO);
        let reads: Vec<bool> = (0..6).map(|_| backoff.pause().is_some()).collect();
        assert_eq!(reads, [false, false, true, false, false, true]);
    }

    #[test]
    fn a_restart_begins_the_time_anew() {
        let mut backoff = Backoff::new(SECOND, 1);
        let late = Instant::now() + SECOND;
        assert!(backoff.is_over(late));
        while Instant::now() == backoff.since {}
        backoff.restart();
        assert!(!backoff.is_over(late));
    }

    #[test]
    fn no_time_is_one_look() {
        let mut looks = 0;
        let is_ready = Backoff::new(Duration::ZERO, 1).spin_until(|| {
            looks += 1;
            false
        });
        assert_eq!((is_ready, looks), (false, 1));
    }

    #[test]
    fn misses_make_spins_rare_and_not_impossible() {
        let spin = AdaptiveSpin::new(4, 16);
        let spun = (0..64).filter(|_| {
            let spins = spin.should_spin();
            spin.record(false);
            spins
        });
        assert_eq!(spun.count(), 4 + 3);
    }

    #[test]
    fn sleeps_double_up_to_the_longest() {
        let mut timer = BackoffTimer::new(None, SECOND, 3 * SECOND);
        for length in [1, 2, 3, 3] {
            let before = Instant::now();
            let end = timer.next_sleep().expect("the clock goes so far");
            assert!(end >= before + length * SECOND && end <= Instant::now() + length * SECOND);
            assert!(!timer.slept_through());
        }
        assert!(!timer.is_over());
        assert!(BackoffTimer::new(Some(Instant::now()), SECOND, SECOND).is_over());
    }
}
